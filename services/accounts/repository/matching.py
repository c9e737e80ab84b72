"""Which incoming rows the ledger holds already: by the bank's id, then by content, then by hand of the user (docs/duplicates.md).

Works on the temporary table `incoming` of one append, under the user's lock, and fills `claims`: a line, the transaction that it is.
Each appearance of a transaction is claimed by at most one line.
"""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple
from uuid import UUID

from services.accounts.resemblance import PENDING_DAYS, Candidate, pair_up
from services.kit.postgres import Connection, affected

_MOST_CANDIDATES = 200_000
_PLACEHOLDER_REPEATS = 2
"""An id that one file gives to more rows than this says nothing."""

# Row counts and rough shares are all that the plans below need; the default sample costs as much as a step.
_SAMPLE_LITTLE = "SELECT set_config('default_statistics_target', '10', true)"
_KEY = "account_id, transaction_date, amount, currency, description_key"

_FORGET_PLACEHOLDERS = f"""
    UPDATE incoming SET source_id = NULL WHERE (account_id, source_id) IN (
        SELECT account_id, source_id FROM incoming WHERE source_id IS NOT NULL
         GROUP BY account_id, source_id HAVING count(*) > {_PLACEHOLDER_REPEATS})
"""  # nosec B608 - only constants of this module
# Every way in which a transaction near these days has stood in a file so far.
_FIND_HELD = f"""
    CREATE TEMPORARY TABLE held ON COMMIT DROP AS
    WITH span AS (SELECT min(transaction_date) - {PENDING_DAYS} AS first, max(transaction_date) + {PENDING_DAYS} AS last FROM incoming),
         named AS (SELECT DISTINCT account_id FROM incoming),
         identified AS (SELECT DISTINCT transaction_id FROM accounts.source_ids
                         WHERE user_id = auth.uid() AND account_id IN (SELECT account_id FROM named))
    SELECT row_number() OVER () AS place, found.*, identified.transaction_id IS NOT NULL AS has_source
      FROM (SELECT id, {_KEY}, occurrence, status, import_id, import_line, false AS is_alias,
                   CASE WHEN import_id IS NULL THEN raw_data = '{{}}' ELSE false END AS is_typed
              FROM accounts.transactions
             WHERE user_id = auth.uid() AND account_id IN (SELECT account_id FROM named)
               AND transaction_date BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)
             UNION ALL
            SELECT transaction_id, {_KEY}, occurrence, 'pending', NULL, NULL, true, false
              FROM accounts.transaction_aliases
             WHERE user_id = auth.uid() AND account_id IN (SELECT account_id FROM named)
               AND transaction_date BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)) AS found
      LEFT JOIN identified ON identified.transaction_id = found.id
"""  # nosec B608
CREATE_CLAIMS = """
    CREATE TEMPORARY TABLE claims (line bigint, place bigint, transaction_id uuid, own boolean DEFAULT false) ON COMMIT DROP
"""
_UNCLAIMED_LINE = "NOT EXISTS (SELECT FROM claims WHERE claims.line = incoming.line)"
_UNCLAIMED_PLACE = "NOT EXISTS (SELECT FROM claims WHERE claims.place = held.place)"
# The same file again: a pair of one fingerprint and one id is as good as any that the steps below would find. A row that the user typed in
# has more to learn from the file.
_CLAIM_KNOWN = """
    INSERT INTO claims (line, transaction_id)
    SELECT incoming.line, t.id
      FROM incoming JOIN accounts.transactions AS t ON t.user_id = auth.uid() AND t.fingerprint = incoming.fingerprint
     WHERE t.import_id <> $1 AND (t.status <> 'pending' OR incoming.status = 'pending')
       AND (incoming.source_id IS NULL OR EXISTS (
            SELECT FROM accounts.source_ids AS ids
             WHERE ids.user_id = auth.uid() AND ids.account_id = incoming.account_id
               AND ids.source_id = incoming.source_id AND ids.transaction_id = t.id))
"""
_HOLDS_ALL_OF = "SELECT count(*) = cardinality($1::text[]) FROM accounts.transactions WHERE user_id = auth.uid() AND fingerprint = ANY ($1)"
_COUNT_CLAIMS = "SELECT count(*), count(DISTINCT transaction_id) FROM claims"
# The caller repeats itself: its own rows are its own, line by line.
_CLAIM_OWN = f"""
    INSERT INTO claims SELECT incoming.line, held.place, held.id, true
      FROM incoming JOIN held USING ({_KEY}) WHERE held.import_id = $1 AND held.import_line = incoming.line AND NOT held.is_alias
"""  # nosec B608
_CLAIM_BY_SOURCE = f"""
    INSERT INTO claims (line, place, transaction_id) SELECT line, place, id
      FROM (SELECT line, account_id, source_id, transaction_date, amount, currency,
                   row_number() OVER (PARTITION BY account_id, source_id, transaction_date, amount, currency ORDER BY line) AS turn
              FROM incoming WHERE source_id IS NOT NULL AND {_UNCLAIMED_LINE}) AS new
      JOIN (SELECT held.place, held.id, account_id, ids.source_id, transaction_date, amount, currency,
                   row_number() OVER (PARTITION BY account_id, ids.source_id, transaction_date, amount, currency
                                      ORDER BY is_alias, occurrence, held.id) AS turn
              FROM held JOIN accounts.source_ids AS ids USING (account_id)
             WHERE ids.user_id = auth.uid() AND ids.transaction_id = held.id AND held.has_source AND {_UNCLAIMED_PLACE}) AS old
     USING (account_id, source_id, transaction_date, amount, currency, turn)
"""  # nosec B608
# A row with an id is never the one that has another id; a row without may be either.
_CLAIM_BY_CONTENT = f"""
    INSERT INTO claims (line, place, transaction_id) SELECT line, place, id
      FROM (SELECT line, {_KEY}, row_number() OVER (PARTITION BY {_KEY} ORDER BY line) AS turn
              FROM incoming WHERE (source_id IS NOT NULL) = $1 AND {_UNCLAIMED_LINE}) AS new
      JOIN (SELECT place, id, {_KEY}, row_number() OVER (PARTITION BY {_KEY} ORDER BY occurrence, is_alias, id) AS turn
              FROM held WHERE NOT ($1 AND has_source) AND {_UNCLAIMED_PLACE}) AS old
     USING ({_KEY}, turn)
"""  # nosec B608
_SELECT_CANDIDATES = f"""
    SELECT incoming.line, held.place, held.id, incoming.transaction_date, held.transaction_date,
           incoming.description_key, held.description_key, incoming.status, held.status, held.is_typed
      FROM incoming JOIN held USING (account_id, amount, currency)
     WHERE held.transaction_date BETWEEN incoming.transaction_date - {PENDING_DAYS} AND incoming.transaction_date + {PENDING_DAYS}
       AND (incoming.transaction_date = held.transaction_date OR incoming.status <> held.status OR held.is_typed)
       AND NOT (incoming.source_id IS NOT NULL AND held.has_source AND incoming.status = held.status)
       AND held.import_id IS DISTINCT FROM $1 AND NOT held.is_alias AND {_UNCLAIMED_LINE} AND {_UNCLAIMED_PLACE}
     LIMIT {_MOST_CANDIDATES}
"""  # nosec B608
_ADD_CLAIMS = "INSERT INTO claims (line, place, transaction_id) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[])"
_MARK_BOOKINGS = "UPDATE incoming SET books = ($2::uuid[])[array_position($1::bigint[], line)] WHERE line = ANY ($1)"
# The same id on other days or with other amounts, in the ledger or earlier in this file.
_SELECT_SAME_SOURCE = f"""
    SELECT DISTINCT ON (line) line, other, reason FROM (
        SELECT incoming.line, t.id AS other, 'the bank gave the same reference to a payment of '
               || to_char(t.transaction_date, 'YYYY-MM-DD') || ' over ' || t.amount::text AS reason
          FROM incoming JOIN accounts.source_ids AS ids USING (account_id, source_id)
          JOIN accounts.transactions AS t ON t.user_id = ids.user_id AND t.id = ids.transaction_id
         WHERE ids.user_id = auth.uid() AND t.import_id IS DISTINCT FROM $1 AND {_UNCLAIMED_LINE}
         UNION ALL
        SELECT later.line, COALESCE(claims.transaction_id, first.id), 'the file gives the same reference to line ' || first.line
          FROM (SELECT line, account_id, source_id, min(line) OVER (PARTITION BY account_id, source_id) AS first_line
                  FROM incoming WHERE source_id IS NOT NULL) AS later
          JOIN incoming AS first ON first.line = later.first_line
          LEFT JOIN claims ON claims.line = first.line
         WHERE later.line > later.first_line AND NOT EXISTS (SELECT FROM claims WHERE claims.line = later.line)) AS found
     ORDER BY line, other
"""  # nosec B608
_SELECT_KINDS = """
    SELECT EXISTS (SELECT FROM held WHERE status = 'pending' AND NOT is_alias), EXISTS (SELECT FROM held WHERE is_typed)
"""
# Rows that stay, and those that a pending row turns into, get the next free numbers among their equals.
_NUMBER = f"""
    UPDATE incoming SET occurrence = numbered.occurrence, renumbered = true
      FROM (SELECT incoming.line, COALESCE(top.occurrence, 0) + row_number() OVER (PARTITION BY {_KEY} ORDER BY incoming.line) AS occurrence
              FROM incoming LEFT JOIN (SELECT {_KEY}, max(occurrence) AS occurrence FROM held GROUP BY {_KEY}) AS top USING ({_KEY})
             WHERE books IS NOT NULL OR {_UNCLAIMED_LINE}) AS numbered
     WHERE numbered.line = incoming.line AND numbered.occurrence <> incoming.occurrence
"""  # nosec B608


class Suspicion(NamedTuple):
    """A row that goes into the ledger and may be there already."""

    line: int
    transaction_id: UUID
    """The earlier one."""
    reason: str


class Matches(NamedTuple):
    """What was found; the claims are in the table of that name."""

    own_count: int
    """Rows that this very import brought before."""
    suspicions: list[Suspicion]
    with_source: bool
    """Whether rows carry the bank's own ids."""
    with_pending: bool
    """Whether the ledger holds pending rows near these days: some may be booked now."""
    with_typed: bool = False
    """Whether it holds rows that the user typed in, and no bank has confirmed yet."""


async def match_known(connection: Connection, import_id: UUID, row_count: int, ends: Set[str]) -> bool:
    """Fills `claims` in one step where other imports brought every row already, each under its own id, and returns whether they did.

    `ends` are the fingerprints of the first and the last row: where the ledger has them, the others are worth a look.
    """
    if not await connection.fetchval(_HOLDS_ALL_OF, list(ends)):
        return False
    await connection.execute(_CLAIM_KNOWN, import_id)
    if tuple(await connection.fetchrow(_COUNT_CLAIMS)) == (row_count, row_count):
        return True
    await connection.execute("TRUNCATE claims")
    return False


async def match(connection: Connection, import_id: UUID) -> Matches:
    """Fills `claims`, and numbers the rows that nothing claims. `incoming` must be complete and the user locked."""
    await connection.execute(_SAMPLE_LITTLE)
    await connection.execute("ANALYZE incoming")
    with_source = bool(await connection.fetchval("SELECT EXISTS (SELECT FROM incoming WHERE source_id IS NOT NULL)"))
    if with_source:
        await connection.execute(_FORGET_PLACEHOLDERS)
    found = await connection.execute(_FIND_HELD)
    own_count = 0
    suspicions: list[Suspicion] = []
    held_any = affected(found) > 0
    if held_any:
        await connection.execute("ANALYZE held")
        own_count = affected(await connection.execute(_CLAIM_OWN, import_id))
        if with_source:
            await connection.execute(_CLAIM_BY_SOURCE)
            await connection.execute(_CLAIM_BY_CONTENT, True)
        await connection.execute(_CLAIM_BY_CONTENT, False)
        await connection.execute("ANALYZE claims")
        suspicions = await _look_closer(connection, import_id)
    if with_source:
        flagged = {one.line for one in suspicions}
        records = await connection.fetch(_SELECT_SAME_SOURCE, import_id)
        suspicions += [Suspicion(*record) for record in records if record["line"] not in flagged]
    if held_any:
        await connection.execute(_NUMBER)
    with_pending, with_typed = await connection.fetchrow(_SELECT_KINDS) if held_any else (False, False)
    return Matches(own_count, suspicions, with_source, with_pending, with_typed)


async def match_typed(connection: Connection, *, allow_equal: bool) -> Suspicion | None:
    """The same for one row that the user typed in: it books no pending row, and one that is said to be another payment is what nothing
    claims. The earlier transaction that it may repeat, if there is one."""
    if not affected(await connection.execute(_FIND_HELD)):
        return None
    suspected: Candidate | None = None
    if not allow_equal:
        await connection.execute(_CLAIM_BY_CONTENT, False)
        candidates = [Candidate(*record) for record in await connection.fetch(_SELECT_CANDIDATES, None)]
        suspected = min((one for one in candidates if one.suspicion), key=lambda one: (one.new_key != one.old_key, one.place), default=None)
    await connection.execute(_NUMBER)
    return Suspicion(suspected.line, suspected.transaction_id, suspected.suspicion or "") if suspected else None


async def _look_closer(connection: Connection, import_id: UUID) -> list[Suspicion]:
    records = await connection.fetch(_SELECT_CANDIDATES, import_id)
    bookings, suspected = pair_up(Candidate(*record) for record in records)
    if bookings:
        lines, ids = [one.line for one in bookings], [one.transaction_id for one in bookings]
        await connection.execute(_ADD_CLAIMS, lines, [one.place for one in bookings], ids)
        posted = [(one.line, one.transaction_id) for one in bookings if one.old_status == "pending"]
        await connection.execute(_MARK_BOOKINGS, [line for line, _ in posted], [found for _, found in posted])
    return [Suspicion(one.line, one.transaction_id, one.suspicion or "") for one in suspected]
