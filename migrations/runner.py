"""Applies the history to one database: waits for the server, takes the lock, upgrades, loads the taxonomy."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from migrations.layout import VERSION_SCHEMA
from migrations.partitioning import is_partitioned, keep_partitions, partition_ledger
from migrations.taxonomy import load_taxonomy

# Any constant serves, as long as every runner uses the same.
LOCK_KEY = 0x5343_414C_45
LOCK_POLL_S = 0.2
LOCK_TIMEOUT = "5s"
STARTING = (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)


class MigrationError(Exception):
    """The history could not be applied; the message says why and what to do."""


async def upgrade(dsn: str, *, wait_s: float = 30.0, partitioned: bool = False) -> str:
    """Brings the database at `dsn` to the newest revision and returns it. A second run changes nothing.

    `partitioned` gives the ledger its partitioned form, which it keeps from then on, whatever later runs say.
    Waits up to `wait_s` seconds for a server that is still starting and as long as it takes for another runner.
    Raises MigrationError.
    """
    await _wait_for_server(dsn, wait_s)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            asyncpg_dsn(dsn),
            statement_cache_size=0,
            server_settings={"application_name": "scale-migrations", "lock_timeout": LOCK_TIMEOUT},
        )

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        # Two connections: the lock must outlive the revisions that commit, or run outside a transaction.
        async with engine.connect() as lock_connection:
            await lock_connection.execution_options(isolation_level="AUTOCOMMIT")
            await _take_lock(lock_connection)
            async with engine.connect() as connection:
                await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
                await connection.commit()
                await connection.run_sync(_run_alembic)
                await connection.commit()
                await load_taxonomy(connection)
                await connection.commit()
                await connection.run_sync(_shape_ledger, partitioned)
                await connection.commit()
        return newest_revision()
    except Exception as error:
        raise MigrationError(_explain(error)) from error
    finally:
        await engine.dispose()


def alembic_config() -> Config:
    """Alembic's configuration; the history lies beside this file, wherever the package is installed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parent))
    return config


def newest_revision() -> str:
    """The one head of the history. Raises MigrationError when two revisions follow the same one."""
    heads = ScriptDirectory.from_config(alembic_config()).get_heads()
    if len(heads) != 1:
        raise MigrationError(f"The history must be linear, but it has the heads {', '.join(heads) or 'none'}.")
    return heads[0]


def asyncpg_dsn(url: str) -> str:
    """The URL as asyncpg takes it: SQLAlchemy's driver suffix removed. Raises MigrationError for any other scheme."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise MigrationError("SCALE_DATABASE_URL must start with postgresql:// (or postgresql+asyncpg://).")
    return f"postgresql://{rest}"


def _run_alembic(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _shape_ledger(connection: Connection, partitioned: bool) -> None:
    if is_partitioned(connection):
        keep_partitions(connection)
    elif partitioned:
        partition_ledger(connection)


async def _wait_for_server(dsn: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    target = asyncpg_dsn(dsn)
    while True:
        try:
            connection = await asyncpg.connect(target, timeout=max(1.0, deadline - time.monotonic()))
        except (*STARTING, TimeoutError) as error:
            if time.monotonic() >= deadline:
                raise MigrationError(f"No PostgreSQL answered within {wait_s:g} s: {error}") from error
            await asyncio.sleep(0.2)
        except (asyncpg.PostgresError, ValueError) as error:
            raise MigrationError(f"PostgreSQL refused the migrator of SCALE_DATABASE_URL: {error}") from error
        else:
            await connection.close()
            return


async def _take_lock(connection: AsyncConnection) -> None:
    # Asked again and again rather than waited for: a statement that waits holds a snapshot, and the other runner's
    # CREATE INDEX CONCURRENTLY would wait for that snapshot for ever.
    ask = text("SELECT pg_try_advisory_lock(:key)")
    while not (await connection.execute(ask, {"key": LOCK_KEY})).scalar_one():  # noqa: ASYNC110
        await asyncio.sleep(LOCK_POLL_S)


def _explain(error: Exception) -> str:
    # SQLAlchemy wraps the driver's error, whose first line says what PostgreSQL said.
    cause = getattr(error, "orig", None) or error
    message = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    message = message.partition(">: ")[2] or message
    if "lock timeout" in message:
        return f"Another session held a table for {LOCK_TIMEOUT}; this revision was undone, run it again. ({message})"
    return message
