"""`Gate` with the encoder of the versions themselves: where the registry's model began their line, it is not the one that comes with the
product, and a head means nothing without its encoder."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from services.federation.protocols import Floats, Gate
from services.federation.versions.service import FederatedVersions


class FolderGate(Gate, Protocol):
    """Judges with the categorizer of a folder, which it reads when it is first asked."""

    async def close(self) -> None:
        """Lets go of what it has read."""


class VersionsGate:
    """Made when it is first asked: all versions of a line have one encoder."""

    def __init__(self, versions: FederatedVersions, of_folder: Callable[[Path], FolderGate]) -> None:
        self._versions = versions
        self._of_folder = of_folder
        self._made: FolderGate | None = None
        self._turn = asyncio.Lock()

    async def accuracy(self, head: Floats) -> float:
        """See `Gate`. Raises ScaleError where the encoder cannot be had, and what the folder's gate does."""
        async with self._turn:
            if self._made is None:
                return await self._first(head)
        return await self._made.accuracy(head)

    async def close(self) -> None:
        """Lets go of the model."""
        if self._made is not None:
            await self._made.close()

    async def _first(self, head: Floats) -> float:
        with tempfile.TemporaryDirectory(prefix="scale-gate-") as folder:
            await self._versions.write_categorizer(await self._versions.latest(), Path(folder))
            gate = self._of_folder(Path(folder))
            try:
                found = await gate.accuracy(head)
            except BaseException:
                await gate.close()
                raise
        self._made = gate
        return found
