"""The database that is backed up, asked as the role scale_backup."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import asyncpg

from operations.backup.problem import BackupProblem


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    """One connection. Raises BackupProblem where it cannot be had, or a statement is refused."""
    try:
        opened = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "scale-backup"})
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        raise BackupProblem(f"The database cannot be reached as the role for backups: {error or type(error).__name__}") from error
    try:
        yield opened
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError) as error:
        raise BackupProblem(f"The database refused: {error}") from error
    finally:
        await opened.close(timeout=5)


async def cluster_of(database: asyncpg.Connection) -> str:
    """PostgreSQL's system identifier."""
    return str(await database.fetchval("SELECT system_identifier FROM pg_control_system()"))


def libpq_environment(url: str) -> dict[str, str]:
    """What PostgreSQL's own programs need for that URL, in the environment: a command line is seen by everybody."""
    parts = urlsplit(url)
    options = {name: unquote(value) for name, _, value in (pair.partition("=") for pair in parts.query.split("&"))}
    values = {
        "PGHOST": parts.hostname or options.get("host", ""),
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGCONNECT_TIMEOUT": "10",
        "LC_ALL": "C",
    }
    values |= {f"PG{name.upper()}": options[name] for name in ("sslmode", "sslrootcert", "sslcert", "sslkey") if name in options}
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | values
