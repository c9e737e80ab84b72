"""What all tests share: real servers, started once a run as `make run` starts them, and fresh users instead of empty tables."""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog
import uuid_utils.compat
from hypothesis import settings

from services.local import LocalSystem, free_port_base
from services.local.readiness import wait_for_services
from services.local.supervise import Supervisor
from services.local.system import SERVICES
from tests.support import through
from tests.support.pieces import SHARED, piece_of

# In continuous integration the same examples every time: a change is judged by what it changes. On a laptop, new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Threads of torch wait for each other by turning round: ten times the time where several processes share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# As plain text: structlog's own way prints every local variable of every frame, for seconds where these are whole statements.
structlog.configure(processors=[structlog.processors.format_exc_info, structlog.dev.ConsoleRenderer(colors=False)])

QUEUE_ABOVE_BYTES = 100_000
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AsRole = Callable[[str, UUID | None], AbstractAsyncContextManager[asyncpg.Connection]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--alone", choices=["only", "without"], help="only the tests that are marked alone, or all others")


def pytest_make_parametrize_id(val: object) -> str | None:
    """A random id in a path is `{id}` in the name of its test: every process must know the test by the same name."""
    return UUID_TEXT.sub("{id}", val) if isinstance(val, str) and UUID_TEXT.search(val) else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`--alone=only` does not load the files that have none of them."""
    if config.getoption("--alone") != "only" or collection_path.suffix != ".py":
        return None
    return "pytest.mark.alone" not in collection_path.read_text(encoding="utf-8") or None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what `--alone` leaves out, puts the longest pieces of work first, and measures no coverage of made-up examples."""
    if wanted := config.getoption("--alone"):
        chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            chosen[(item.get_closest_marker("alone") is not None) == (wanted == "only")].append(item)
        items[:] = chosen[True]
        config.hook.pytest_deselected(items=chosen[False])
    items.sort(key=lambda item: piece_of(item.nodeid) not in SHARED.values())
    for item in items:
        # Thousands of examples run the same lines; to trace them takes a third of their time, and a line that they alone reach is untested.
        if item.get_closest_marker("hypothesis"):
            item.add_marker("no_cover")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was loaded and collected stays to the end of the run: to look through it for rubbish, again and again, takes an eighth of the
    processor's time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes (`-n 2`) share the work by pieces, in the order of collection: files, or folders whose tests share a system."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPiece(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return piece_of(nodeid)

    config.option.loadscopereorder = False
    return ByPiece(config, log)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """PostgreSQL, migrated by a role that is no superuser, and Redis. Never stop them: kill servers of your own instead."""
    system = LocalSystem(tmp_path_factory.mktemp("servers") / "home", free_port_base(), durable=False, environment={})
    with system:
        system.start(services=())
        yield system


def unmeasured_environment() -> dict[str, str]:
    """For a system whose processes are killed, which writes no coverage: to count lines would only make it slow. Nobody's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SCALE_", "COVERAGE_"))}


@pytest.fixture(scope="session")
def system_to_break(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """Use `breakable_system`."""
    environment = unmeasured_environment()
    environment |= {"SCALE_INGESTION_QUEUE_ABOVE_BYTES": str(QUEUE_ABOVE_BYTES), "SCALE_INGESTION_LEASE_S": "3"}
    environment |= {"SCALE_TRAINING_LEASE_S": "3", "SCALE_TRAINING_WORKER_GRACE_S": "0.5"}
    # One round of the clock, however long the tests take; and noise that a dozen devices' model bears.
    environment |= {"SCALE_FEDERATION_INTERVAL_HOURS": "8760", "SCALE_FEDERATION_SELECTION_S": "3"}
    environment |= {"SCALE_FEDERATION_NOISE_MULTIPLIER": "2", "SCALE_FEDERATION_CLIP_NORM": "0.01"}
    environment |= through.chosen(tmp_path_factory.mktemp("through"))
    system = LocalSystem(tmp_path_factory.mktemp("breakable") / "home", free_port_base(), environment=environment)
    with system:
        system.start()
        yield system


@pytest.fixture
def breakable_system(system_to_break: LocalSystem) -> LocalSystem:
    """A whole system whose processes may be killed or stopped, as durable as in earnest; leave it started. It queues what is larger than
    QUEUE_ABOVE_BYTES, and its leases are short, so that the waiting is short."""
    # What the test before has killed is back.
    supervisor = Supervisor(system_to_break.home)
    wait_for_services(supervisor, SERVICES, system_to_break.ports, time.monotonic() + 60, system_to_break.environment)
    return system_to_break


@pytest.fixture
def user_id() -> UUID:
    """A user whom nobody has seen before."""
    return uuid_utils.compat.uuid7()


@pytest.fixture
def other_user_id() -> UUID:
    """Another one."""
    return uuid_utils.compat.uuid7()


@pytest.fixture
def as_role(servers: LocalSystem) -> AsRole:
    """`async with as_role("accounts", user_id) as connection`: SQL as that service's role, in a transaction of that user (None: of nobody)
    that is rolled back. The role "migrator" is above the policies."""

    @asynccontextmanager
    async def connect(role: str, user_id: UUID | None) -> AsyncIterator[asyncpg.Connection]:
        url = servers.migrator_url if role == "migrator" else servers.service_url(role)
        connection = await asyncpg.connect(url)
        try:
            transaction = connection.transaction()
            await transaction.start()
            if user_id is not None:
                await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))
            yield connection
            await transaction.rollback()
        finally:
            await connection.close()

    return connect


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real bank files: SCALE_SHARED_DATA, else ../shared/data beside the repository. Skips where they are absent."""
    folder = Path(os.environ.get("SCALE_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set SCALE_SHARED_DATA")
    return folder
