"""Sums over accounts.transactions, per account and currency."""

from __future__ import annotations

from uuid import UUID

from services.accounts.balances.domain import Balance, BalanceFilters, BalancePosition
from services.kit.postgres import Database

# One statement, so that opening balances and sums are of one moment. The array keeps the planner from scanning the rows once an account.
# One account more than balances asked for: that of the page before may have no more to give.
SELECT_PAGE = """
    WITH page AS (
        SELECT id, name, currency, opening_balance FROM accounts.accounts
         WHERE user_id = $1 AND (is_active OR $2) AND ($3::uuid IS NULL OR id = $3) AND ($4::uuid IS NULL OR id >= $4)
         ORDER BY id LIMIT $6 + 1
    ), held AS (
        SELECT account_id, currency, sum(amount) AS amount, count(*) AS number, max(transaction_date) AS last_date
          FROM accounts.transactions
         WHERE user_id = $1 AND account_id = ANY (ARRAY(SELECT id FROM page)) AND status = 'posted'
           AND transaction_date <= COALESCE($7::date, 'infinity')
         GROUP BY account_id, currency
    )
    SELECT page.id, page.name, listed.currency,
           CASE WHEN listed.currency = page.currency THEN opening_balance ELSE 0 END + COALESCE(held.amount, 0),
           COALESCE(held.number, 0), held.last_date
      FROM page CROSS JOIN LATERAL (SELECT page.currency UNION SELECT currency FROM held WHERE account_id = page.id) AS listed
      LEFT JOIN held ON held.account_id = page.id AND held.currency = listed.currency
     WHERE $4 IS NULL OR (page.id, listed.currency) > ($4, $5)
     ORDER BY page.id, listed.currency LIMIT $6
"""


class PostgresBalancesRepository:
    """Balances as the primary knows them: an import that was answered is counted in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_balances(self, user_id: UUID, filters: BalanceFilters, *, after: BalancePosition | None, limit: int) -> list[Balance]:
        """At most `limit` balances after `after`, by account and currency."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(SELECT_PAGE, *page_arguments(user_id, filters, after=after, limit=limit))
        return [Balance(*record) for record in records]


def page_arguments(user_id: UUID, filters: BalanceFilters, *, after: BalancePosition | None, limit: int) -> tuple[object, ...]:
    """The arguments of SELECT_PAGE."""
    account_id, currency = after or (None, None)
    return (user_id, filters.include_inactive, filters.account_id, account_id, currency, limit, filters.on_date)
