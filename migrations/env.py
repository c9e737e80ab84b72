"""Alembic's entry point: runs the history on the connection that migrations/runner.py opened and locked."""

from __future__ import annotations

from alembic import context

from migrations.layout import VERSION_SCHEMA


def run() -> None:
    """Applies what is missing, each revision in its own transaction."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit("Apply the history with `python -m migrations upgrade`: it takes the lock that alembic alone does not.")
    context.configure(
        connection=connection,
        version_table_schema=VERSION_SCHEMA,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if not context.is_offline_mode():
    run()
