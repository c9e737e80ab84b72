"""The global model that users' own models are trained on: the live one of the registry, else the one that comes with the product."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from services.kit.errors import FailedPrecondition
from services.training.domain import CATEGORIZER_GLOBAL, NOBODY, LiveArtifact
from services.training.protocols import LiveModels

if TYPE_CHECKING:
    from models.hypcd.classifier import Classifier

log = structlog.get_logger()

MODELS_DIR = Path(__file__).resolve().parents[3] / "models" / "hypcd"
"""The model that comes with the product."""


class GlobalModel:
    """Reads it anew for each job: another one may be live by then."""

    def __init__(self, live: LiveModels, folder: Path = MODELS_DIR) -> None:
        """`folder`: of the model that comes with the product."""
        self._live = live
        self._folder = folder

    async def artifact(self) -> LiveArtifact | None:
        """The live one of the registry; None while the one that comes with the product answers."""
        return await self._live.live(NOBODY, CATEGORIZER_GLOBAL)

    def load(self, artifact: LiveArtifact | None) -> Classifier:
        """What `artifact` found, as a network; it takes a second of a thread. Raises FailedPrecondition where it cannot be read."""
        from models.artifact import ArtifactError, unpack
        from models.hypcd.classifier import Classifier

        try:
            if artifact is None:
                return Classifier.load(self._folder)
            with tempfile.TemporaryDirectory(prefix="scale-model-") as folder:
                unpack(artifact.content, Path(folder))
                return Classifier.load(Path(folder))
        except ArtifactError as error:
            log.error("the global model cannot be read", version=artifact.version if artifact is not None else "", error=str(error))
            raise FailedPrecondition(
                "The model that everybody begins with cannot be read, and nothing can be built on it: ask whoever runs SCALE",
                reason="NO_GLOBAL_MODEL",
            ) from error
