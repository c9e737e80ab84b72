"""Which tables of the schema `accounts` are the user's, in the order in which they come back."""

from __future__ import annotations

from collections.abc import Mapping

from services.accounts.batches import MAX_LENGTHS
from services.kit.user_bounds import at_most, iso_currency
from services.kit.user_tables import Check, Reference, UserTable

_CATEGORY = MAX_LENGTHS["category"]
_MERCHANT = MAX_LENGTHS["merchant"]
_NOTE = 2000
_ACCOUNT = Reference("accounts.accounts")
_TRANSACTION = Reference("accounts.transactions")

_TRANSACTIONS = UserTable(
    "accounts.transactions",
    "transactions.csv",
    key=("id",),
    order=("transaction_date", "id"),
    headings={
        "transaction_date": "date",
        "amount": "amount",
        "currency": "currency",
        "type": "type",
        "description": "description",
        "merchant_name": "merchant",
        "category": "category",
        "payment_method": "payment_method",
        "status": "status",
        "note": "note",
    },
    shown={
        "account": "(SELECT COALESCE(NULLIF(a.identifier, ''), a.name) FROM accounts.accounts AS a"
        " WHERE (a.user_id, a.id) = (t.user_id, t.account_id))"
    },
    references={
        "account_id": _ACCOUNT,
        "suspected_duplicate_of": Reference("accounts.transactions", late=True),
        "transfer_id": Reference("accounts.transfers", late=True),
    },
    # Made by ingestion alone, which this service cannot ask here. One that was tampered with misleads only the search for duplicates of
    # whoever tampered with it: docs/data-rights.md.
    checks=[
        Check("fingerprint", "staged.fingerprint ~ '^v[0-9]+:[0-9a-f]{64}$'", "is no fingerprint"),
        iso_currency(),
        at_most("description", MAX_LENGTHS["description"]),
        at_most("merchant_name", _MERCHANT),
        at_most("category", _CATEGORY),
        at_most("payment_method", MAX_LENGTHS["payment_method"]),
    ],
)

_SHARES_A_DAY = (
    "(other.category, other.currency) = (staged.category, staged.currency) AND other.is_active"
    " AND other.period_start <= staged.period_end AND other.period_end >= staged.period_start"
)
_BUDGETS = UserTable(
    "accounts.budgets",
    "budgets.jsonl",
    key=("id",),
    checks=[iso_currency(), at_most("category", _CATEGORY)],
    # Active ones never share a day (docs/budgets.md): one that would comes back switched off.
    restored_as={
        "is_active": "staged.is_active"  # nosec B608  # constants
        f" AND NOT EXISTS (SELECT FROM accounts.budgets AS other WHERE other.user_id = $1 AND other.id <> staged.id AND {_SHARES_A_DAY})"
        f" AND NOT EXISTS (SELECT FROM staged_budgets AS other WHERE other.row_number < staged.row_number AND {_SHARES_A_DAY})"
    },
)

EXPORTED = (
    UserTable(
        "accounts.profiles",
        "profile.jsonl",
        key=(),
        checks=[
            iso_currency("default_currency"),
            Check("locale", "staged.locale ~ '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$'", "is not a BCP 47 tag such as en-GB"),
            Check("time_zone", "staged.time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'", "is not an IANA time zone such as Europe/Berlin"),
        ],
        # Made on first sight: nobody has said anything yet.
        replaced_when="t.updated_at = t.created_at",
    ),
    UserTable(
        "accounts.user_categories",
        "categories.jsonl",
        key=("slug",),
        references={"primary_slug": Reference("accounts.categories", "slug", own=False)},
        checks=[at_most("slug", _CATEGORY)],
    ),
    UserTable(
        "accounts.accounts",
        "accounts.jsonl",
        key=("id",),
        checks=[iso_currency()],
        required="you have an account with this identifier, or this name and currency, already, under another id. "
        "Its transactions could not be told from those of the export: restore into an empty ledger instead.",
    ),
    _TRANSACTIONS,
    UserTable(
        "accounts.transfers",
        "transfers.jsonl",
        key=("id",),
        references={"outgoing_id": _TRANSACTION, "incoming_id": _TRANSACTION},
    ),
    UserTable(
        "accounts.source_ids",
        "source_ids.jsonl",
        key=("account_id", "source_id", "transaction_id"),
        checks=[at_most("source_id", MAX_LENGTHS["source_id"])],
        references={"account_id": _ACCOUNT, "transaction_id": _TRANSACTION},
    ),
    UserTable(
        "accounts.transaction_aliases",
        "transaction_aliases.jsonl",
        key=("id",),
        checks=[iso_currency(), at_most("description_key", MAX_LENGTHS["description_key"])],
        references={"account_id": _ACCOUNT, "transaction_id": _TRANSACTION},
    ),
    UserTable("accounts.saved_filters", "saved_filters.jsonl", key=("id",)),
    UserTable("accounts.rules", "rules.jsonl", key=("id",), checks=[at_most("category", _CATEGORY)]),
    _BUDGETS,
    UserTable("accounts.edits", "edits.jsonl", key=("id",)),
    # A transaction that is gone has nothing to restore, but is still in the list of what an edit changed: no reference.
    UserTable(
        "accounts.edit_rows",
        "edit_rows.jsonl",
        key=("edit_id", "transaction_id"),
        references={"edit_id": Reference("accounts.edits")},
        # What an undo brings back must be what a transaction may be.
        checks=[
            at_most("category_before", _CATEGORY),
            at_most("merchant_name_before", _MERCHANT),
            at_most("note_before", _NOTE),
            Check("confidence_before", "staged.confidence_before BETWEEN 0 AND 1", "lies outside 0 to 1"),
            Check("status_before", "staged.status_before IN ('posted', 'pending', 'void')", "is none of posted, pending, void"),
        ],
    ),
)

LEFT_OUT: Mapping[str, str] = {"accounts.ledger_changes": "notes of the machine on which figures to make anew, gone within a minute"}
"""Tables with a user_id that no export holds, and why."""
