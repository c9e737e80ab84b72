"""What judges heads has the encoder of the line, whatever model comes with the product."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from models.artifact import pack
from models.hypcd.classifier import MODEL_FILE
from services.federation.protocols import Floats
from services.federation.versions.domain import Answering
from services.federation.versions.gate import VersionsGate
from services.kit.errors import NotFound
from tests.federation.versions.conftest import Line

HEAD = np.zeros(3, np.float32)


class FakeFolderGate:
    """Says how often it was asked, and remembers whose encoder was in its folder when it first was."""

    made: ClassVar[list[FakeFolderGate]] = []

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.encoder = ""
        self.asked = 0
        self.closed = False
        self.made.append(self)

    async def accuracy(self, head: Floats) -> float:
        self.encoder = self.encoder or hashlib.sha256((self.folder / MODEL_FILE).read_bytes()).hexdigest()
        await asyncio.sleep(0)
        if not head.size:
            raise ValueError("no head")
        self.asked += 1
        return self.asked / 10

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    FakeFolderGate.made.clear()


async def test_it_is_made_once_of_the_lines_own_encoder(line: Line, categorizer: Path, tmp_path: Path) -> None:
    line.registry.answers = Answering("7-deadbeef", pack(categorizer))
    found = await line.publish()
    gate = VersionsGate(line.service, FakeFolderGate)
    assert sorted(await asyncio.gather(*(gate.accuracy(HEAD) for _ in range(3)))) == [0.1, 0.2, 0.3]
    (made,) = FakeFolderGate.made
    assert made.encoder == found.encoder_hash
    assert not made.folder.exists()
    await gate.close()
    assert made.closed


async def test_one_that_could_not_be_made_is_made_later(line: Line) -> None:
    found = await line.service.latest()
    path = line.folder / f"federation/encoder/{found.encoder_hash}"
    content = path.read_bytes()
    path.unlink()
    other = line.again()
    gate = VersionsGate(other.service, FakeFolderGate)
    with pytest.raises(NotFound):
        await gate.accuracy(HEAD)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no head"):
        await gate.accuracy(HEAD[:0])
    assert await gate.accuracy(HEAD) == 0.1
    assert [one.closed for one in FakeFolderGate.made] == [True, False]
    await VersionsGate(other.service, FakeFolderGate).close()
