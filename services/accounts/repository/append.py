"""The bulk path: one import's batches into a temporary table, then into the ledger, in one transaction.

COPY into a table under row level security is refused by PostgreSQL, hence the table in between.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import polars as pl
import uuid_utils

from services.accounts.category_labels import CategoryLabels
from services.accounts.domain import (
    AppendOutcome,
    FingerprintSource,
    ImportLines,
    RowIdentity,
    SuspectedDuplicate,
    account_deleted,
    account_not_found,
    import_id_reused,
)
from services.accounts.repository.categories import CategoryRows
from services.accounts.repository.locking import lock_user
from services.accounts.repository.matching import CREATE_CLAIMS, Matches, Suspicion, match, match_known
from services.accounts.repository.suggesting import suggest_transfers
from services.accounts.rules.repository.importing import ImportRules
from services.kit.errors import InvalidArgument, invalid
from services.kit.postgres import Connection, affected

_MAX_CATEGORIES = 100_000
_COPY_BYTES = 512 * 1024

_CREATE_INCOMING = """
    CREATE TEMPORARY TABLE incoming (
        line bigint, id uuid, account_id uuid, transaction_date date, amount numeric(19,4), currency text,
        description text, merchant text, category text, payment_method text, status text, fingerprint text, raw_data jsonb,
        description_key text, occurrence integer, source_id text, renumbered boolean DEFAULT false, books uuid,
        category_source text, confidence double precision, note text DEFAULT '', note_source text
    ) ON COMMIT DROP
"""
_COLUMNS = (
    "line", "id", "account_id", "transaction_date", "amount", "currency", "description", "merchant", "category",
    "payment_method", "status", "fingerprint", "raw_data", "description_key", "occurrence", "source_id",
    "category_source", "confidence",
)  # fmt: skip
_KNOWN_ACCOUNTS = "SELECT id FROM accounts.accounts WHERE user_id = $1 AND id = ANY($2)"
_COUNT_IMPORTED = "SELECT count(*) FROM accounts.transactions WHERE user_id = $1 AND import_id = $2"
_SELECT_RENUMBERED = """
    SELECT line, account_id, transaction_date, amount, currency, description, occurrence
      FROM incoming WHERE renumbered ORDER BY line
"""
_SET_FINGERPRINTS = """
    UPDATE incoming SET fingerprint = given.fingerprint
      FROM unnest($1::bigint[], $2::text[]) AS given (line, fingerprint) WHERE incoming.line = given.line
"""
# Whatever unique key the ledger's form has: by fingerprint alone, or with the day beside it (docs/partitions.md).
_INSERT = """
    INSERT INTO accounts.transactions (
        user_id, id, account_id, transaction_date, amount, currency, description, merchant_name, category, category_source,
        confidence, payment_method, status, note, note_source, fingerprint, import_id, import_line, raw_data, description_key, occurrence)
    SELECT $1, id, account_id, transaction_date, amount, currency, description, merchant, category, category_source,
           confidence, payment_method, status, note, note_source, fingerprint, $2,
           CASE WHEN $2::uuid IS NOT NULL THEN line END, raw_data, description_key, occurrence
      FROM incoming WHERE NOT EXISTS (SELECT FROM claims WHERE claims.line = incoming.line) ORDER BY line
    ON CONFLICT DO NOTHING
"""
# The constraint has the last word: what it kept out is the row that holds the fingerprint.
_CLAIM_CONFLICTS = """
    INSERT INTO claims (line, transaction_id) SELECT incoming.line, held.id
      FROM incoming JOIN accounts.transactions AS held ON held.user_id = $1 AND held.fingerprint = incoming.fingerprint
     WHERE held.id <> incoming.id AND NOT EXISTS (SELECT FROM claims WHERE claims.line = incoming.line)
"""
_SELECT_REPEATED = """
    SELECT incoming.line, held.import_line
      FROM incoming JOIN accounts.transactions AS held ON held.user_id = $1 AND held.fingerprint = incoming.fingerprint
     WHERE held.id <> incoming.id AND held.import_id = $2 AND NOT EXISTS (SELECT FROM claims WHERE claims.line = incoming.line)
     ORDER BY incoming.line LIMIT 1
"""
_KEEP_PENDING_FORM = """
    INSERT INTO accounts.transaction_aliases (user_id, id, transaction_id, account_id, transaction_date, amount, currency,
                                              description_key, occurrence, import_id)
    SELECT $1, gen_random_uuid(), t.id, t.account_id, t.transaction_date, t.amount, t.currency, t.description_key, t.occurrence, t.import_id
      FROM incoming JOIN accounts.transactions AS t ON t.user_id = $1 AND t.id = incoming.books
     WHERE (t.transaction_date, t.description_key) IS DISTINCT FROM (incoming.transaction_date, incoming.description_key)
"""
_BOOK = """
    UPDATE accounts.transactions AS t
       SET status = 'posted', transaction_date = incoming.transaction_date, description = incoming.description,
           description_key = incoming.description_key, occurrence = incoming.occurrence, fingerprint = incoming.fingerprint,
           merchant_name = COALESCE(incoming.merchant, t.merchant_name), raw_data = incoming.raw_data,
           duplicate_decision = 'booked', updated_at = now()
      FROM incoming WHERE t.user_id = $1 AND t.id = incoming.books
"""
_BOOK_UNCHANGED = """
    UPDATE accounts.transactions AS t SET status = 'posted', duplicate_decision = 'booked', updated_at = now()
      FROM incoming JOIN claims USING (line)
     WHERE t.user_id = $1 AND t.id = claims.transaction_id AND t.status = 'pending'
       AND incoming.status = 'posted' AND incoming.books IS NULL
"""
# What the bank wrote of a row that the user had typed in: from now on nothing else is taken for it.
_CONFIRM_TYPED = """
    UPDATE accounts.transactions AS t SET raw_data = incoming.raw_data, updated_at = now()
      FROM incoming JOIN claims USING (line) JOIN held USING (place)
     WHERE t.user_id = $1 AND t.id = held.id AND held.is_typed
"""
_KEEP_SOURCE_IDS = """
    INSERT INTO accounts.source_ids (user_id, account_id, source_id, transaction_id, import_id)
    SELECT $1, incoming.account_id, incoming.source_id, COALESCE(claims.transaction_id, incoming.id), $2
      FROM incoming LEFT JOIN claims USING (line) WHERE incoming.source_id IS NOT NULL
    ON CONFLICT DO NOTHING
"""
_SUSPECT = """
    UPDATE accounts.transactions AS t SET suspected_duplicate_of = given.other, suspicion = given.reason
      FROM unnest($3::bigint[], $4::uuid[], $5::text[]) AS given (line, other, reason)
     WHERE t.user_id = $1 AND t.import_id = $2 AND t.import_line = given.line AND t.id <> given.other
    RETURNING t.import_line, t.id
"""
_SPAN = "SELECT min(transaction_date), max(transaction_date) FROM incoming"
_FIND_DUPLICATES = """
    DECLARE duplicates NO SCROLL CURSOR FOR SELECT line, transaction_id FROM claims WHERE NOT own ORDER BY line
"""
_RENUMBERED_AT_ONCE = 1000
_FETCH_DUPLICATES = "FETCH 10000 FROM duplicates"


class AppendedRows(CategoryRows):
    """What imports bring."""

    _bulk_statement_timeout_s: float
    _lock_timeout_s: float
    _edit_lifetime: timedelta
    """How long what a rule did to a row can be taken back."""

    async def append_transactions(
        self, user_id: UUID, import_id: UUID, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome:
        """Adds all rows or none. Each frame has the columns of the contract's record batch, checked, and rising lines. `fingerprints`
        gives those of rows whose occurrence turns out to be another than in their file.

        Raises NotFound for an account that is not the user's, AlreadyExists when the ledger holds other rows of this
        import, Unavailable when another import of the user takes too long, and whatever `batches` raises.
        """
        async with self._database.transaction(user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            row_count, ends = await self._stage(connection, user_id, batches)
            await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)
            held_before = await connection.fetchval(_COUNT_IMPORTED, user_id, import_id)
            if not held_before and await match_known(connection, import_id, row_count, ends):
                return AppendOutcome(0, await self._duplicates(connection), [])
            matches = await match(connection, import_id)
            if matches.own_count != held_before:
                raise import_id_reused(import_id)
            await self._renumber(connection, fingerprints)
            rules = await ImportRules.load(connection, user_id, import_id, self._edit_lifetime)
            await rules.change_incoming()
            inserted = matches.own_count + await self._insert(connection, user_id, import_id)
            if inserted < row_count:
                await self._claim_conflicts(connection, user_id, import_id)
            await rules.keep_edits()
            await self._remember(connection, user_id, import_id, matches)
            if matches.with_pending:
                await rules.change_booked()
            suspected = await self._suspect(connection, user_id, import_id, matches.suspicions)
            if inserted > matches.own_count or matches.with_pending:
                await suggest_transfers(connection, user_id, *await connection.fetchrow(_SPAN))
            duplicates = await self._duplicates(connection) if inserted < row_count else ImportLines()
            if inserted + len(duplicates) != row_count:
                raise import_id_reused(import_id)
            return AppendOutcome(inserted, duplicates, suspected)

    async def _duplicates(self, connection: Connection) -> ImportLines:
        duplicates = ImportLines()
        await connection.execute(_FIND_DUPLICATES)
        while found := await connection.fetch(_FETCH_DUPLICATES):
            duplicates.extend(found)
        return duplicates

    async def _renumber(self, connection: Connection, fingerprints: FingerprintSource) -> None:
        rows = [RowIdentity(*record) for record in await connection.fetch(_SELECT_RENUMBERED)]
        for start in range(0, len(rows), _RENUMBERED_AT_ONCE):
            part = rows[start : start + _RENUMBERED_AT_ONCE]
            await connection.execute(_SET_FINGERPRINTS, [one.line for one in part], await fingerprints(part))

    async def _claim_conflicts(self, connection: Connection, user_id: UUID, import_id: UUID | None) -> None:
        repeated = await connection.fetchrow(_SELECT_REPEATED, user_id, import_id)
        if repeated is not None:
            raise invalid(
                "fingerprint", f"is that of line {repeated['import_line']}; equal rows need rising occurrences", line=repeated["line"]
            )
        await connection.execute(_CLAIM_CONFLICTS, user_id)

    async def _remember(self, connection: Connection, user_id: UUID, import_id: UUID, matches: Matches) -> None:
        if matches.with_pending:
            for statement in (_KEEP_PENDING_FORM, _BOOK, _BOOK_UNCHANGED):
                await connection.execute(statement, user_id)
        if matches.with_typed:
            await connection.execute(_CONFIRM_TYPED, user_id)
        if matches.with_source:
            await connection.execute(_KEEP_SOURCE_IDS, user_id, import_id)

    async def _suspect(self, connection: Connection, user_id: UUID, import_id: UUID, found: list[Suspicion]) -> list[SuspectedDuplicate]:
        if not found:
            return []
        columns = [one.line for one in found], [one.transaction_id for one in found], [one.reason for one in found]
        ids = dict(await connection.fetch(_SUSPECT, user_id, import_id, *columns))
        return [SuspectedDuplicate(one.line, ids[one.line], one.transaction_id, one.reason) for one in found if one.line in ids]

    async def _stage(self, connection: Connection, user_id: UUID, batches: AsyncIterator[pl.DataFrame]) -> tuple[int, set[str]]:
        """Copies all rows; how many, and the fingerprints of the first and the last."""
        await connection.execute(_CREATE_INCOMING)
        await connection.execute(CREATE_CLAIMS)
        labels = CategoryLabels(await self._categories(connection, user_id, None, _MAX_CATEGORIES))
        known_accounts: set[str] = set()
        row_count = 0
        first = last = ""
        async for batch in batches:
            if batch.is_empty():
                continue
            await self._check_accounts(connection, user_id, batch, known_accounts)
            rows = await asyncio.to_thread(_as_csv, batch, labels)
            try:
                await connection.copy_to_table("incoming", source=_chunks(rows), columns=_COLUMNS, format="csv")
            except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
                raise _bad_raw_data(batch, str(error)) from error
            row_count += batch.height
            first, last = first or batch["fingerprint"][0], batch["fingerprint"][-1]
        return row_count, {first, last}

    async def _check_accounts(self, connection: Connection, user_id: UUID, batch: pl.DataFrame, known: set[str]) -> None:
        named = set(batch["account_id"].unique()) - known
        if named:
            records = await connection.fetch(_KNOWN_ACCOUNTS, user_id, [UUID(account) for account in named])
            known.update(str(record["id"]) for record in records)
            for stranger in sorted(named - known):
                raise account_not_found(UUID(stranger))

    async def _insert(self, connection: Connection, user_id: UUID, import_id: UUID | None) -> int:
        try:
            done = await connection.execute(_INSERT, user_id, import_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise account_deleted() from error
        return affected(done)


def _as_csv(batch: pl.DataFrame, labels: CategoryLabels) -> bytes:
    """The batch in COPY's CSV form: an unquoted nothing is NULL, a quoted one the empty text."""
    ids = [str(uuid_utils.uuid7()) for _ in range(batch.height)]
    rows = batch.with_columns(*_categories(batch, labels), pl.Series("id", ids, dtype=pl.String)).select(_COLUMNS)
    return rows.write_csv(include_header=False).encode()


def _categories(batch: pl.DataFrame, labels: CategoryLabels) -> list[pl.Expr]:
    """What the file's own label means; where that is no category, what was predicted, unless the ledger does not know it."""
    meant = {label: labels.slug(label) for label in batch["category"].drop_nulls().unique()}
    known = [slug for slug in batch["predicted_category"].drop_nulls().unique() if labels.is_slug(slug)]
    from_file = pl.col("category").replace_strict(meant, default=None, return_dtype=pl.String) if meant else pl.col("category")
    predicted = from_file.is_null() & pl.col("predicted_category").is_in(known)
    return [
        from_file.fill_null(pl.when(predicted).then(pl.col("predicted_category"))).alias("category"),
        pl.when(predicted).then(pl.col("prediction_source")).when(from_file.is_not_null()).then(pl.lit("file")).alias("category_source"),
        pl.when(predicted).then(pl.col("confidence")).alias("confidence"),
    ]


async def _chunks(rows: bytes) -> AsyncIterator[bytes]:
    """For asyncpg, which leaves what it reads from a file in a reference cycle: each batch would stay until the next full collection."""
    for start in range(0, len(rows), _COPY_BYTES):
        yield rows[start : start + _COPY_BYTES]


def _bad_raw_data(batch: pl.DataFrame, answer: str) -> InvalidArgument:
    """Names the first line whose raw_data PostgreSQL cannot take; every other column was checked before."""
    for line, raw_data in zip(batch["line"], batch["raw_data"], strict=True):
        try:
            json.loads(raw_data)
            fits = "\\u0000" not in raw_data
        except (ValueError, RecursionError):
            fits = False
        if not fits:
            return invalid("raw_data", "is not a JSON object that PostgreSQL can hold", line=line)
    return invalid("raw_data", answer.splitlines()[0])
