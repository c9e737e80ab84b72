"""What the processes of ingestion need from their environment, and what they say of one that is wrong."""

from __future__ import annotations

import pytest
from pydantic_settings import BaseSettings

from services.ingestion.settings import IngestionSettings, IngestionWorkerSettings
from services.kit.settings import load_settings
from tests.support.service_keys import service_key

WORKER = {
    "SCALE_INGESTION_DATABASE_URL": "postgresql://localhost/scale",
    "SCALE_REDIS_URL": "redis://localhost",
    "SCALE_STORAGE_URL": "file:///var/lib/scale",
    "SCALE_INGESTION_SERVICE_KEY": service_key(),
}
SERVICE = {
    "SCALE_INGESTION_DATABASE_URL": "postgresql://localhost/scale",
    "SCALE_INGESTION_PORT": "8082",
    "SCALE_AUTH_SECRET": "a secret for tests, long enough for HS256",
    "SCALE_AUTH_ISSUER": "tests",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*WORKER, *SERVICE):
        monkeypatch.delenv(name, raising=False)


def load(monkeypatch: pytest.MonkeyPatch, cls: type[BaseSettings], environment: dict[str, str]) -> BaseSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(cls)


def test_each_process_starts_with_what_it_needs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker verifies nobody's token: the users' secret is none of its business."""
    load(monkeypatch, IngestionWorkerSettings, WORKER)
    assert not {name for name in IngestionWorkerSettings.model_fields if name.startswith(("auth", "port"))}
    assert not {name for name in IngestionSettings.model_fields if name == "service_key"}


@pytest.mark.parametrize("missing", WORKER)
def test_a_worker_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], missing: str) -> None:
    with pytest.raises(SystemExit):
        load(monkeypatch, IngestionWorkerSettings, {name: value for name, value in WORKER.items() if name != missing})
    assert missing in capfd.readouterr().err


@pytest.mark.parametrize(
    ("cls", "environment", "name", "value"),
    [
        (IngestionWorkerSettings, WORKER, "SCALE_INGESTION_SERVICE_KEY", "short"),
        (IngestionWorkerSettings, WORKER, "SCALE_STORAGE_URL", "/var/lib/scale"),
        (IngestionSettings, SERVICE, "SCALE_STORAGE_URL", "ftp://host/folder"),
        (IngestionSettings, SERVICE, "SCALE_INGESTION_MAX_QUEUED", "0"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is_shown(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    cls: type[BaseSettings],
    environment: dict[str, str],
    name: str,
    value: str,
) -> None:
    with pytest.raises(SystemExit):
        load(monkeypatch, cls, {**environment, name: value})
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"{name}: ")
    assert "short" not in said
