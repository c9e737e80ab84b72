"""`python -m migrations upgrade | check` on the database that SCALE_DATABASE_URL names. Exits with 1 on failure.

SCALE_MIGRATIONS_PARTITIONED=true is the same as `upgrade --partitioned`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from migrations.index_check import DOCUMENT, compare_indexes
from migrations.runner import MigrationError, newest_revision, upgrade
from services.kit.needs import Needs

TRUE = ("1", "true", "yes", "on")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description="The database's history.")
    commands = parser.add_subparsers(dest="command", required=True)
    upgrading = commands.add_parser("upgrade", help="apply what is missing; a second run changes nothing")
    upgrading.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="for a server that is starting")
    upgrading.add_argument(
        "--partitioned",
        action="store_true",
        default=os.environ.get("SCALE_MIGRATIONS_PARTITIONED", "").strip().lower() in TRUE,
        help="give the ledger a table for each month; it keeps them (docs/partitions.md)",
    )
    checking = commands.add_parser("check", help="compare the documented indexes with the database")
    checking.add_argument("--document", type=Path, default=DOCUMENT, help="default: docs/database.md")
    options = parser.parse_args(arguments)

    try:
        url = _url()
    except ValueError as error:
        return _fail(str(error))
    try:
        if options.command == "upgrade":
            revision = asyncio.run(upgrade(url, wait_s=options.wait, partitioned=options.partitioned))
            sys.stdout.write(f"The database is at revision {revision}.\n")
            return 0
        differences = asyncio.run(compare_indexes(url, options.document))
    except MigrationError as error:
        return _fail(str(error))
    if differences:
        return _fail("\n".join(differences))
    sys.stdout.write(f"{options.document.name} and the database name the same indexes.\n")
    return 0


def _url() -> str:
    url = os.environ.get("SCALE_DATABASE_URL", "")
    if not url:
        raise ValueError("SCALE_DATABASE_URL is not set: it names the database and the migrator's role.")
    return url


def _fail(message: str) -> int:
    sys.stderr.write(f"migrations: {message}\n")
    return 1


NEEDS = Needs(_url, modules=lambda _: ["sqlalchemy.dialects.postgresql.asyncpg"], loads=lambda _: [f"revision {newest_revision()}"])

if __name__ == "__main__":
    sys.exit(main())
