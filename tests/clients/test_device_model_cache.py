"""What a device takes for a part of the model: what was announced, to the byte."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.device.model_cache import ModelCache
from clients.device.problem import PolicyRefused
from scale.federation.v1 import participation_service_pb2 as pb

HEAD = b"head of version 3"


@dataclass
class Sent:
    """A coordinator that sends these bytes."""

    content: bytes
    asked: int = 0

    async def download(self, model_version: int, name: str) -> AsyncIterator[bytes]:
        self.asked += 1
        for start in range(0, len(self.content), 5):
            yield self.content[start : start + 5]


def part(content: bytes = HEAD, name: str = "head") -> pb.ModelPart:
    return pb.ModelPart(name=name, content_hash=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


@pytest.mark.parametrize("sent", [b"head of version 4", HEAD[:-1], HEAD + b"!", b""])
async def test_bytes_that_were_not_announced_are_refused_and_not_kept(tmp_path: Path, sent: bytes) -> None:
    """Devices agree on the hash; it is worth nothing to one that takes other bytes for it."""
    with pytest.raises(PolicyRefused) as refused:
        await ModelCache(tmp_path).fetch(Sent(sent), 3, part())

    assert refused.value.reason == "MODEL_MISMATCH"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed", [pb.ModelPart(name="../head"), pb.ModelPart(content_hash="../../x"), pb.ModelPart(content_hash="A" * 64)]
)
async def test_a_name_or_hash_that_is_none_reaches_no_file(tmp_path: Path, changed: pb.ModelPart) -> None:
    announced = part()
    announced.MergeFrom(changed)
    source = Sent(HEAD)

    with pytest.raises(PolicyRefused) as refused:
        await ModelCache(tmp_path).fetch(source, 3, announced)

    assert (refused.value.reason, source.asked) == ("PLAN_INVALID", 0)
