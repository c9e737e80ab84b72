"""An index on a table that has rows, built beside its readers and writers, in either form of the ledger."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection

_IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = CAST(CAST($1 AS text) AS regclass)"
_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(CAST($1 AS text) AS regclass) ORDER BY 1"
_STATE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


def build_index(name: str, table: str, definition: str, *, unique: bool = False) -> None:
    """For a revision: an index of `table` (with its schema), `definition` is what follows ON table. Leaves the revision's transaction.

    PostgreSQL builds none CONCURRENTLY on a partitioned table: it is built on each partition, and then made one. What a run that broke off
    left behind is built anew.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        kind = "UNIQUE INDEX" if unique else "INDEX"
        schema = table.partition(".")[0]
        if not connection.exec_driver_sql(_IS_PARTITIONED, (table,)).scalar_one():
            _build(connection, kind, f"{schema}.{name}", table, definition)
            return
        if _is_valid(connection, f"{schema}.{name}") is None:
            connection.exec_driver_sql(f"CREATE {kind} {name} ON ONLY {table} {definition}")
        for (partition,) in list(connection.exec_driver_sql(_PARTITIONS, (table,))):
            own = f"{schema}.{name}_{partition.partition('.')[2].removeprefix('transactions_')}"
            _build(connection, kind, own, partition, definition)
            connection.exec_driver_sql(f"ALTER INDEX {schema}.{name} ATTACH PARTITION {own}")


def _build(connection: Connection, kind: str, name: str, table: str, definition: str) -> None:
    state = _is_valid(connection, name)
    if state is False:
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
    if not state:
        connection.exec_driver_sql(f"CREATE {kind} CONCURRENTLY {name.partition('.')[2]} ON {table} {definition}")


def _is_valid(connection: Connection, name: str) -> bool | None:
    """None where there is none."""
    return connection.exec_driver_sql(_STATE, (name,)).scalar_one_or_none()
