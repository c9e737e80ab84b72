"""What a worker holds is opened once, found by its tasks, and let go of whatever fails on the way."""

from __future__ import annotations

from typing import cast

import pytest

from services.kit.postgres import Database
from services.kit.settings import WorkerSettings
from services.kit.worker_app import BareWorkerApp, WorkerApp


class Noted:
    """A database that says what is done with it."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def open(self) -> None:
        self.steps.append("opened")

    async def close(self) -> None:
        self.steps.append("closed")


class One(WorkerApp[WorkerSettings]):
    def __init__(self, settings: WorkerSettings) -> None:
        self.noted = Noted()
        self.database = cast(Database, self.noted)
        self.error: Exception | None = None

    async def release(self) -> None:
        self.noted.steps.append("released")
        if self.error is not None:
            raise self.error


class Other(One):
    pass


async def test_each_worker_has_its_own_from_open_to_close() -> None:
    with pytest.raises(RuntimeError, match="outside of a worker"):
        One.opened()
    await One.open(WorkerSettings())
    app = One.opened()
    assert One.opened() is app
    await Other.open(WorkerSettings())
    assert type(Other.opened()) is Other
    await Other.close()
    assert One.opened() is app
    await One.close()
    assert app.noted.steps == ["opened", "released", "closed"]
    with pytest.raises(RuntimeError):
        One.opened()


async def test_one_without_a_database_is_let_go_of_as_well() -> None:
    class Bare(BareWorkerApp[WorkerSettings]):
        def __init__(self, settings: WorkerSettings) -> None:
            self.released = False

        async def release(self) -> None:
            self.released = True

    await Bare.open(WorkerSettings())
    app = Bare.opened()
    await Bare.close()
    assert app.released
    with pytest.raises(RuntimeError):
        Bare.opened()


async def test_the_database_is_closed_whatever_else_does_not_let_go() -> None:
    await One.open(WorkerSettings())
    app = One.opened()
    app.error = ValueError("stuck")
    with pytest.raises(ValueError, match="stuck"):
        await One.close()
    assert app.noted.steps[-1] == "closed"
