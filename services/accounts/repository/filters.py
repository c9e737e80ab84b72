"""Builds the statement of one page of transactions: placeholders only, never a value inside the text."""

from __future__ import annotations

from uuid import UUID

from services.accounts.domain import UNCATEGORIZED, TransactionFilters, TransactionPosition, TransactionStatus

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
_AFTER = "AND (transaction_date, id) < ({}, {})"
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
_WORD = "AND (description ILIKE {} OR merchant_name ILIKE {})"


def page_statement(
    user_id: UUID,
    filters: TransactionFilters,
    *,
    categories: list[str],
    after: TransactionPosition | None,
    limit: int,
) -> tuple[str, list[object]]:
    """The statement and its arguments. `categories`: what the filter's category stands for; `after`: where the last page ended."""
    parts = [_SELECT]
    arguments: list[object] = [user_id]

    def add(template: str, *values: object) -> None:
        first = len(arguments) + 1
        arguments.extend(values)
        parts.append(template.format(*(f"${first + place}" for place in range(len(values)))))

    for field, condition in _CONDITIONS.items():
        value = getattr(filters, field)
        if value is not None:
            add(condition, value)
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
    for word in (filters.query or "").split():
        pattern = f"%{_literally(word)}%"
        add(_WORD, pattern, pattern)
    if after is not None:
        add(_AFTER, after.transaction_date, after.id)
    add(_ORDER, limit)
    return " ".join(parts), arguments


def _literally(word: str) -> str:
    """Takes the special meaning from the characters that ILIKE reads as patterns."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
