"""What the models of a folder are, for a process that runs none: a manifest and hashes, read without a network."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from models.artifact import ArtifactError, check, read_manifest
from services.forecasting.domain import ModelInfo
from services.forecasting.model_folder import ModelFolder

BASELINES = ("auto_ets", "croston", "exponential_smoothing", "recent", "recent_weekday", "seasonal_naive", "theta")
"""What needs no artefact."""
LEARNED = ("pooled", "tft")
"""What was trained."""


BASELINE_VERSION = "baselines-1"
"""What answers without artefacts."""


class _Named(NamedTuple):
    info: ModelInfo


class ModelNames(ModelFolder[_Named]):
    """The service's own view of what its workers forecast with; whether a network answers, they find out."""

    def __init__(self, folder: Path, *, watch_s: float = 2.0) -> None:
        """Looks every `watch_s` seconds for another version in the folder."""
        super().__init__(folder, _read, watch_s=watch_s)


def _read(folder: Path) -> _Named:
    try:
        manifest = read_manifest(folder)
        for name in manifest.hashes:
            check(manifest, name)
    except ArtifactError as error:
        return _Named(ModelInfo(BASELINE_VERSION, True, str(error).replace(f"{folder}/", "")[:500], BASELINES))
    there = (name for name in LEARNED if f"{name}.pt" in manifest.hashes)
    return _Named(ModelInfo(manifest.version, False, "", tuple(sorted((*BASELINES, *there)))))
