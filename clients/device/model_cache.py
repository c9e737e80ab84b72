"""The parts of the model on the device: downloaded once, checked by their hash, kept while they are in use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from clients.device.download import SignedAddresses, Unreachable
from clients.device.files import private_folder, write_private
from clients.device.policy import MOST_PART_BYTES
from clients.device.problem import CoordinatorRefused, PolicyRefused
from scale.federation.v1 import participation_service_pb2 as pb

_ATTEMPTS = 3
_HASH = re.compile(r"[0-9a-f]{64}")


class Source(Protocol):
    """Where parts come from."""

    def download(self, model_version: int, name: str) -> AsyncIterator[bytes]:
        """The bytes of one, in order."""


class ModelCache:
    """A folder with one encoder, which many versions of the model share, and one head."""

    def __init__(self, folder: Path, addresses: SignedAddresses | None = None) -> None:
        self._folder = private_folder(folder)
        self._addresses = addresses

    @property
    def encoder_hash(self) -> str:
        """Of the encoder that is here, else empty."""
        return next((path.name.removeprefix("encoder-") for path in self._folder.glob("encoder-*")), "")

    async def fetch(self, source: Source, model_version: int, part: pb.ModelPart) -> bytes:
        """The part as the assignment names it. Raises PolicyRefused where what comes is something else, CoordinatorRefused."""
        if part.name not in MOST_PART_BYTES or not _HASH.fullmatch(part.content_hash):
            raise PolicyRefused("PLAN_INVALID", f"a part of the model named {part.name[:20]!r} with the hash {part.content_hash[:70]!r}")
        path = self._folder / f"{part.name}-{part.content_hash}"
        if (kept := self._read(path, part)) is not None:
            return kept
        content = await self._from_address(part) or await self._download(source, model_version, part)
        for older in self._folder.glob(f"{part.name}-*"):
            older.unlink(missing_ok=True)
        write_private(path, content)
        return content

    def _read(self, path: Path, part: pb.ModelPart) -> bytes | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        # What a full disk or a stray hand has changed is fetched anew.
        return content if hashlib.sha256(content).hexdigest() == part.content_hash else None

    async def _from_address(self, part: pb.ModelPart) -> bytes | None:
        """None where the address does not work, or something else lies there: the coordinator has the part as well."""
        if self._addresses is None or not part.download_url:
            return None
        content = bytearray()
        try:
            async for chunk in self._addresses.download(part.download_url, part.size_bytes):
                content += chunk
        except Unreachable:
            return None
        return bytes(content) if hashlib.sha256(content).hexdigest() == part.content_hash else None

    async def _download(self, source: Source, model_version: int, part: pb.ModelPart) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            content = bytearray()
            try:
                async for chunk in source.download(model_version, part.name):
                    content += chunk
                    if len(content) > part.size_bytes:
                        raise PolicyRefused("MODEL_MISMATCH", f"{part.name} is larger than the {part.size_bytes} bytes that were announced")
            except CoordinatorRefused as error:
                if error.code != "UNAVAILABLE" or attempt == _ATTEMPTS:
                    raise
                continue
            if hashlib.sha256(content).hexdigest() != part.content_hash:
                raise PolicyRefused("MODEL_MISMATCH", f"{part.name} of version {model_version} is not what was announced: its hash differs")
            return bytes(content)
        raise AssertionError("unreachable")
