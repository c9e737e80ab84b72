"""One whole system, started as `make run` starts it, for all end-to-end tests that do not kill it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from services.local import LocalSystem, free_port_base
from tests.support.rest import RestUser


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """Every service as its own process. Its limits are those of `make run`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
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
