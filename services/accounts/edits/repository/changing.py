"""Changes and restores many rows of the ledger in a few statements, however many they are (docs/rules.md).

What a row was before and what it became is kept in accounts.edit_rows, field by field. The user must be locked (repository/locking.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from services.accounts.domain import CategorySource, FirstRequest
from services.accounts.edits.domain import Edit, Undone
from services.accounts.repository.suggesting import JOIN_AS_BEFORE, JOIN_BY_HASH, suggest_transfers
from services.kit.postgres import Connection

EDIT_COLUMNS = "id, filter, matched_count, changed_count, created_at, expires_at, rule_id, import_id, undone_at"

# Locked first: a row that the user changes by hand at this moment is judged, and kept, as they leave it.
_FIND = """
    SELECT id, category, category_source, confidence, merchant_name, note, note_source, status, status_source,
           {category} AS takes_category, {merchant} AS takes_merchant, {note} AS takes_note, {status} AS takes_status
      FROM accounts.transactions AS t
     WHERE t.user_id = $1 AND ({condition})
"""
_TAKES_ANY = "(takes_category OR takes_merchant OR takes_note OR takes_status)"
_COUNT = "WITH found AS ({find}) SELECT count(*), count(*) FILTER (WHERE {takes_any}) FROM found"
_KEEP = """
    WITH found AS MATERIALIZED ({find} FOR NO KEY UPDATE),
         kept AS (
             INSERT INTO accounts.edit_rows (
                 user_id, edit_id, transaction_id, fields, category_before, category_source_before, confidence_before,
                 merchant_name_before, note_before, note_source_before, status_before, status_source_before,
                 category_after, merchant_name_after, note_after, status_after)
             SELECT $1, {edit_id}, id,
                    array_remove(ARRAY[CASE WHEN takes_category THEN 'category' END, CASE WHEN takes_merchant THEN 'merchant' END,
                                       CASE WHEN takes_note THEN 'note' END, CASE WHEN takes_status THEN 'status' END], NULL),
                    CASE WHEN takes_category THEN category END, CASE WHEN takes_category THEN category_source END,
                    CASE WHEN takes_category THEN confidence END, CASE WHEN takes_merchant THEN merchant_name END,
                    CASE WHEN takes_note THEN note END, CASE WHEN takes_note THEN note_source END,
                    CASE WHEN takes_status THEN status END, CASE WHEN takes_status THEN status_source END,
                    CASE WHEN takes_category THEN {new_category}::text END, CASE WHEN takes_merchant THEN {new_merchant}::text END,
                    CASE WHEN takes_note THEN {new_note}::text END, CASE WHEN takes_status THEN {new_status}::text END
               FROM found WHERE {takes_any}
             RETURNING transaction_id)
    SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM kept)
"""
# $3 is whose word the new category is, $4 whose the note.
CHANGE = """
    WITH changed AS (
        UPDATE accounts.transactions AS t
           SET category = CASE WHEN 'category' = ANY (fields) THEN category_after ELSE t.category END,
               category_source = CASE WHEN 'category' <> ALL (fields) THEN t.category_source
                                      WHEN category_after IS NOT NULL THEN $3::text END,
               confidence = CASE WHEN 'category' = ANY (fields) THEN NULL ELSE t.confidence END,
               merchant_name = CASE WHEN 'merchant' = ANY (fields) THEN merchant_name_after ELSE t.merchant_name END,
               note = CASE WHEN 'note' = ANY (fields) THEN note_after ELSE t.note END,
               note_source = CASE WHEN 'note' = ANY (fields) THEN $4::text ELSE t.note_source END,
               status = CASE WHEN 'status' = ANY (fields) THEN status_after ELSE t.status END,
               status_source = CASE WHEN 'status' = ANY (fields) THEN 'user' ELSE t.status_source END,
               updated_at = now()
          FROM accounts.edit_rows AS kept
         WHERE kept.user_id = $1 AND kept.edit_id = $2 AND t.user_id = $1 AND t.id = kept.transaction_id
        RETURNING t.transaction_date, 'status' = ANY (fields) AS with_status)
    SELECT min(transaction_date), max(transaction_date) FROM changed WHERE with_status
"""
# Rows that still hold what the edit made of them, by the same word, and that no later edit holds, though it may have set the same again.
# What is restored leaves edit_rows: a second try finds only the rest, and a later edit that was taken back holds nothing.
RESTORE = """
    WITH restored AS (
             UPDATE accounts.transactions AS t
                SET category = CASE WHEN 'category' = ANY (fields) THEN category_before ELSE t.category END,
                    category_source = CASE WHEN 'category' = ANY (fields) THEN category_source_before ELSE t.category_source END,
                    confidence = CASE WHEN 'category' = ANY (fields) THEN confidence_before ELSE t.confidence END,
                    merchant_name = CASE WHEN 'merchant' = ANY (fields) THEN merchant_name_before ELSE t.merchant_name END,
                    note = CASE WHEN 'note' = ANY (fields) THEN note_before ELSE t.note END,
                    note_source = CASE WHEN 'note' = ANY (fields) THEN note_source_before ELSE t.note_source END,
                    status = CASE WHEN 'status' = ANY (fields) THEN status_before ELSE t.status END,
                    status_source = CASE WHEN 'status' = ANY (fields) THEN status_source_before ELSE t.status_source END,
                    updated_at = now()
               FROM accounts.edit_rows AS kept
              WHERE kept.user_id = $1 AND kept.edit_id = $2 AND t.user_id = $1 AND t.id = kept.transaction_id
                AND ('category' <> ALL (fields) OR (t.category, t.category_source, t.confidence) IS NOT DISTINCT FROM
                     (category_after, CASE WHEN category_after IS NOT NULL THEN $3::text END, NULL))
                AND ('merchant' <> ALL (fields) OR t.merchant_name IS NOT DISTINCT FROM merchant_name_after)
                AND ('note' <> ALL (fields) OR (t.note, t.note_source) IS NOT DISTINCT FROM (note_after, $4::text))
                AND ('status' <> ALL (fields) OR (t.status, t.status_source) IS NOT DISTINCT FROM (status_after, 'user'))
                AND NOT EXISTS (SELECT FROM accounts.edit_rows AS later
                                 WHERE later.user_id = $1 AND later.edit_id > $2 AND later.transaction_id = kept.transaction_id
                                   AND later.fields && kept.fields)
             RETURNING t.id, t.transaction_date, 'status' = ANY (fields) AS with_status),
         forgotten AS (
             DELETE FROM accounts.edit_rows AS kept USING restored
              WHERE kept.user_id = $1 AND kept.edit_id = $2 AND kept.transaction_id = restored.id)
    SELECT min(transaction_date), max(transaction_date) FROM restored WHERE with_status
"""
# Those that are gone, removed or merged, are neither restored nor left.
_COUNT_LEFT = """
    SELECT count(*), count(t.id)
      FROM accounts.edit_rows AS kept
      LEFT JOIN accounts.transactions AS t ON t.user_id = $1 AND t.id = kept.transaction_id
     WHERE kept.user_id = $1 AND kept.edit_id = $2
"""
_DROP_SUGGESTIONS = """
    DELETE FROM accounts.transfers USING accounts.transactions AS t
     WHERE transfers.user_id = $1 AND transfers.state = 'suggested'
       AND t.user_id = $1 AND t.transfer_id = transfers.id AND t.status <> 'posted'
"""
_INSERT_EDIT = f"""
    INSERT INTO accounts.edits (user_id, id, filter, matched_count, changed_count, expires_at, rule_id, import_id, request_id, request_hash)
    VALUES ($1, $2, $3, $4, $5, now() + $6::interval, $7, $8, $9, $10)
    RETURNING {EDIT_COLUMNS}
"""  # nosec B608 - only constants of this module
_MARK_UNDONE = f"""
    UPDATE accounts.edits SET undone_at = COALESCE(undone_at, now()) WHERE user_id = $1 AND id = $2 RETURNING {EDIT_COLUMNS}
"""  # nosec B608


class Arguments:
    """The values of a statement's placeholders, which come into being as its text does."""

    def __init__(self, *values: object) -> None:
        self.values = list(values)

    def add(self, value: object) -> str:
        """The placeholder that stands for `value`."""
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True, slots=True)
class Target:
    """Which rows."""

    condition: str
    """SQL on a row of accounts.transactions named t."""
    arguments: Arguments
    """Its values so far; the first is the user."""
    unless: Mapping[str, str] = field(default_factory=dict)
    """By field of RowChanges: the condition of rows in which it is left alone."""


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What to set; None leaves a field. A rule never overrules the user, and adds a note only where there is none."""

    source: CategorySource
    """USER or RULE: whose word it is."""
    category: str | None = None
    """Empty takes it away."""
    merchant: str | None = None
    note: str | None = None
    status: str | None = None

    @property
    def by_rule(self) -> bool:
        """Whether a rule says so, and not the user."""
        return self.source is CategorySource.RULE


class Changed(NamedTuple):
    """What a change did, before it is stored as an edit."""

    edit_id: UUID
    matched_count: int
    changed_count: int


class Origin(NamedTuple):
    """Why there is an edit."""

    filter: str
    lifetime: timedelta
    request: FirstRequest | None = None
    rule_id: UUID | None = None
    import_id: UUID | None = None


async def count_rows(connection: Connection, changes: RowChanges, target: Target) -> tuple[int, int]:
    """How many rows there are, and how many of them would change."""
    statement = counting_statement(changes, target)
    matched, changed = await connection.fetchrow(statement, *target.arguments.values)
    return matched, changed


def counting_statement(changes: RowChanges, target: Target) -> str:
    """What `count_rows` asks."""
    return _COUNT.format(find=_FIND.format(condition=target.condition, **_takes(changes, target)), takes_any=_TAKES_ANY)


async def change_rows(connection: Connection, user_id: UUID, changes: RowChanges, target: Target) -> Changed:
    """Changes the rows, and keeps what they were under the id of an edit, which is still to be stored."""
    edit_id, add = uuid7(), target.arguments.add
    statement = _KEEP.format(
        find=_FIND.format(condition=target.condition, **_takes(changes, target)),
        takes_any=_TAKES_ANY,
        edit_id=add(edit_id),
        new_category=add(changes.category or None),
        new_merchant=add(changes.merchant),
        new_note=add(changes.note),
        new_status=add(changes.status),
    )
    matched, changed = await connection.fetchrow(statement, *target.arguments.values)
    if changed:
        first_day, last_day = await _fetch_by_hash(connection, CHANGE, user_id, edit_id, *_words(changes.by_rule))
        await _settle_transfers(connection, user_id, first_day, last_day)
    return Changed(edit_id, matched, changed)


async def store_edit(connection: Connection, user_id: UUID, changed: Changed, origin: Origin) -> Edit:
    """The edit, whose rows are kept."""
    request_id, content_hash = (origin.request.request_id, origin.request.content_hash) if origin.request else (None, None)
    record = await connection.fetchrow(
        _INSERT_EDIT,
        user_id,
        changed.edit_id,
        origin.filter,
        changed.matched_count,
        changed.changed_count,
        origin.lifetime,
        origin.rule_id,
        origin.import_id,
        request_id,
        content_hash,
    )
    return Edit(*record)


async def restore_rows(connection: Connection, user_id: UUID, edit: Edit) -> tuple[Edit, Undone]:
    """Takes an edit back, but for rows that were changed since. Harmless to repeat: the counts are those of all tries together."""
    first_day, last_day = await _fetch_by_hash(connection, RESTORE, user_id, edit.id, *_words(edit.rule_id is not None))
    await _settle_transfers(connection, user_id, first_day, last_day)
    left, still_there = await _fetch_by_hash(connection, _COUNT_LEFT, user_id, edit.id)
    marked = Edit(*await connection.fetchrow(_MARK_UNDONE, user_id, edit.id))
    return marked, Undone(edit.changed_count - left, still_there)


def changing_condition(changes: RowChanges, target: Target) -> str:
    """SQL that is true of the rows that would change."""
    return f"({target.condition}) AND ({' OR '.join(f'({takes})' for takes in _takes(changes, target).values())})"


def _takes(changes: RowChanges, target: Target) -> dict[str, str]:
    """By field, SQL that is true of a row in which the change takes it."""
    add = target.arguments.add
    takes = dict.fromkeys(("category", "merchant", "note", "status"), "false")
    if changes.category is not None:
        source = changes.source.value if changes.category else None
        wanted = f"({add(changes.category or None)}::text, {add(source)}::text, NULL)"
        takes["category"] = f"(t.category, t.category_source, t.confidence) IS DISTINCT FROM {wanted}"
        if changes.by_rule:
            takes["category"] += " AND (t.category_source IS DISTINCT FROM 'user' OR t.confidence IS NOT NULL)"
    if changes.merchant is not None:
        takes["merchant"] = f"t.merchant_name IS DISTINCT FROM {add(changes.merchant)}::text"
    if changes.note is not None and changes.by_rule:
        takes["note"] = "t.note = ''"
    elif changes.note is not None:
        # A rule's note becomes the user's own, also when it stays word for word.
        takes["note"] = f"(t.note, t.note_source) IS DISTINCT FROM ({add(changes.note)}::text, NULL)"
    if changes.status is not None:
        takes["status"] = f"t.status <> {add(changes.status)}::text"
    for name, condition in target.unless.items():
        takes[name] += f" AND ({condition}) IS NOT TRUE"
    return takes


async def _fetch_by_hash(connection: Connection, statement: str, *arguments: object) -> asyncpg.Record:
    """One row. The planner knows nothing of edit_rows that just came: it would go through all of them for each transaction."""
    await connection.execute(JOIN_BY_HASH)
    record = await connection.fetchrow(statement, *arguments)
    await connection.execute(JOIN_AS_BEFORE)
    return record


async def _settle_transfers(connection: Connection, user_id: UUID, first_day: date | None, last_day: date | None) -> None:
    """After a change of status between these days: only posted transactions are sides of a suggested transfer."""
    if first_day is None or last_day is None:
        return
    await connection.execute(_DROP_SUGGESTIONS, user_id)
    await suggest_transfers(connection, user_id, first_day, last_day)


def _words(by_rule: bool) -> tuple[str, str | None]:
    """Whose word category and note are."""
    return (CategorySource.RULE.value, "rule") if by_rule else (CategorySource.USER.value, None)
