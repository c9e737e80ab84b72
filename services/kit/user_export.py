"""A user's rows as files: each table by one COPY, straight from the database to whoever takes them, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.kit.handover import CHUNK_BYTES, ExportedFile, FileSink
from services.kit.postgres import Connection, affected
from services.kit.user_tables import Column, UserTable, columns_of

JSON_QUOTE, JSON_DELIMITER = "\x01", "\x02"
"""Characters that JSON never holds as they are: with them, COPY's CSV form takes a line as it stands."""

_AS_TEXTS = {"numeric": "::text", "numeric[]": "::text[]"}
# Texts of values that do not depend on who asks.
_PLAIN_TEXTS = """
    SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true), set_config('extra_float_digits', '1', true),
           set_config('bytea_output', 'hex', true)
"""


async def export_tables(connection: Connection, user_id: UUID, tables: Sequence[UserTable], sink: FileSink) -> list[ExportedFile]:
    """Writes each table's file. Call it in one transaction of the user with a snapshot."""
    await connection.execute(_PLAIN_TEXTS)
    return [ExportedFile(table.file, await _export_table(connection, user_id, table, sink)) for table in tables]


async def _export_table(connection: Connection, user_id: UUID, table: UserTable, sink: FileSink) -> int:
    columns = await columns_of(connection, table)
    await sink.begin(table.file)
    waiting = bytearray()

    async def take(data: bytes) -> None:
        waiting.extend(data)
        while len(waiting) >= CHUNK_BYTES:
            await sink.write(bytes(waiting[:CHUNK_BYTES]))
            del waiting[:CHUNK_BYTES]

    if table.is_csv:
        done = await connection.copy_from_query(_csv_query(table, columns), user_id, output=take, format="csv", header=True)
    else:
        query = _json_query(table, columns)
        done = await connection.copy_from_query(
            query, user_id, output=take, format="csv", quote=JSON_QUOTE, escape=JSON_QUOTE, delimiter=JSON_DELIMITER
        )
    if waiting:
        await sink.write(bytes(waiting))
    return affected(done)


def _csv_query(table: UserTable, columns: Sequence[Column]) -> str:
    named = [f't.{one.quoted} AS "{table.headings.get(one.name, one.name)}"' for one in columns]
    shown = [f'{expression} AS "{heading}"' for heading, expression in table.shown.items()]
    first = len(table.headings)
    selected = ", ".join([*named[:first], *shown, *named[first:]])
    return f"SELECT {selected} FROM {table.name} AS t WHERE t.user_id = $1 ORDER BY {_order(table)}"  # nosec B608  # names of the catalogue


def _json_query(table: UserTable, columns: Sequence[Column]) -> str:
    # A number of JSON is a double to most who read it: exact ones travel as texts.
    selected = ", ".join(f"t.{one.quoted}{_AS_TEXTS.get(one.type, '')}" for one in columns)
    inner = f"SELECT {selected} FROM {table.name} AS t WHERE t.user_id = $1 ORDER BY {_order(table)}"  # nosec B608  # as above
    return f"SELECT row_to_json(exported_row)::text FROM ({inner}) AS exported_row"  # nosec B608  # as above


def _order(table: UserTable) -> str:
    return ", ".join(f"t.{name}" for name in table.order or table.key or ("user_id",))
