"""One whole system, started as `make run` starts it, for all end-to-end tests that do not kill it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local import LocalSystem, free_port_base
from tests.support import through
from tests.support.otlp_collector import OtlpCollector, otlp_collector
from tests.support.rest import RestUser

MODELS_DIR = Path(__file__).resolve().parents[2] / "models" / "hypcd"


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the model that the system answers with, for a test to take away and to put back."""
    folder = tmp_path_factory.mktemp("models")
    for path in (*MODELS_DIR.glob("*.pt"), *MODELS_DIR.glob("*.json")):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def collector() -> Iterator[OtlpCollector]:
    """Where the system sends its traces."""
    with otlp_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, collector: OtlpCollector) -> Iterator[LocalSystem]:
    """Every service as its own process. Its limits are those of `make run`, but nobody waits ten seconds for more imports to come. With
    SCALE_E2E_THROUGH it works through PgBouncer or with mutual TLS."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
    environment["SCALE_CATEGORIZATION_MODELS_DIR"] = str(models_dir)
    environment["SCALE_FORECASTING_SCAN_DELAY_S"] = "1"
    environment["SCALE_OTLP_ENDPOINT"] = collector.address
    environment["OTEL_BSP_SCHEDULE_DELAY"] = "500"
    environment |= through.chosen(tmp_path_factory.mktemp("through"))
    system = LocalSystem(tmp_path_factory.mktemp("system") / "home", free_port_base(), durable=False, environment=environment)
    with system:
        system.start()
        yield system


@pytest.fixture
def user(system: LocalSystem) -> Iterator[RestUser]:
    """A user whom nobody has seen before."""
    user = RestUser(system)
    yield user
    user.close()
