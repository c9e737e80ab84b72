"""`Categorizers` on the artefacts of models/hypcd: torch is loaded at the first use, in a thread."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import structlog

from services.federation.versions.domain import Origin
from services.kit.errors import FailedPrecondition

log = structlog.get_logger()


class HypcdCategorizers:
    """Takes folders of artefacts apart, and puts packed ones together."""

    def __init__(self, shipped: Path) -> None:
        """`shipped`: the folder of the categorizer that comes with the product."""
        self._shipped = shipped

    async def shipped(self) -> Origin:
        """See `Categorizers`."""
        return await asyncio.to_thread(_origin, self._shipped)

    async def shipped_encoder(self) -> bytes:
        """That of `shipped` alone."""
        return (await self.shipped()).encoder

    async def take_apart(self, artifact: bytes) -> Origin:
        """See `Categorizers`."""
        return await asyncio.to_thread(_unpacked, artifact)

    async def write(self, encoder: bytes, head: bytes, version: str, folder: Path) -> None:
        """See `Categorizers`."""
        await asyncio.to_thread(_write, encoder, head, version, folder)

    async def put_together(self, encoder: bytes, head: bytes, version: str) -> bytes:
        """See `Categorizers`."""
        return await asyncio.to_thread(_packed, encoder, head, version)


def _origin(folder: Path) -> Origin:
    from models.artifact import ArtifactError
    from models.federated.head import Head, encoder_bytes
    from models.hypcd.classifier import Classifier

    try:
        classifier = Classifier.load(folder)
        encoder, _ = encoder_bytes(folder)
    except ArtifactError as error:
        log.error("the model that answers cannot be read", error=str(error))
        raise FailedPrecondition(
            "The model that answers everybody cannot be read, and nothing can be trained on from it: ask whoever runs SCALE.",
            reason="NO_GLOBAL_MODEL",
        ) from error
    return Origin(encoder, Head.of(classifier).to_bytes(), classifier.version)


def _unpacked(artifact: bytes) -> Origin:
    from models.artifact import ArtifactError, unpack

    with tempfile.TemporaryDirectory(prefix="scale-model-") as folder:
        try:
            unpack(artifact, Path(folder))
        except ArtifactError as error:
            # An empty folder says the rest.
            log.error("the model that answers cannot be unpacked", error=str(error))
        return _origin(Path(folder))


def _write(encoder: bytes, head: bytes, version: str, folder: Path) -> None:
    from models.artifact import ArtifactError, save
    from models.federated.head import Head
    from models.hypcd.classifier import ANCHORS_FILE, MODEL_FILE, Classifier

    try:
        save(folder, version, {MODEL_FILE: encoder, ANCHORS_FILE: Head.load(head).heads().content()}, {"training": {"federated": True}})
        # What nobody could load shall not reach the registry.
        Classifier.load(folder)
    except ArtifactError as error:
        raise FailedPrecondition(f"Encoder and head of {version} make no model: {error}", reason="MODEL_INVALID") from error


def _packed(encoder: bytes, head: bytes, version: str) -> bytes:
    from models.artifact import pack

    with tempfile.TemporaryDirectory(prefix="scale-model-") as folder:
        _write(encoder, head, version, Path(folder))
        return pack(Path(folder))
