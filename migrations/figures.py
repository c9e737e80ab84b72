"""Figures made ahead: views that compute them, materialised views that keep them, and views through which a service reads its user's.

A materialised view ignores row level security, so that no service may read one. What computes the figures is one text: the materialised
view is made from it as the owner, over all users; a service that wants them fresh asks it as itself, under row level security.
All hang on accounts.transactions: whoever rebuilds that table calls `drop_figures` before and `create_figures` after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Execute = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Figures:
    """`<name>_now` computes them, `kept` keeps them under a unique `index` on `key`, `name` is what a service reads."""

    name: str
    kept: str
    index: str
    key: str
    select: str


COUNTED_TRANSACTIONS = """
    SELECT user_id, id, account_id, transaction_date, amount, currency, type, description, merchant_name, merchant_key, category
      FROM accounts.transactions AS t
     WHERE status = 'posted'
       AND NOT EXISTS (SELECT FROM accounts.transfers AS f WHERE f.user_id = t.user_id AND f.id = t.transfer_id AND f.state = 'confirmed')
"""
"""What figures count: posted, and no side of a confirmed transfer between own accounts."""

_CATEGORY_STATS = """
    SELECT user_id, COALESCE(category, 'uncategorized') AS category, currency, count(*) AS transaction_count, sum(amount) AS total,
           COALESCE(-sum(amount) FILTER (WHERE amount < 0), 0) AS spent,
           COALESCE(sum(amount) FILTER (WHERE amount > 0), 0) AS received,
           min(transaction_date) AS first_date, max(transaction_date) AS last_date
      FROM accounts.counted_transactions GROUP BY user_id, COALESCE(category, 'uncategorized'), currency
"""
_MONTHLY_SPENDING = """
    SELECT user_id, date_trunc('month', transaction_date::timestamp)::date AS month, COALESCE(category, 'uncategorized') AS category,
           currency, count(*) AS transaction_count, -sum(amount) AS total, round(-avg(amount), 4) AS average, -max(amount) AS minimum,
           -min(amount) AS maximum
      FROM accounts.counted_transactions
     WHERE amount < 0
     GROUP BY user_id, date_trunc('month', transaction_date::timestamp)::date, COALESCE(category, 'uncategorized'), currency
"""
# Of each active budget: the counted debits of its category and what is below it, in its currency and period. One slug at a time, so that
# the index on category and day is the best there is, however many rows the planner thinks a user has. What the budgets before it in an
# unbroken chain left over or overspent is a running sum, since active budgets of one category and currency never overlap.
_BUDGET_USE = """
    WITH used AS (
        SELECT b.*, COALESCE(debits.total, 0) AS spent
          FROM accounts.budgets AS b
          CROSS JOIN LATERAL (
              SELECT sum(one.total) AS total
                FROM (SELECT b.category AS slug
                      UNION SELECT c.slug FROM accounts.categories AS c WHERE c.primary_slug = b.category
                      UNION SELECT u.slug FROM accounts.user_categories AS u WHERE u.user_id = b.user_id AND u.primary_slug = b.category
                     ) AS below
                CROSS JOIN LATERAL (
                    SELECT -sum(t.amount) AS total FROM accounts.counted_transactions AS t
                     WHERE t.user_id = b.user_id AND t.category = below.slug AND t.currency = b.currency AND t.amount < 0
                       AND t.transaction_date BETWEEN b.period_start AND b.period_end) AS one
          ) AS debits
         WHERE b.is_active
    ), links AS (
        SELECT *, roll_over AND lag(period_end) OVER (PARTITION BY user_id, category, currency ORDER BY period_start) + 1 = period_start
               AS follows
          FROM used
    ), chains AS (
        SELECT *, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY user_id, category, currency ORDER BY period_start) AS chain
          FROM links
    ), carried AS (
        SELECT *, COALESCE(sum(amount - spent) OVER (
                   PARTITION BY user_id, category, currency, chain ORDER BY period_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ), 0) AS carried_over
          FROM chains
    )
    SELECT user_id, id AS budget_id, category, amount, currency, period_start, period_end, roll_over, created_at, updated_at, carried_over,
           spent, amount + carried_over - spent AS remaining,
           CASE WHEN amount + carried_over > 0 THEN round(100 * spent / (amount + carried_over), 2) ELSE 0 END AS utilization_percent
      FROM carried
"""

ALL_FIGURES = (
    Figures("category_stats", "user_category_stats", "idx_user_category_stats", "user_id, category, currency", _CATEGORY_STATS),
    # As its pages are read: the latest month first.
    Figures(
        "monthly_spending",
        "monthly_spending_summary",
        "idx_monthly_spending_summary_unique",
        "user_id, month DESC, category, currency",
        _MONTHLY_SPENDING,
    ),
    Figures("budget_use", "budget_utilization", "idx_budget_utilization_unique", "user_id, period_start DESC, budget_id DESC", _BUDGET_USE),
)


def create_figures(execute: Execute) -> None:
    """Makes all views and fills those that keep something; reads the whole ledger."""
    _create_view(execute, "counted_transactions", "security_invoker", COUNTED_TRANSACTIONS)
    for figures in ALL_FIGURES:
        _create_view(execute, f"{figures.name}_now", "security_invoker", figures.select)
        execute(f"CREATE MATERIALIZED VIEW accounts.{figures.kept} AS SELECT * FROM accounts.{figures.name}_now")  # nosec B608  # constants
        execute(f"CREATE UNIQUE INDEX {figures.index} ON accounts.{figures.kept} ({figures.key})")
        execute(f"REVOKE ALL ON accounts.{figures.kept} FROM PUBLIC")
        # In order, or a page would sort all of the user's: nothing outside of a barrier learns the order of an index inside.
        own = f"SELECT * FROM accounts.{figures.kept} WHERE user_id = (SELECT auth.uid()) ORDER BY {figures.key}"  # nosec B608
        _create_view(execute, figures.name, "security_barrier", own)
        execute(f"""
            INSERT INTO accounts.figures (name, made_at) VALUES ('{figures.kept}', now())
            ON CONFLICT (name) DO UPDATE SET made_at = excluded.made_at
        """)  # nosec B608


def drop_figures(execute: Execute) -> None:
    """Takes all views away; nothing is lost that `create_figures` does not make again."""
    for figures in reversed(ALL_FIGURES):
        execute(f"DROP VIEW accounts.{figures.name}")
        execute(f"DROP MATERIALIZED VIEW accounts.{figures.kept}")
        execute(f"DROP VIEW accounts.{figures.name}_now")
    execute("DROP VIEW accounts.counted_transactions")


def _create_view(execute: Execute, name: str, option: str, select: str) -> None:
    execute(f"CREATE VIEW accounts.{name} WITH ({option} = true) AS {select}")
    execute(f"REVOKE ALL ON accounts.{name} FROM PUBLIC")
    execute(f"GRANT SELECT ON accounts.{name} TO scale_accounts")
