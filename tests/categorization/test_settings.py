"""Where the model lies, and which settings stop a start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.categorization.settings import MODELS_DIR, CategorizationWorkerSettings, ModelSettings
from tests.support.service_keys import service_key


@pytest.mark.requirement("CAT-15")
def test_the_model_that_comes_with_the_project_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCALE_CATEGORIZATION_MODELS_DIR", "MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert ModelSettings().models_folder == MODELS_DIR
    assert MODELS_DIR.is_dir()


@pytest.mark.requirement("CAT-15")
@pytest.mark.parametrize("name", ["SCALE_CATEGORIZATION_MODELS_DIR", "MODELS_DIR"])
def test_another_folder_is_given_itself_or_by_the_one_above(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    assert ModelSettings().models_folder == tmp_path
    (tmp_path / "hypcd").mkdir()
    assert ModelSettings().models_folder == tmp_path / "hypcd"


@pytest.mark.parametrize("key", ["", "short", "!" * 43])
def test_a_worker_needs_a_key_that_signs(key: str) -> None:
    settings: dict[str, Any] = {"database_url": "postgresql://x", "SCALE_REDIS_URL": "redis://x"}
    with pytest.raises(ValidationError):
        CategorizationWorkerSettings(**settings, service_key=key)
    assert CategorizationWorkerSettings(**settings, service_key=service_key()).results_days == 7
