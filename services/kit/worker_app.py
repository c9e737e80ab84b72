"""What a process of a worker holds, from its first task to its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Self, TypeVar

from services.kit.postgres import Database
from services.kit.settings import WorkerSettings

OwnSettings = TypeVar("OwnSettings", bound=WorkerSettings)


class BareWorkerApp(ABC, Generic[OwnSettings]):
    """Made in the process that works, on its event loop: one for each service's worker. Tasks ask for it by `opened`. No database."""

    _opened: ClassVar[Any] = None

    @abstractmethod
    def __init__(self, settings: OwnSettings) -> None:
        """Puts it together; connects nothing."""

    @classmethod
    async def open(cls, settings: OwnSettings) -> None:
        """Once, before the first task."""
        cls._opened = cls(settings)

    @classmethod
    def opened(cls) -> Self:
        """This process's own."""
        if cls._opened is None:
            raise RuntimeError("a task outside of a worker")
        own: Self = cls._opened
        return own

    @classmethod
    async def close(cls) -> None:
        """Lets go of all of it."""
        app, cls._opened = cls.opened(), None
        await app.release()

    @abstractmethod
    async def release(self) -> None:
        """Lets go of what it holds but the database."""


class WorkerApp(BareWorkerApp[OwnSettings]):
    """One with a database."""

    database: Database

    @classmethod
    async def open(cls, settings: OwnSettings) -> None:
        """Once, before the first task."""
        await super().open(settings)
        await cls.opened().database.open()

    @classmethod
    async def close(cls) -> None:
        """Lets go of all of it, the database last."""
        database = cls.opened().database
        try:
            await super().close()
        finally:
            await database.close()
