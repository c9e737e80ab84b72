"""A database of its own whose ledger has the partitioned form, behind the same servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from migrations.runner import upgrade
from services.local import LocalSystem
from services.local.postgres import MIGRATOR

FIRST_MONTH = "2025-11-01"
"""Months that the tests' rows fall into have partitions of their own; what is older lies with the earlier ones."""


def on_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class OtherDatabase:
    """A `LocalSystem` whose database URLs lead to another database."""

    def __init__(self, system: LocalSystem, name: str) -> None:
        self._system = system
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)

    @property
    def migrator_url(self) -> str:
        return on_database(self._system.migrator_url, self._name)

    @property
    def superuser_url(self) -> str:
        return on_database(self._system.superuser_url, self._name)

    def service_url(self, service: str) -> str:
        return on_database(self._system.service_url(service), self._name)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def partitioned_database(system: LocalSystem, name: str) -> Iterator[OtherDatabase]:
    """Made by the whole history and the conversion, dropped at the end."""
    asyncio.run(_execute(system.superuser_url, f"CREATE DATABASE {name} OWNER {MIGRATOR}"))
    made = OtherDatabase(system, name)
    try:
        asyncio.run(upgrade(made.migrator_url, partitioned=True))
        asyncio.run(_execute(made.migrator_url, f"SELECT accounts.partition_months('{FIRST_MONTH}', current_date)"))
        yield made
    finally:
        asyncio.run(_execute(system.superuser_url, f"DROP DATABASE {name} WITH (FORCE)"))
