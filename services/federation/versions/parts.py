"""The two files of a version: the encoder, in the object storage under its hash, and the head, in the version's row."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from services.federation.domain import FederatedVersion, version_not_found
from services.federation.protocols import VersionsRepository
from services.federation.versions.domain import ENCODER, HEAD, PARTS, Part, PartAddress, part_gone, part_unknown
from services.federation.versions.protocols import PartsStorage
from services.kit.errors import NotFound, ScaleError
from services.kit.signed_links import SignedLinks

log = structlog.get_logger()

MODELS_PATH = "/api/v1/federation/models/"
"""Below it the gateway hands out what ReadModelPart reads."""
_ENCODERS = "federation/encoder/"


class ModelParts:
    """Their bytes, and addresses of them. A version's address names the version: its bytes never change."""

    def __init__(
        self, repository: VersionsRepository, storage: PartsStorage, links: SignedLinks, spare: Callable[[], Awaitable[bytes]] | None = None
    ) -> None:
        """`spare`: an encoder that may be the one that the storage has lost."""
        self._spare = spare
        self._repository = repository
        self._storage = storage
        self._links = links
        self._kept: Part | None = None
        """The encoder that was asked for last: devices ask for the same one again and again."""
        self._turn = asyncio.Lock()

    async def keep_encoder(self, content: bytes) -> str:
        """Stores an encoder; returns its hash. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""
        content_hash = hashlib.sha256(content).hexdigest()
        await self._storage.put_bytes(f"{_ENCODERS}{content_hash}", content)
        self._kept = Part(content, content_hash)
        return content_hash

    def addresses(self, version: FederatedVersion) -> tuple[PartAddress, PartAddress]:
        """Fresh ones of encoder and head."""
        return (
            self._address(version.version, ENCODER, version.encoder_hash, version.encoder_size_bytes),
            self._address(version.version, HEAD, version.head_hash, version.head_size_bytes),
        )

    async def read(self, version: int, name: str) -> Part:
        """A part, whole. Raises InvalidArgument, NotFound, with reason MODEL_PART_GONE where it is not what it was, and Unavailable."""
        if name not in PARTS:
            raise part_unknown(name)
        found = await self._repository.get(version)
        if found is None:
            raise version_not_found(version)
        if name == ENCODER:
            return await self.encoder(found)
        content = await self._repository.head(version)
        return _checked(content, found.head_hash, version, HEAD)

    async def read_signed(self, version: int, name: str, expires: int, signature: str) -> Part:
        """What a signed address stands for. Also raises PermissionDenied with reason SIGNATURE_INVALID or SIGNATURE_EXPIRED."""
        self._links.check(_path(version, name), expires, signature)
        return await self.read(version, name)

    async def encoder(self, version: FederatedVersion) -> Part:
        """That of a version. Raises NotFound with reason MODEL_PART_GONE, and Unavailable."""
        async with self._turn:
            if self._kept is None or self._kept.content_hash != version.encoder_hash:
                try:
                    self._kept = _checked(await self._stored(version), version.encoder_hash, version.version, ENCODER)
                except NotFound:
                    if not await self._brought_back(version):
                        raise
            assert self._kept is not None  # nosec B101
            return self._kept

    async def _stored(self, version: FederatedVersion) -> bytes:
        parts, size = [], 0
        try:
            async for part in self._storage.read(f"{_ENCODERS}{version.encoder_hash}"):
                parts.append(part)
                size += len(part)
                if size > version.encoder_size_bytes:
                    break
        except NotFound:
            raise part_gone(version.version, ENCODER, "is gone") from None
        return b"".join(parts)

    async def _brought_back(self, version: FederatedVersion) -> bool:
        """Stores the spare encoder, if it is that of the version."""
        try:
            content = await self._spare() if self._spare is not None else b""
        except ScaleError:
            return False
        if hashlib.sha256(content).hexdigest() != version.encoder_hash:
            return False
        log.warning("a lost encoder is put back", encoder_hash=version.encoder_hash)
        await self.keep_encoder(content)
        return True

    def _address(self, version: int, name: str, content_hash: str, size_bytes: int) -> PartAddress:
        expires, signature = self._links.sign(_path(version, name))
        url = f"{MODELS_PATH}{_path(version, name)}?expires={expires}&signature={signature}"
        return PartAddress(name, content_hash, size_bytes, url, datetime.fromtimestamp(expires, UTC))


def _path(version: int, name: str) -> str:
    return f"{version}/{name}"


def _checked(content: bytes, content_hash: str, version: int, name: str) -> Part:
    if hashlib.sha256(content).hexdigest() != content_hash:
        log.error("a part of the federated model is not what it was", version=version, part=name)
        raise part_gone(version, name, "is damaged")
    return Part(content, content_hash)
