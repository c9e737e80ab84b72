"""Looks for transfers between the user's own accounts among rows that just came or changed (docs/transfers.md).

Rows of the running transaction carry its time as `updated_at`: that is how they are told from older ones.
"""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from services.accounts.mentions import AccountMarks, OwnAccount
from services.accounts.pairing import TRANSFER_DAYS, Pair, Side, Told, pair_up, reason, with_partners
from services.kit.postgres import Connection

_MOST_SIDES = 20_000
"""Of the newest days: a bound on what one import can cost, far above what a person moves between accounts."""
_AT_ONCE = 2_000
_REACH = 2 * TRANSFER_DAYS
"""Also the other partners that a partner may have: they make it doubtful."""

_IS_SWITCHED_OFF = "SELECT EXISTS (SELECT FROM accounts.profiles WHERE user_id = $1 AND NOT transfer_suggestions)"
_SELECT_ACCOUNTS = "SELECT id, name, identifier FROM accounts.accounts WHERE user_id = $1"
# The planner knows little of rows that just came, and takes thousands for one.
JOIN_BY_HASH = "SELECT set_config('enable_nestloop', 'off', true)"
JOIN_AS_BEFORE = "SELECT set_config('enable_nestloop', 'on', true)"
# Conditions on amounts reach no index under row level security: the user's rows of these days are read and joined by hash; by day and
# not by row, so that thousands of equal amounts do not multiply.
SELECT_NEAR = f"""
    WITH sides AS MATERIALIZED (
             SELECT id, account_id, transaction_date, amount, currency, updated_at = now() AS is_new
               FROM accounts.transactions
              WHERE user_id = $1 AND transaction_date BETWEEN $2::date - {_REACH} AND $3::date + {_REACH}
                AND status = 'posted' AND suspected_duplicate_of IS NULL AND transfer_id IS NULL),
         fresh AS (SELECT DISTINCT account_id, currency, amount FROM sides WHERE is_new),
         facing AS (SELECT DISTINCT currency, -amount AS amount, account_id FROM sides
                     WHERE EXISTS (SELECT FROM fresh
                                    WHERE fresh.currency = sides.currency AND fresh.amount = -sides.amount
                                      AND fresh.account_id <> sides.account_id)),
         wanted AS (SELECT DISTINCT currency, abs(amount) AS size, transaction_date FROM sides
                     WHERE is_new AND EXISTS (SELECT FROM facing
                                               WHERE facing.currency = sides.currency AND facing.amount = sides.amount
                                                 AND facing.account_id <> sides.account_id)),
         near AS (SELECT DISTINCT currency, size, transaction_date + days AS day
                    FROM wanted CROSS JOIN generate_series(-{_REACH}, {_REACH}) AS days)
    SELECT sides.* FROM sides JOIN near ON near.currency = sides.currency AND near.size = abs(sides.amount) AND near.day = transaction_date
     ORDER BY transaction_date DESC, id DESC LIMIT {_MOST_SIDES}
"""  # nosec B608 - only constants of this module
_SELECT_TEXTS = """
    SELECT id, account_id, left(description_key, 200), concat_ws(' ', description, merchant_name), left(raw_data::text, 10000)
      FROM accounts.transactions WHERE user_id = $1 AND id = ANY ($2)
"""
_SELECT_UNDONE = """
    SELECT outgoing_id, incoming_id FROM accounts.transfers
     WHERE user_id = $1 AND outgoing_id = ANY ($2) AND state = 'undone'
"""
# The unique indexes have the last word.
_INSERT = """
    INSERT INTO accounts.transfers (user_id, id, outgoing_id, incoming_id, reason)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
    ON CONFLICT DO NOTHING RETURNING id
"""
_MARK = """
    UPDATE accounts.transactions AS t SET transfer_id = transfers.id
      FROM accounts.transfers
     WHERE transfers.user_id = $1 AND transfers.id = ANY ($2)
       AND t.user_id = $1 AND t.id IN (transfers.outgoing_id, transfers.incoming_id)
"""


async def suggest_transfers(connection: Connection, user_id: UUID, first_day: date, last_day: date) -> int:
    """Suggests what can be told for rows between these days that this transaction brought or changed; how many.

    The user must be locked.
    """
    accounts = [OwnAccount(*record) for record in await connection.fetch(_SELECT_ACCOUNTS, user_id)]
    if len(accounts) < 2 or await connection.fetchval(_IS_SWITCHED_OFF, user_id):
        return 0
    await connection.execute(JOIN_BY_HASH)
    near = [Side(*record) for record in await connection.fetch(SELECT_NEAR, user_id, first_day, last_day)]
    await connection.execute(JOIN_AS_BEFORE)
    sides = await asyncio.to_thread(with_partners, near)
    if not sides:
        return 0
    marks = AccountMarks(accounts)
    told: dict[UUID, Told] = {}
    ids = [one.transaction_id for one in sides]
    for start in range(0, len(ids), _AT_ONCE):
        rows = await connection.fetch(_SELECT_TEXTS, user_id, ids[start : start + _AT_ONCE])
        told |= await asyncio.to_thread(_read, rows, marks)
    undone = {(outgoing, incoming) for outgoing, incoming in await connection.fetch(_SELECT_UNDONE, user_id, ids)}
    pairs = await asyncio.to_thread(pair_up, sides, told, marks, undone)
    names = {account.id: account.name for account in accounts}
    return sum([await _store(connection, user_id, pairs[start : start + _AT_ONCE], names) for start in range(0, len(pairs), _AT_ONCE)])


def _read(rows: list[asyncpg.Record], marks: AccountMarks) -> dict[UUID, Told]:
    return {found: Told(key, marks.mentions(account_id, text, bank_row or "")) for found, account_id, key, text, bank_row in rows}


async def _store(connection: Connection, user_id: UUID, pairs: list[Pair], names: dict[UUID, str]) -> int:
    stored = await connection.fetch(
        _INSERT,
        user_id,
        [uuid7() for _ in pairs],
        [pair.outgoing.transaction_id for pair in pairs],
        [pair.incoming.transaction_id for pair in pairs],
        [reason(pair, names) for pair in pairs],
    )
    await connection.execute(_MARK, user_id, [record["id"] for record in stored])
    return len(stored)
