"""A user's rows from the files of an export: COPY into temporary tables, all checks there, then one insert for each table.

What is there already stays as it is. Whatever is wrong is said by file, line and field, and nothing is stored.
"""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from services.kit.errors import AlreadyExists, FieldError, InvalidArgument
from services.kit.handover import IncomingFile, RestoredTable
from services.kit.postgres import Connection, affected
from services.kit.user_bounds import bounds_of
from services.kit.user_export import JSON_DELIMITER, JSON_QUOTE
from services.kit.user_tables import Column, Constraint, UserTable, columns_of, constraints_of

_MAX_HEAD_BYTES = 64 * 1024
_PLACE = re.compile(r"COPY \w+, line (\d+)(?:, column ([^:]+))?")
_IGNORED = "only_shown_"
_DOCUMENT = "document"

_MAKE_DOCUMENTS = "CREATE TEMPORARY TABLE documents (line bigint GENERATED ALWAYS AS IDENTITY, document jsonb) ON COMMIT DROP"
_NO_OBJECT = "SELECT line FROM documents WHERE jsonb_typeof(document) IS DISTINCT FROM 'object' ORDER BY line LIMIT 1"
_NAMES = "SELECT jsonb_object_keys(document) FROM documents WHERE line = 1"
_OTHER_NAMES = """
    SELECT line FROM documents
     WHERE NOT document ?& $1::text[] OR (SELECT count(*) FROM jsonb_object_keys(document)) <> cardinality($1::text[])
     ORDER BY line LIMIT 1
"""
_REFUSED = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.IntegrityConstraintViolationError)
"""What PostgreSQL says to values of a file that it does not take."""


@dataclass(slots=True)
class _Staged:
    """A table whose file is in."""

    table: UserTable
    columns: list[Column]
    """Those of the file that the table takes."""
    row_count: int


async def restore_tables(
    connection: Connection,
    user_id: UUID,
    tables: Sequence[UserTable],
    files: AsyncIterator[IncomingFile],
    *,
    before_writing: Callable[[], Awaitable[None]] | None = None,
) -> list[RestoredTable]:
    """Brings the files back within the caller's transaction, in the order of `tables`; tables without a file are left alone.
    `before_writing` is called once all files are in and before anything is written, so that a lock is held for the shorter part.

    Raises InvalidArgument with file, line and field, and AlreadyExists for a row that another one with its unique key keeps out.
    """
    by_file = {table.file: table for table in tables}
    staged: dict[str, _Staged] = {}
    async for file in files:
        table = by_file.pop(file.name, None)
        if table is None:
            reason = "is there twice" if any(one.table.file == file.name for one in staged.values()) else "is no file of this service"
            raise _wrong(file.name, None, "file", reason)
        staged[table.name] = await _stage(connection, table, file)
    if before_writing is not None:
        await before_writing()
    restored = []
    for table in tables:
        done = RestoredTable(table.short_name, 0, 0)
        if table.name in staged:
            with _told(table):
                done = await _insert(connection, user_id, staged[table.name], staged)
        restored.append(done)
    for one in staged.values():
        with _told(one.table):
            await _set_late(connection, user_id, one)
    return restored


@contextmanager
def _told(table: UserTable, constraints: Mapping[str, Constraint] | None = None) -> Iterator[None]:
    """Says what PostgreSQL refuses as a fault of the file."""
    try:
        yield
    except _REFUSED as error:
        raise _explained(table, error, constraints or {}) from error


def _wrong(file: str, line: int | None, name: str, reason: str) -> InvalidArgument:
    where = f"{file}, line {line}" if line is not None else file
    return InvalidArgument(f"{where}: {name}: {reason}", reason="EXPORT_INVALID", fields=[FieldError(f"{file}: {name}", reason, line)])


async def _stage(connection: Connection, table: UserTable, file: IncomingFile) -> _Staged:
    known = {one.name: one for one in await columns_of(connection, table)}
    constraints = await constraints_of(connection, table)
    stored = [one for one in known.values() if not one.generated]
    await connection.execute(
        f"CREATE TEMPORARY TABLE {table.staged} (LIKE {table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) ON COMMIT DROP"  # sql: its own
    )
    made = "".join(f", DROP COLUMN {one.quoted}" for one in known.values() if one.generated)
    await connection.execute(
        f"ALTER TABLE {table.staged} DROP COLUMN user_id{made}, ADD COLUMN row_number bigint GENERATED ALWAYS AS IDENTITY"  # sql: catalogue
    )
    with _told(table, constraints):
        if table.is_csv:
            staged = await _stage_csv(connection, table, file, known)
        else:
            staged = await _stage_documents(connection, table, file, known, constraints)
        staged.columns = [one for one in staged.columns if one in stored]
        await _index(connection, table)
    return staged


async def _index(connection: Connection, table: UserTable) -> None:
    """The planner knows nothing yet of the rows that this transaction adds, and takes them for one: whatever it begins with, the rest must
    be found by an index."""
    if table.key:
        keys = ", ".join(table.key)
        await connection.execute(f"CREATE INDEX ON {table.staged} ({keys})")  # sql: the service's own names
        for name, reference in table.references.items():
            if reference.late:
                await connection.execute(f"CREATE INDEX ON {table.staged} ({keys}) WHERE {name} IS NOT NULL")  # sql: as above
    await connection.execute(f"ANALYZE {table.staged}")  # sql: as above


def _explained(
    table: UserTable, error: asyncpg.PostgresError, constraints: Mapping[str, Constraint], line: int | None = None
) -> InvalidArgument:
    """COPY says in its context where it was, the header not counted: `COPY staged_rows, line 3, column amount: "abc"`."""
    place = _PLACE.search(error.context or "")
    at = line if line is not None else int(place[1]) + table.is_csv if place else None
    name = getattr(error, "column_name", None) or (place[2] if place and place[2] else None)
    check = constraints.get(getattr(error, "constraint_name", None) or "")
    if check is not None:
        return _wrong(table.file, at, table.headings.get(check.field, check.field), f"does not satisfy {check.text}")
    if isinstance(error, asyncpg.NotNullViolationError):
        return _wrong(table.file, at, table.headings.get(name or "", name or "row"), "is missing")
    shown = "row" if name in (None, _DOCUMENT) else name.removeprefix(_IGNORED)
    return _wrong(table.file, at, table.headings.get(shown, shown), str(error).splitlines()[0][:300])


# CSV


async def _stage_csv(connection: Connection, table: UserTable, file: IncomingFile, known: Mapping[str, Column]) -> _Staged:
    head, rest = await _head_line(table, file)
    by_heading = {table.headings.get(name, name): column for name, column in known.items()}
    names: list[str] = []
    columns: list[Column] = []
    for number, heading in enumerate(head):
        column = by_heading.pop(heading, None)
        if column is not None and not column.generated:
            names.append(column.name)
            columns.append(column)
        elif heading in table.shown or column is not None:
            names.append(f"{_IGNORED}{number}")
            await connection.execute(f"ALTER TABLE {table.staged} ADD COLUMN {_IGNORED}{number} text")  # sql: a number of ours
        else:
            raise _wrong(table.file, 1, "header", f"{heading[:100]!r} is twice there or no column of this file")
    for name in table.key:
        if name not in names:
            raise _wrong(table.file, 1, "header", f"{table.headings.get(name, name)!r} is missing")
    done = await connection.copy_to_table(table.staged, source=rest, columns=names, format="csv")
    return _Staged(table, columns, affected(done))


async def _head_line(table: UserTable, file: IncomingFile) -> tuple[list[str], AsyncIterator[bytes]]:
    """The names of the columns, and the bytes after them."""
    head = b""
    async for chunk in file.chunks:
        head += chunk
        if b"\n" in head:
            break
        if len(head) > _MAX_HEAD_BYTES:
            raise _wrong(table.file, 1, "header", "does not end")
    line, _, after = head.partition(b"\n")
    try:
        names = next(csv.reader([line.decode()]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(table.file, 1, "header", f"cannot be read: {error}") from None

    async def rest() -> AsyncIterator[bytes]:
        yield after
        async for chunk in file.chunks:
            yield chunk

    return names, rest()


# JSON lines


async def _stage_documents(
    connection: Connection, table: UserTable, file: IncomingFile, known: Mapping[str, Column], constraints: Mapping[str, Constraint]
) -> _Staged:
    await connection.execute("DROP TABLE IF EXISTS documents")
    await connection.execute(_MAKE_DOCUMENTS)
    done = await connection.copy_to_table(
        "documents", source=file.chunks, columns=[_DOCUMENT], format="csv", quote=JSON_QUOTE, escape=JSON_QUOTE, delimiter=JSON_DELIMITER
    )
    row_count = affected(done)
    if not row_count:
        return _Staged(table, [], 0)
    if (line := await connection.fetchval(_NO_OBJECT)) is not None:
        raise _wrong(table.file, line, "row", "is no JSON object")
    names = [record[0] for record in await connection.fetch(_NAMES)]
    for name in names:
        if name not in known:
            raise _wrong(table.file, 1, name[:100], "is no column of this file")
    for name in table.key:
        if name not in names:
            raise _wrong(table.file, 1, name, "is missing")
    if (line := await connection.fetchval(_OTHER_NAMES, names)) is not None:
        raise _wrong(table.file, line, "row", "does not have the names of the first line")
    columns = [known[name] for name in names if not known[name].generated]
    await _type_documents(connection, table, columns, row_count, constraints)
    return _Staged(table, columns, row_count)


async def _type_documents(
    connection: Connection, table: UserTable, columns: Sequence[Column], row_count: int, constraints: Mapping[str, Constraint]
) -> None:
    """From JSON to the table's types. What is wrong with which line is looked for only where something is."""
    quoted = ", ".join(one.quoted for one in columns)
    statement = f"""
        INSERT INTO {table.staged} (row_number, {quoted}) OVERRIDING SYSTEM VALUE
        SELECT documents.line, {", ".join(f"typed.{one.quoted}" for one in columns)}
          FROM documents, jsonb_populate_record(NULL::{table.staged}, document) AS typed WHERE documents.line BETWEEN $1 AND $2
    """  # nosec B608  # names of the catalogue
    await connection.execute("SAVEPOINT typing")
    try:
        await connection.execute(statement, 1, row_count)
        return
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
        await connection.execute("ROLLBACK TO SAVEPOINT typing")
    # Halving: the first bad line lies in the first half, or in the second.
    low, high = 1, row_count
    while low < high:
        middle = (low + high) // 2
        try:
            await connection.execute(statement, low, middle)
            low = middle + 1
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            high = middle
        await connection.execute("ROLLBACK TO SAVEPOINT typing")
    await _name_field(connection, table, columns, low)
    try:
        await connection.execute(statement, low, low)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise _explained(table, error, constraints, low) from error


async def _name_field(connection: Connection, table: UserTable, columns: Sequence[Column], line: int) -> None:
    """Raises for the first value of a line that does not fit its column; a broken constraint is none."""
    statement = f"""
        SELECT jsonb_populate_record(NULL::{table.staged}, jsonb_build_object($2::text, document -> $2))::text
          FROM documents WHERE line = $1
    """  # nosec B608  # the service's own name
    for column in columns:
        try:
            await connection.fetchval(statement, line, column.name)
        except asyncpg.DataError as error:
            raise _wrong(table.file, line, column.name, str(error).splitlines()[0][:300]) from error


# From the temporary tables to the user's own


async def _insert(connection: Connection, user_id: UUID, staged: _Staged, others: Mapping[str, _Staged]) -> RestoredTable:
    table = staged.table
    if not staged.row_count:
        return RestoredTable(table.short_name, 0, 0)
    await _check_rows(connection, user_id, staged, others)
    if any(reference.late for reference in table.references.values()):
        await _forget_known(connection, user_id, table)
    names = ", ".join(one.quoted for one in staged.columns)
    late = {name for name, reference in table.references.items() if reference.late}
    values = ", ".join("NULL" if one.name in late else table.restored_as.get(one.name, f"staged.{one.quoted}") for one in staged.columns)
    conditions = [
        f"(staged.{name} IS NULL OR EXISTS (SELECT FROM {reference.table} AS named WHERE named.user_id = $1 "  # nosec B608  # as below
        f"AND named.{reference.column} = staged.{name}))"
        for name, reference in table.references.items()
        if reference.own and not reference.late
    ]
    condition = " AND ".join(conditions) or "true"
    conflict = "DO NOTHING"
    if table.replaced_when:
        keys = ", ".join(["user_id", *table.key])
        changes = ", ".join(f"{one.quoted} = EXCLUDED.{one.quoted}" for one in staged.columns if one.name not in table.key)
        conflict = f"({keys}) DO UPDATE SET {changes} WHERE {table.replaced_when}"  # nosec B608  # as below
    statement = f"""
        INSERT INTO {table.name} AS t (user_id, {names}) SELECT $1, {values}
          FROM {table.staged} AS staged WHERE {condition} ORDER BY staged.row_number ON CONFLICT {conflict}
    """  # nosec B608  # names of the catalogue and fixed texts of the service
    done = await connection.execute(statement, user_id)
    if table.required:
        await _require_all(connection, user_id, staged)
    return RestoredTable(table.short_name, staged.row_count, affected(done))


async def _check_rows(connection: Connection, user_id: UUID, staged: _Staged, others: Mapping[str, _Staged]) -> None:
    table = staged.table
    keys = f"GROUP BY {', '.join(table.key)}" if table.key else ""
    twice = f"SELECT max(row_number) FROM {table.staged} {keys} HAVING count(*) > 1 ORDER BY 1 LIMIT 1"  # nosec B608  # as below
    await _refuse(connection, staged, table.key[0] if table.key else "row", "is there twice", twice)
    for check in (*bounds_of(staged.columns), *table.checks):
        broken = f"SELECT row_number FROM {table.staged} AS staged WHERE NOT ({check.condition}) ORDER BY 1 LIMIT 1"  # nosec B608
        await _refuse(connection, staged, check.column, check.reason, broken)
    present = {one.name for one in staged.columns}
    for name, reference in table.references.items():
        if name not in present:
            continue
        mine = "named.user_id = $1 AND " if reference.own else "$1::uuid IS NOT NULL AND "
        missing = f"""
            SELECT row_number FROM {table.staged} AS staged
             WHERE staged.{name} IS NOT NULL
               AND NOT EXISTS (SELECT FROM {reference.table} AS named WHERE {mine}named.{reference.column} = staged.{name})
        """  # nosec B608  # names of the service
        if reference.table in others:
            target = others[reference.table].table.staged
            missing += f" AND NOT EXISTS (SELECT FROM {target} AS coming WHERE coming.{reference.column} = staged.{name})"  # nosec B608
        reason = f"names none of the {reference.table.rpartition('.')[2]}, neither in the export nor of those that are there"
        await _refuse(connection, staged, name, reason, f"{missing} ORDER BY 1 LIMIT 1", user_id)


async def _refuse(connection: Connection, staged: _Staged, name: str, reason: str, statement: str, *values: object) -> None:
    """Raises for the line that `statement` finds, if it finds one."""
    number = await connection.fetchval(statement, *values)
    if number is not None:
        table = staged.table
        raise _wrong(table.file, await _line_of(connection, staged, number), table.headings.get(name, name), reason)


async def _line_of(connection: Connection, staged: _Staged, number: int) -> int:
    """The line of the file where the row with this number begins: texts of CSV may go over several."""
    if not staged.table.is_csv:
        return number
    breaks = await connection.fetchval(
        f"""
        SELECT COALESCE(sum(length(staged::text) - length(replace(staged::text, chr(10), ''))), 0)
          FROM {staged.table.staged} AS staged WHERE row_number < $1
        """,  # nosec B608  # the service's own name
        number,
    )
    return int(breaks) + number + 1


async def _require_all(connection: Connection, user_id: UUID, staged: _Staged) -> None:
    table = staged.table
    same = " AND ".join(f"t.{name} = staged.{name}" for name in table.key)
    number = await connection.fetchval(
        f"""
        SELECT row_number FROM {table.staged} AS staged
         WHERE NOT EXISTS (SELECT FROM {table.name} AS t WHERE t.user_id = $1 AND {same}) ORDER BY 1 LIMIT 1
        """,  # nosec B608  # names of the service
        user_id,
    )
    if number is not None:
        line = await _line_of(connection, staged, number)
        raise AlreadyExists(
            f"{table.file}, line {line}: {table.required}",
            reason="RESTORE_CONFLICT",
            metadata={"file": table.file, "line": str(line)},
        )


async def _forget_known(connection: Connection, user_id: UUID, table: UserTable) -> None:
    """Leaves only new rows to what comes later: of those that are there, nothing may change."""
    same = " AND ".join(f"t.{name} = staged.{name}" for name in table.key)
    await connection.execute(
        f"DELETE FROM {table.staged} AS staged USING {table.name} AS t WHERE t.user_id = $1 AND {same}",  # nosec B608  # as above
        user_id,
    )


async def _set_late(connection: Connection, user_id: UUID, staged: _Staged) -> None:
    """The references that had to wait, of rows that came in and name what is there."""
    table = staged.table
    present = {one.name for one in staged.columns}
    same = " AND ".join(f"t.{name} = staged.{name}" for name in table.key)
    for name, reference in table.references.items():
        if reference.late and name in present:
            await connection.execute(
                f"""
                UPDATE {table.name} AS t SET {name} = staged.{name} FROM {table.staged} AS staged
                 WHERE t.user_id = $1 AND {same} AND t.{name} IS NULL AND staged.{name} IS NOT NULL
                   AND EXISTS (SELECT FROM {reference.table} AS named WHERE named.user_id = $1 AND named.{reference.column} = staged.{name})
                """,  # nosec B608  # names of the service
                user_id,
            )
