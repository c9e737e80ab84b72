"""What a service holds about a user, table by table: how each stands in a file, and what its columns are.

The columns come from the database, so that one that a migration adds is in the next export by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.kit.postgres import Connection

# A CHECK's first column stands for all: it is the one that the message names.
_COLUMNS = """
    SELECT attname AS name, format_type(atttypid, NULL) AS type, attgenerated <> '' AS generated, quote_ident(attname) AS quoted
      FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'user_id' ORDER BY attnum
"""
_CHECKS = """
    SELECT c.conname AS name, pg_get_constraintdef(c.oid) AS text,
           COALESCE((SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]), 'row') AS field
      FROM pg_constraint AS c WHERE c.conrelid = $1::regclass AND c.contype = 'c'
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """Whose key a column holds. Not `own`: of a table that all users share."""

    table: str
    column: str = "id"
    own: bool = True
    late: bool = False
    """Set once all tables are in: two tables that name each other, or a row another one of its own table."""


class Check(NamedTuple):
    """What must hold of a row of `staged` beyond the table's own constraints."""

    column: str
    condition: str
    reason: str


@dataclass(frozen=True, slots=True)
class UserTable:
    """One table with a user_id, and its file: `*.csv`, with a header for people, or `*.jsonl`, one JSON object a line.

    All SQL in it is fixed text of the service that owns the table.
    """

    name: str
    """With its schema."""
    file: str
    key: Sequence[str]
    """What beside user_id makes a row unique, in the order of the file."""
    order: Sequence[str] = ()
    """Another order of the file."""
    headings: Mapping[str, str] = field(default_factory=dict)
    """CSV: what people call a column; columns named here come first, in this order."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """CSV: a heading that is only for people, as SQL over `t`; not read on the way back."""
    references: Mapping[str, Reference] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    restored_as: Mapping[str, str] = field(default_factory=dict)
    """What a column becomes on the way back, as SQL over `staged`."""
    replaced_when: str = ""
    """When the row of the file takes the place of the one that is there, as SQL over `t`. Otherwise that one stays."""
    required: str = ""
    """Where every row must be in afterwards: why one is not. Otherwise one that breaks a unique key is left out."""

    @property
    def short_name(self) -> str:
        """Without the schema."""
        return self.name.rpartition(".")[2]

    @property
    def is_csv(self) -> bool:
        """Else JSON lines."""
        return self.file.endswith(".csv")

    @property
    def staged(self) -> str:
        """The temporary table of its rows on the way back."""
        return f"staged_{self.short_name}"


class Column(NamedTuple):
    """A column of a table but user_id."""

    name: str
    type: str
    generated: bool
    """Made by the database from others."""
    quoted: str
    """As SQL writes it."""


class Constraint(NamedTuple):
    """A CHECK of a table."""

    name: str
    text: str
    field: str


async def columns_of(connection: Connection, table: UserTable) -> list[Column]:
    """In the table's order; for a CSV, those with a heading first."""
    found = [Column(*record) for record in await connection.fetch(_COLUMNS, table.name)]
    first = list(table.headings)
    return sorted(found, key=lambda column: first.index(column.name) if column.name in first else len(first))


async def constraints_of(connection: Connection, table: UserTable) -> dict[str, Constraint]:
    """By name."""
    return {record["name"]: Constraint(*record) for record in await connection.fetch(_CHECKS, table.name)}
