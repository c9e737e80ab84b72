"""What categorization says of rows on their way to the ledger, and imports that go on without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
import pytest
import uuid_utils.compat
from prometheus_client import REGISTRY

from services.ingestion.domain import Import, ImportOptions, UploadedFile
from services.ingestion.predictions import NOTE, QUESTION_SCHEMA, SECONDS_PER_ROW, Predictions, WrongAnswer, read_answers
from services.ingestion.typed.domain import NewTransaction
from services.ingestion.typed.service import TypedTransactions
from services.kit.errors import InvalidArgument, ScaleError, Unavailable
from tests.support.categorizer_fakes import ANSWER_SCHEMA, FakeCategorizer, Said, answer_batch
from tests.support.ingestion_fakes import FakeImportsRepository, FakeLedger, service_of
from tests.support.statements import BATCH_ROWS, read_simple
from tests.support.typed_fakes import FakeTypedLedger, FakeTypedRequests

Run = Callable[..., Any]
LINES = [f"2026-05-01;-{number}.50;Shop {number}" for number in range(1, 2 * BATCH_ROWS + 2)]
QUESTION = {"description": "Shop 1", "merchant": None, "amount": Decimal("-1.5000"), "transaction_date": date(2026, 5, 1)}
PREDICTED = ("predicted_category", "confidence", "prediction_source")


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def run(tmp_path: Path, ledger: FakeLedger, user_id: UUID) -> Run:
    """Imports lines, with this categorizer."""

    async def run(categorizer: FakeCategorizer | None, lines: list[str] = LINES, timeout_s: float = 5) -> Import:
        service = service_of(FakeImportsRepository(), ledger, {"csv": read_simple}, categorizer=categorizer, classify_timeout_s=timeout_s)
        path = tmp_path / "statement"
        path.write_text("\n".join(lines))
        file = UploadedFile(str(path), "bank.csv", "0" * 64, path.stat().st_size)
        try:
            return (
                await service.import_statement(
                    user_id, request_id=str(uuid_utils.compat.uuid7()), file_format="csv", options=ImportOptions(), file=file
                )
            )[0]
        finally:
            service.close()

    return run


def predicted(ledger: FakeLedger) -> list[tuple[Any, ...]]:
    """What came with each row, by line; rows without the columns give None."""
    rows = sorted(ledger.transactions.values(), key=lambda row: row["line"])
    return [tuple(row.get(name) for name in PREDICTED) for row in rows]


async def test_each_row_comes_with_what_is_said_of_it(run: Run, ledger: FakeLedger) -> None:
    categorizer = FakeCategorizer()
    done = await run(categorizer)
    assert predicted(ledger) == [(f"slug Shop {number}", 0.5, "model") for number in range(1, len(LINES) + 1)]
    assert [len(rows) for rows in categorizer.questions] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert categorizer.questions[0][0] == QUESTION
    assert categorizer.closed == [True]
    assert "categorization" not in done.detected
    assert NOTE not in done.detected["notes"]


async def test_rows_of_which_nothing_is_said(run: Run, ledger: FakeLedger) -> None:
    def says(row: dict[str, Any]) -> Said:
        return (None, 0.3, "model") if row["amount"] == Decimal("-2.5") else ("travel", 1.0, "user")

    done = await run(FakeCategorizer(says), LINES[:3])
    assert predicted(ledger) == [("travel", 1.0, "user"), (None, None, None), ("travel", 1.0, "user")]
    assert "categorization" not in done.detected


async def test_only_rows_for_the_ledger_are_asked_about(run: Run, ledger: FakeLedger) -> None:
    categorizer = FakeCategorizer()
    done = await run(categorizer, [LINES[0], "2026-05-01;0;Nothing", "!no date", LINES[1]])
    assert [row["description"] for rows in categorizer.questions for row in rows] == ["Shop 1", "Shop 2"]
    assert (done.counts.inserted, done.counts.zero_amount, done.counts.rejected) == (2, 1, 1)
    assert [one[0] for one in predicted(ledger)] == ["slug Shop 1", "slug Shop 2"]


async def test_without_categorization_the_ledger_gets_the_columns_of_before(run: Run, ledger: FakeLedger) -> None:
    done = await run(None)
    assert not any("confidence" in row for row in ledger.transactions.values())
    assert done.counts.inserted == len(LINES)
    assert "categorization" not in done.detected


async def test_the_next_batch_is_asked_about_before_the_ledger_takes_this_one(run: Run, ledger: FakeLedger) -> None:
    categorizer = FakeCategorizer()
    seen: list[int] = []
    taking = ledger.append_transactions

    def watched(import_id: UUID, batches: Any) -> Any:
        async def counted() -> Any:
            async for message in batches:
                seen.append(len(categorizer.questions))
                yield message

        return taking(import_id, counted())

    ledger.append_transactions = watched  # type: ignore[method-assign]
    await run(categorizer)
    assert seen[0] >= 2
    assert seen[-1] == 3


GOOD: Said = ("travel", 0.5, "model")
WRONG: dict[str, bytes] = {
    "a row too few": answer_batch([GOOD] * (BATCH_ROWS - 1)),
    "no Arrow": b"nonsense",
    "empty": b"",
    "another order": answer_batch([(GOOD[1], GOOD[0], GOOD[2])] * BATCH_ROWS, pa.schema([ANSWER_SCHEMA.field(n) for n in (1, 0, 2)])),  # type: ignore[list-item]
    "a column too few": answer_batch([GOOD[:2]] * BATCH_ROWS, ANSWER_SCHEMA.remove(2)),  # type: ignore[list-item]
    "too sure": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("travel", 1.5, "model")]),
    "not a number": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("travel", float("nan"), "model")]),
    "how sure": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("travel", None, "model")]),
    "whose word": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("travel", 0.5, None)]),
    "a rule's word": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("travel", 0.5, "rule")]),
    "too long": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("x" * 101, 0.5, "model")]),
    "NUL": answer_batch([*[GOOD] * (BATCH_ROWS - 1), ("a\x00b", 0.5, "model")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_ledger_would_refuse_is_a_wrong_answer(name: str) -> None:
    with pytest.raises(WrongAnswer):
        read_answers([answer_batch([GOOD]), WRONG[name]], [1, BATCH_ROWS])


def went_without(reason: str) -> float:
    return REGISTRY.get_sample_value("scale_imports_unpredicted_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    ("reason", "answer"),
    [("unavailable", Unavailable("away")), ("unavailable", ScaleError("broken")), ("wrong", WRONG["too sure"]), ("slow", None)],
)
@pytest.mark.parametrize("number", [0, 1])
async def test_an_import_goes_on_without(run: Run, ledger: FakeLedger, reason: str, answer: Any, number: int) -> None:
    """From the first failure on, whatever it is; what came before stays."""
    categorizer = FakeCategorizer(lambda _: GOOD)
    categorizer.answers[number] = answer
    before = went_without(reason)
    done = await run(categorizer, timeout_s=0.1)
    assert done.counts.inserted == len(LINES)
    assert done.detected["categorization"] == "unavailable"
    assert done.detected["notes"][-1] == NOTE
    known = BATCH_ROWS * number
    assert predicted(ledger) == [GOOD] * known + [(None, None, None)] * (len(LINES) - known)
    assert went_without(reason) == before + 1
    assert categorizer.closed == [False]


async def test_slow_answers_together_keep_an_import_no_longer_than_one(run: Run, ledger: FakeLedger) -> None:
    """Each comes in time; the time is up when they have taken it together."""
    categorizer = FakeCategorizer(lambda _: GOOD)
    categorizer.delay_s = 0.15
    done = await run(categorizer, [f"2026-05-02;-1;Row {number}" for number in range(6 * BATCH_ROWS)], timeout_s=0.4)
    assert done.detected["categorization"] == "unavailable"
    assert done.counts.inserted == 6 * BATCH_ROWS
    assert predicted(ledger).count(GOOD) <= 2 * BATCH_ROWS


async def test_answers_at_a_good_pace_are_waited_for_to_the_end() -> None:
    categorizer = FakeCategorizer(lambda _: GOOD)
    categorizer.delay_s = 0.2
    predictions = Predictions(categorizer, executor=None, timeout_s=0.5)
    rows = pl.DataFrame(pa.RecordBatch.from_pylist([QUESTION] * round(0.5 / SECONDS_PER_ROW), schema=QUESTION_SCHEMA))
    for _ in range(4):
        answer = await predictions.answer(await predictions.ask(rows))
        assert answer is not None
        assert answer.height == rows.height
    await predictions.close()
    assert categorizer.closed == [True]


async def test_a_refused_file_ends_the_conversation(run: Run) -> None:
    categorizer = FakeCategorizer()
    with pytest.raises(InvalidArgument):
        await run(categorizer, ["!no date"])
    assert categorizer.closed == [True]
    assert categorizer.questions == []


async def test_a_caller_who_goes_away_does_not_wait_for_an_answer(run: Run) -> None:
    categorizer = FakeCategorizer()
    categorizer.answers[0] = None
    importing = asyncio.create_task(run(categorizer, timeout_s=60))
    while not categorizer.questions:
        await asyncio.sleep(0.01)
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert categorizer.closed == [False]


@pytest.fixture
def new(user_id: UUID) -> NewTransaction:
    return NewTransaction(user_id, date(2026, 3, 2), Decimal("-3.5"), "EUR", "Coffee", merchant="Café")


async def test_what_is_typed_in_without_a_category_is_asked_about(new: NewTransaction, user_id: UUID) -> None:
    ledger, categorizer = FakeTypedLedger(), FakeCategorizer(lambda _: GOOD)
    ledger.accounts[new.account_id] = "EUR"
    typed = TypedTransactions(FakeTypedRequests(), ledger, categorizer)
    made, _ = await typed.create_transaction(user_id, new, request_id="1")
    assert tuple(ledger.rows[made][name] for name in PREDICTED) == GOOD
    question = {"description": "Coffee", "merchant": "Café", "amount": Decimal("-3.5000"), "transaction_date": date(2026, 3, 2)}
    assert categorizer.questions == [[question]]
    own, _ = await typed.create_transaction(user_id, replace(new, category="dining", description="Tea"), request_id="2")
    assert "confidence" not in ledger.rows[own]
    assert len(categorizer.questions) == 1
    categorizer.answers[1] = Unavailable("away")
    other, _ = await typed.create_transaction(user_id, replace(new, description="Water"), request_id="3")
    assert "confidence" not in ledger.rows[other]
    assert categorizer.closed == [True, False]
