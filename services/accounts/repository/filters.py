"""Builds the statement of one page of transactions: placeholders only, never a value inside the text."""

from __future__ import annotations

from uuid import UUID

from services.accounts.domain import UNCATEGORIZED, TransactionFilters, TransactionPosition, TransactionStatus
from services.accounts.filters import Expression
from services.accounts.repository.conditions import NO_MEANINGS, Meanings, condition

# The amount as one exact integer: decoding it costs a tenth of a numeric. raw_data stays out: it is large and not shown.
COLUMNS = (
    "id, account_id, transaction_date, (amount * 10000)::bigint, currency, description, merchant_name, category, "
    "category_source, confidence, status, note, payment_method, import_id, created_at, suspected_duplicate_of, suspicion, transfer_id"
)


def columns_of(alias: str) -> str:
    """The same of one table among several."""
    return ", ".join(
        column.replace("(amount", f"({alias}.amount") if "(" in column else f"{alias}.{column}" for column in COLUMNS.split(", ")
    )


_SELECT = f"SELECT {COLUMNS} FROM accounts.transactions WHERE user_id = $1"  # nosec B608
_ORDER = "ORDER BY transaction_date DESC, id DESC LIMIT {}"
# The day by itself says which months of a partitioned ledger may be left out; a comparison of rows does not.
_AFTER = "AND transaction_date <= {} AND (transaction_date, id) < ({}, {})"
# Field of TransactionFilters to its condition.
_CONDITIONS = {
    "account_id": "AND account_id = {}",
    "date_from": "AND transaction_date >= {}",
    "date_to": "AND transaction_date <= {}",
    "amount_min": "AND amount >= {}",
    "amount_max": "AND amount <= {}",
    "type": "AND type = {}",
    "merchant": "AND merchant_key = lower({})",
}
# Word for word the predicate of idx_transactions_pending, which a placeholder could not match.
_PENDING = "AND status = 'pending'"
_STATUS = "AND status = {}"
# Likewise that of idx_transactions_suspected.
_SUSPECTED = "AND suspected_duplicate_of IS NOT NULL"
_NOT_SUSPECTED = "AND suspected_duplicate_of IS NULL"
_NO_CATEGORY = "AND category IS NULL"
_CATEGORY = "AND category = {}"
_CATEGORIES = "AND category = ANY ({}::text[])"


def page_statement(
    user_id: UUID,
    filters: TransactionFilters,
    *,
    categories: list[str],
    after: TransactionPosition | None,
    limit: int,
    matching: Expression | None = None,
    meanings: Meanings = NO_MEANINGS,
) -> tuple[str, list[object]]:
    """The statement and its arguments. `categories`: what the filter's category stands for; `after`: where the last page ended;
    `matching`: what else must hold, and what is meant by its words."""
    parts = [_SELECT]
    arguments: list[object] = [user_id]

    def add(template: str, *values: object) -> None:
        first = len(arguments) + 1
        arguments.extend(values)
        parts.append(template.format(*(f"${first + place}" for place in range(len(values)))))

    def argument(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    for field, template in _CONDITIONS.items():
        value = getattr(filters, field)
        if value is not None:
            add(template, value)
    if filters.status is TransactionStatus.PENDING:
        add(_PENDING)
    elif filters.status is not None:
        add(_STATUS, filters.status)
    if filters.suspected_duplicate is not None:
        add(_SUSPECTED if filters.suspected_duplicate else _NOT_SUSPECTED)
    if filters.category == UNCATEGORIZED:
        add(_NO_CATEGORY)
    elif len(categories) == 1:
        # Equality lets the index give the rows in order; several slugs need a sort.
        add(_CATEGORY, categories[0])
    elif categories:
        add(_CATEGORIES, categories)
    if matching is not None:
        parts.append(f"AND {condition(matching, argument, meanings)}")
    if after is not None:
        add(_AFTER, after.transaction_date, after.transaction_date, after.id)
    add(_ORDER, limit)
    return " ".join(parts), arguments
