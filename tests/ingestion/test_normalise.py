"""What the ledger is sent: columns, sizes, fingerprints and accounts."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from services.ingestion.arrow import MAX_MESSAGE_BYTES
from services.ingestion.domain import AccountRef, ImportOptions, RowOutcome
from services.ingestion.fingerprint import generate_fingerprint
from services.ingestion.normalise import MAX_ACCOUNTS, AccountKey, Normaliser, layout_hash
from services.ingestion.outcomes import RowOutcomes
from services.ingestion.readers.statement import Batch, RowError, Statement
from services.kit.errors import InvalidArgument
from tests.support.statements import batch_of, statement_of

ACCOUNT = AccountRef(UUID(int=7), "EUR")


class Ledger:
    """Normalises a statement and keeps what would go out."""

    def __init__(self, statement: Statement, **options: Any) -> None:
        self.outcomes = RowOutcomes()
        self.keys: list[AccountKey] = []
        self.messages: list[tuple[int, bytes]] = []
        self.normaliser = Normaliser(statement, ImportOptions(**options), self.outcomes)
        while (batch := self.normaliser.read()) is not None:
            self.keys += batch.keys
            self.messages += self.normaliser.encode(batch, dict.fromkeys(batch.keys, ACCOUNT))

    @property
    def tables(self) -> list[pa.Table]:
        return [pa.ipc.open_stream(io.BytesIO(message)).read_all() for _, message in self.messages]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for table in self.tables for row in table.to_pylist()]


def test_the_messages_have_the_columns_of_the_contract() -> None:
    whole = {
        "line": 9,
        "transaction_date": date(2024, 2, 29),
        "amount": Decimal("-922337203685477.5807"),
        "currency": "JPY",
        "description": "Ünïcode \U0001f600",
        "merchant": "Shop",
        "category": "Food",
        "payment_method": "Card",
        "account": "DE89",
        "status": "pending",
        "source_id": "4711",
        "raw_data": '{"a":"b"}',
    }
    sent = Ledger(statement_of(batch_of([whole])))
    (table,) = sent.tables
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("line", "int64"),
        ("account_id", "string"),
        ("transaction_date", "date32[day]"),
        ("amount", "decimal128(19, 4)"),
        ("currency", "string"),
        ("description", "string"),
        ("merchant", "string"),
        ("category", "string"),
        ("payment_method", "string"),
        ("status", "string"),
        ("fingerprint", "string"),
        ("raw_data", "string"),
        ("description_key", "string"),
        ("occurrence", "int32"),
        ("source_id", "string"),
    ]
    (row,) = sent.rows
    kept = {name: row[name] for name in whole.keys() & row.keys()}
    assert kept == {name: value for name, value in whole.items() if name != "account"}
    assert row["account_id"] == str(ACCOUNT.id)
    assert row["fingerprint"] == generate_fingerprint(
        account_id=str(ACCOUNT.id),
        transaction_date=date(2024, 2, 29),
        amount=Decimal("-922337203685477.5807"),
        currency="JPY",
        description="Ünïcode \U0001f600",
        occurrence=1,
    )


def test_equal_rows_are_numbered_over_the_whole_file() -> None:
    equal, other = {"description": "Coffee"}, {"description": "Tea"}
    sent = Ledger(statement_of(batch_of([equal, other, {"description": " COFFEE "}]), batch_of([{**equal, "line": 9}])))
    expected = [
        generate_fingerprint(
            account_id=str(ACCOUNT.id),
            transaction_date=date(2026, 5, 1),
            amount=Decimal(-1),
            currency="EUR",
            description=text,
            occurrence=occurrence,
        )
        for text, occurrence in (("coffee", 1), ("tea", 1), ("coffee", 2), ("coffee", 3))
    ]
    assert [row["fingerprint"] for row in sent.rows] == expected


def test_a_zero_amount_row_takes_no_occurrence() -> None:
    sent = Ledger(statement_of(batch_of([{"amount": Decimal("0.0000")}, {}])))
    alone = Ledger(statement_of(batch_of([{}])))
    assert sent.rows[0]["fingerprint"] == alone.rows[0]["fingerprint"]


def test_messages_stay_below_the_limit_and_lose_no_row() -> None:
    raw = '{"text":"' + "x" * 50_000 + '"}'
    sent = Ledger(statement_of(batch_of([{"raw_data": raw, "line": line} for line in range(2, 302)])))
    assert len(sent.messages) > 4
    assert max(len(message) for _, message in sent.messages) <= MAX_MESSAGE_BYTES
    assert [row["line"] for row in sent.rows] == list(range(2, 302))
    assert [count for count, _ in sent.messages] == [table.num_rows for table in sent.tables]


def test_what_no_index_could_hold_is_rejected() -> None:
    rows = [{"description": "x" * 10_001}, {"raw_data": '{"x":"' + "y" * 300_000 + '"}'}, {"description": "é" * 10_000}]
    sent = Ledger(statement_of(batch_of(rows)))
    assert [row["line"] for row in sent.rows] == [4]
    assert [(row.line, row.field) for row in sent.outcomes.rows(RowOutcome.REJECTED)] == [(2, "description"), (3, "row")]


def test_long_labels_are_cut() -> None:
    sent = Ledger(statement_of(batch_of([{"merchant": "m" * 999, "category": "c" * 999, "payment_method": "p" * 999}])))
    assert [len(sent.rows[0][name]) for name in ("merchant", "category", "payment_method")] == [200, 200, 100]


def test_two_errors_of_one_line_are_one_rejected_row() -> None:
    errors = [RowError(3, "date", "missing"), RowError(3, "amount", "missing"), RowError(5, "date", "a\x00b")]
    sent = Ledger(statement_of(Batch(batch_of([{}]).rows, errors)))
    assert [(row.line, row.reason) for row in sent.outcomes.rows(RowOutcome.REJECTED)] == [(3, "missing"), (5, "ab")]


@pytest.mark.parametrize(
    ("rows", "account", "options", "keys"),
    [
        ([{}], None, {}, [("", "")]),
        ([{}], "DE89", {}, [("DE89", "")]),
        ([{"account": " GB29 "}, {"account": ""}], "DE89", {}, [("GB29", ""), ("DE89", "")]),
        ([{"currency": "USD"}, {}], None, {}, [("", "USD"), ("", "")]),
        ([{"currency": "USD"}, {}], None, {"currency": "CHF"}, [("", "CHF")]),
        ([{"account": "GB29", "currency": "GBP"}], "DE89", {"account_id": ACCOUNT.id}, [("", "GBP")]),
        ([{"account": "x" * 65}], None, {}, [("", "")]),
    ],
)
def test_which_account_rows_name(rows: list[dict[str, Any]], account: str | None, options: dict[str, Any], keys: list[Any]) -> None:
    assert Ledger(statement_of(batch_of(rows), account=account), **options).keys == keys


def test_rows_go_to_the_account_that_they_name() -> None:
    normaliser = Normaliser(statement_of(batch_of([{"account": name} for name in "ABA"])), ImportOptions(), RowOutcomes())
    batch = normaliser.read()
    assert batch is not None
    accounts = {AccountKey("A", ""): AccountRef(UUID(int=1), "EUR"), AccountKey("B", ""): AccountRef(UUID(int=2), "USD")}
    ((_, message),) = normaliser.encode(batch, accounts)
    table = pa.ipc.open_stream(io.BytesIO(message)).read_all().to_pylist()
    assert [(UUID(row["account_id"]).int, row["currency"], row["line"]) for row in table] == [(1, "EUR", 2), (2, "USD", 3), (1, "EUR", 4)]


def test_a_column_of_strangers_accounts_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="account_id"):
        Ledger(statement_of(batch_of([{"account": f"DE{number}"} for number in range(MAX_ACCOUNTS + 1)])))


def test_layouts_differ_by_header_not_by_its_capitals() -> None:
    base = layout_hash(statement_of(header=("Date", "Amount")))
    assert layout_hash(statement_of(header=("DATE", " amount "))) == base
    assert layout_hash(statement_of(header=("Date", "Amount", "Text"))) != base
    headless = [Statement("csv", {"columns": {"date": column}}, None, iter(())) for column in ("1", "2")]
    assert len({layout_hash(statement) for statement in headless} | {base}) == 3


def test_close_lets_the_reader_close_its_file() -> None:
    closed = []

    def batches() -> Any:
        try:
            yield batch_of([{}])
        finally:
            closed.append(True)

    normaliser = Normaliser(Statement("csv", {}, None, batches()), ImportOptions(), RowOutcomes())
    normaliser.read()
    normaliser.close()
    assert closed


def test_what_was_read_is_counted_also_where_nothing_was_good() -> None:
    batches = [
        batch_of([]),
        batch_of([{"line": 2}], [RowError(3, "date", "bad")]),
        batch_of([], [RowError(9, "date", "bad")]),
        batch_of([]),
    ]
    normaliser = Normaliser(statement_of(*batches), ImportOptions(), RowOutcomes())
    seen = []
    while normaliser.read() is not None:
        seen.append((normaliser.rows_read, normaliser.last_line))
    assert seen == [(0, 0), (2, 3), (3, 9), (3, 9)]
