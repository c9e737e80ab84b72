"""The wire of ingestion through a real channel, with everything behind it in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import uuid_utils.compat

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.kit.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from tests.ingestion.conftest import WORKER, FakeStack

FIVE = "\n".join(f"2026-05-0{day};-{day}.50;Shop {day}" for day in range(1, 6))


async def test_import_statement_answers_with_the_finished_import(fake_stack: FakeStack) -> None:
    response = await fake_stack.wire.send(FIVE + "\n2026-05-06;0;zero\n!bad", chunk_bytes=7)
    found = response.statement_import
    assert not response.repeated_request
    assert found.state == pb.IMPORT_STATE_SUCCEEDED
    counts = (found.row_count, found.inserted_count, found.duplicate_count, found.zero_amount_count, found.rejected_count)
    assert counts == (7, 5, 0, 1, 1)
    assert (found.file_name, found.file_format, len(found.file_hash)) == ("bank.csv", "csv", 64)
    assert found.detected["date_format"] == "%Y-%m-%d"
    assert found.complete_time.ToDatetime() >= found.create_time.ToDatetime()
    assert found.account_id
    got = await fake_stack.wire.call("GetImport", pb.GetImportRequest(import_id=found.import_id))
    assert got.statement_import == found


async def test_a_repeat_says_that_it_is_one(fake_stack: FakeStack) -> None:
    first = await fake_stack.wire.send(FIVE, request_id="r")
    again = await fake_stack.wire.send(FIVE, request_id="r")
    assert again.repeated_request
    assert again.statement_import == first.statement_import
    error = await fake_stack.wire.refused(FIVE, request_id="r", currency="USD")
    assert isinstance(error, AlreadyExists)
    assert error.reason == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.requirement("ING-10")
@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": "x" * 256}, "request_id"),
        ({"request_id": "a\x00"}, "request_id"),
        ({"account_id": "not-a-uuid"}, "account_id"),
        ({"account_id": "00000000-0000-7000-8000-00000000dead"}, "account_id"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "ZZZ"}, "currency"),
        ({"file_format": "pdf"}, "file_format"),
        ({"date_format": "x" * 201}, "date_format"),
        ({"columns": {str(number): "x" for number in range(51)}}, "columns"),
        ({"columns": {"date": "x\x00"}}, "columns.date"),
        ({"file_name": "x\x00.csv"}, "file_name"),
    ],
)
async def test_wrong_metadata_is_refused_by_field(fake_stack: FakeStack, metadata: dict[str, Any], field: str) -> None:
    error = await fake_stack.wire.refused(FIVE, **metadata)
    assert isinstance(error, InvalidArgument)
    assert [found.field for found in error.fields] == [field]
    assert fake_stack.ledger.transactions == {}


async def test_small_differences_of_writing_are_taken(fake_stack: FakeStack) -> None:
    found = await fake_stack.wire.statement(FIVE, currency=" usd ", file_format="CSV", file_name="C:\\Users\\me\\Konto\u202e Mai.csv")
    assert found.file_name == "Konto Mai.csv"
    assert {row["currency"] for row in fake_stack.ledger.transactions.values()} == {"USD"}


def parts(*payloads: Any) -> list[pb.ImportStatementRequest]:
    return [
        pb.ImportStatementRequest(chunk=part) if isinstance(part, bytes) else pb.ImportStatementRequest(metadata=part) for part in payloads
    ]


METADATA = pb.ImportMetadata(request_id="r")


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "metadata"),
        (parts(b"chunk first"), "metadata"),
        ([pb.ImportStatementRequest()], "metadata"),
        (parts(METADATA), "file"),
        (parts(METADATA, b""), "file"),
        (parts(METADATA, b"x", METADATA), "chunk"),
        ([*parts(METADATA), pb.ImportStatementRequest()], "chunk"),
        (parts(METADATA, b"x" * 65_537), "chunk"),
    ],
)
async def test_the_order_of_messages_is_held(fake_stack: FakeStack, requests: list[pb.ImportStatementRequest], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await fake_stack.wire.call("ImportStatement", requests)
    assert [found.field for found in caught.value.fields] == [field]


async def test_a_file_too_large_has_its_own_reason(fake_stack: FakeStack, tmp_path: Path) -> None:
    error = await fake_stack.wire.refused("x" * 1_000_001)
    assert isinstance(error, InvalidArgument)
    assert error.reason == "FILE_TOO_LARGE"
    assert error.metadata == {"max_file_bytes": "1000000"}
    assert fake_stack.repository.files == []


@pytest.mark.parametrize("said", [0, 4, 6])
async def test_an_upload_that_broke_off_is_not_imported(fake_stack: FakeStack, said: int) -> None:
    """A gateway that dies in the middle of an upload looks just like one that has sent all of it."""
    error = await fake_stack.wire.refused(b"12345", size_bytes=said)
    assert isinstance(error, Aborted)
    assert error.reason == "UPLOAD_INCOMPLETE"
    assert fake_stack.repository.files == []
    whole = await fake_stack.wire.statement(FIVE, size_bytes=len(FIVE))
    assert whole.inserted_count == 5


async def test_another_format_is_named(fake_stack: FakeStack) -> None:
    error = await fake_stack.wire.refused(b"%PDF-1.7 ...")
    assert isinstance(error, InvalidArgument)
    assert error.reason == "UNSUPPORTED_FORMAT"
    assert "PDF" in error.message
    assert fake_stack.repository.files == []


async def test_an_unreadable_statement_says_what_it_needs(fake_stack: FakeStack) -> None:
    for _ in range(2):
        error = await fake_stack.wire.refused("?\n" + FIVE, request_id="r")
        assert isinstance(error, InvalidArgument)
        assert error.reason == "UNREADABLE_STATEMENT"
        assert error.metadata == {"needs": '{"date_format": ["%d/%m/%Y", "%m/%d/%Y"]}'}
    listed = await fake_stack.wire.call("ListImports", pb.ListImportsRequest())
    assert [(found.state, found.failure_reason) for found in listed.imports] == [
        (pb.IMPORT_STATE_FAILED, "The dates can be read in two ways.")
    ]


async def test_row_errors_travel_with_line_and_field(fake_stack: FakeStack) -> None:
    error = await fake_stack.wire.refused("!no such day\n!no such month")
    assert isinstance(error, InvalidArgument)
    assert [(found.line, found.field, found.reason) for found in error.fields] == [(1, "date", "no such day"), (2, "date", "no such month")]


async def test_a_ledger_that_is_down_is_unavailable_and_the_retry_works(fake_stack: FakeStack) -> None:
    fake_stack.ledger.broken = Unavailable("The accounts service is not reachable.", retry_after_s=1)
    error = await fake_stack.wire.refused(FIVE, request_id="r")
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == 1
    fake_stack.ledger.broken = None
    response = await fake_stack.wire.send(FIVE, request_id="r")
    assert (response.statement_import.inserted_count, response.repeated_request) == (5, False)


async def test_an_interrupted_import_is_not_shown_as_running(fake_stack: FakeStack) -> None:
    found = await fake_stack.wire.statement(FIVE)
    key = next(iter(fake_stack.repository._imports))
    record = fake_stack.repository._imports[key]
    import dataclasses

    from services.ingestion.domain import ImportState

    fake_stack.repository._imports[key] = dataclasses.replace(record, state=ImportState.RUNNING)
    fake_stack.repository._leases[record.id] = 0
    got = (await fake_stack.wire.call("GetImport", pb.GetImportRequest(import_id=found.import_id))).statement_import
    assert got.state == pb.IMPORT_STATE_FAILED
    assert "interrupted" in got.failure_reason


async def test_a_failed_import_says_what_its_request_was_told(fake_stack: FakeStack) -> None:
    refused = await fake_stack.wire.refused("!31 February\n!no day")
    (found,) = (await fake_stack.wire.call("ListImports", pb.ListImportsRequest())).imports
    assert found.failure.reason == refused.reason
    assert found.failure_reason == refused.message
    assert [(one.line, one.field, one.reason) for one in found.failure.problems] == [(1, "date", "31 February"), (2, "date", "no day")]
    assert not found.failure.retryable
    asked = await fake_stack.wire.refused("?\n" + FIVE)
    found = (await fake_stack.wire.call("ListImports", pb.ListImportsRequest())).imports[0]
    assert dict(found.failure.metadata) == asked.metadata | {"needs": found.failure.metadata["needs"]}
    assert found.failure.problems[0].line == 0


async def test_an_import_can_be_watched_to_its_end(fake_stack: FakeStack) -> None:
    hold = asyncio.Event()
    fake_stack.ledger.before_commit = hold.wait
    sending = asyncio.create_task(fake_stack.wire.send(FIVE))
    while not fake_stack.repository.files:
        await asyncio.sleep(0.01)
    request = pb.WatchImportRequest(import_id=str(fake_stack.repository.files[0].id))
    call = fake_stack.wire.stub.WatchImport(request, metadata=fake_stack.wire.metadata, timeout=20)
    steps = aiter(call)
    first = (await anext(steps)).statement_import
    assert (first.state, first.progress.stage) == (pb.IMPORT_STATE_RUNNING, pb.IMPORT_STAGE_READING)
    hold.set()
    last = [step async for step in steps][-1].statement_import
    assert last == (await sending).statement_import
    assert not last.HasField("progress")
    assert not last.HasField("failure")
    for wire, import_id in ((fake_stack.wire.other_user(), request.import_id), (fake_stack.wire, "not an id")):
        call = wire.stub.WatchImport(pb.WatchImportRequest(import_id=import_id), metadata=wire.metadata, timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(call))
        assert caught.value.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


async def test_over_the_queue_is_resource_exhausted(fake_stack: FakeStack) -> None:
    hold = asyncio.Event()
    fake_stack.ledger.before_commit = hold.wait
    running = [asyncio.create_task(fake_stack.wire.send(f"2026-05-01;-1;{number}")) for number in range(2)]
    while len(fake_stack.repository.files) < 2:
        await asyncio.sleep(0.01)
    error = await fake_stack.wire.refused(FIVE)
    assert isinstance(error, ResourceExhausted)
    assert error.retry_after_s
    hold.set()
    assert [(await task).statement_import.inserted_count for task in running] == [1, 1]


async def test_a_cancelled_call_leaves_nothing(fake_stack: FakeStack) -> None:
    reached = asyncio.Event()

    async def stall(**_: str) -> Any:
        reached.set()
        await asyncio.sleep(60)

    fake_stack.ledger.ensure_account = stall  # type: ignore[method-assign]
    call = fake_stack.wire.stub.ImportStatement(iter(parts(METADATA, FIVE.encode())), metadata=fake_stack.wire.metadata)
    await reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    for _ in range(50):
        (found,) = (await fake_stack.wire.call("ListImports", pb.ListImportsRequest())).imports
        if found.state == pb.IMPORT_STATE_FAILED:
            break
        await asyncio.sleep(0.05)
    assert found.state == pb.IMPORT_STATE_FAILED
    assert fake_stack.ledger.transactions == {}


async def test_imports_in_pages(fake_stack: FakeStack) -> None:
    sent = [(await fake_stack.wire.statement(f"2026-05-01;-1;{number}")).import_id for number in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await fake_stack.wire.call("ListImports", pb.ListImportsRequest(page_size=2, page_token=token))
        assert len(page.imports) <= 2
        seen += [found.import_id for found in page.imports]
        token = page.next_page_token
        if not token:
            break
    assert seen == sent[::-1]


async def test_rows_in_pages_of_one_outcome(fake_stack: FakeStack) -> None:
    found = await fake_stack.wire.statement("\n".join([FIVE, "2026-05-06;0;z", "!bad", "2026-05-06;0;z"]))
    rows = await fake_stack.wire.rows(found.import_id, page_size=3)
    assert [(row.line, row.outcome) for row in rows] == [
        *((line, pb.ROW_OUTCOME_INSERTED) for line in range(1, 6)),
        (6, pb.ROW_OUTCOME_ZERO_AMOUNT),
        (7, pb.ROW_OUTCOME_REJECTED),
        (8, pb.ROW_OUTCOME_ZERO_AMOUNT),
    ]
    assert [bool(row.transaction_id) for row in rows] == [True] * 5 + [False] * 3
    assert rows[6].reason == "date: bad"
    zero = await fake_stack.wire.rows(found.import_id, pb.ROW_OUTCOME_ZERO_AMOUNT, page_size=1)
    assert [row.line for row in zero] == [6, 8]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetImport", pb.GetImportRequest(import_id="x"), "import_id"),
        ("ListImports", pb.ListImportsRequest(page_size=-1), "page_size"),
        ("ListImports", pb.ListImportsRequest(page_token="made-up"), "page_token"),
        ("ListImportRows", pb.ListImportRowsRequest(import_id=str(uuid_utils.compat.uuid7()), page_size=-1), "page_size"),
        ("ListImportRows", pb.ListImportRowsRequest(import_id=str(uuid_utils.compat.uuid7()), outcome=99), "outcome"),  # type: ignore[arg-type]
        ("ListImportRows", pb.ListImportRowsRequest(import_id=str(uuid_utils.compat.uuid7()), page_token="x"), "page_token"),
    ],
)
async def test_wrong_list_requests_are_refused_by_field(fake_stack: FakeStack, method: str, request_: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await fake_stack.wire.call(method, request_)
    assert [found.field for found in caught.value.fields] == [field]


async def test_a_page_token_is_bound_to_user_import_and_outcome(fake_stack: FakeStack) -> None:
    found = await fake_stack.wire.statement(FIVE)
    page = await fake_stack.wire.call("ListImportRows", pb.ListImportRowsRequest(import_id=found.import_id, page_size=2))
    again = pb.ListImportRowsRequest(
        import_id=found.import_id, page_token=page.next_page_token, outcome=pb.ROW_OUTCOME_INSERTED, page_size=2
    )
    with pytest.raises(InvalidArgument):
        await fake_stack.wire.call("ListImportRows", again)


@pytest.mark.requirement("ING-23")
async def test_others_imports_are_not_found(fake_stack: FakeStack) -> None:
    """ING-23: whose import it is comes from the token alone."""
    found = await fake_stack.wire.statement(FIVE)
    stranger = fake_stack.wire.other_user()
    for method, request in (
        ("GetImport", pb.GetImportRequest(import_id=found.import_id)),
        ("ListImportRows", pb.ListImportRowsRequest(import_id=found.import_id)),
    ):
        with pytest.raises(NotFound):
            await stranger.call(method, request)
    assert (await stranger.call("ListImports", pb.ListImportsRequest())).imports == []


@pytest.mark.requirement("ING-23")
@pytest.mark.parametrize("method", ["ImportStatement", "GetImport", "ListImports", "ListImportRows"])
async def test_every_call_needs_a_users_token(fake_stack: FakeStack, method: str) -> None:
    wire = fake_stack.wire
    request: Any = iter(parts(METADATA, b"x")) if method == "ImportStatement" else getattr(pb, f"{method}Request")()
    wire.token = ""
    with pytest.raises(Unauthenticated):
        await wire.call(method, request)
    wire.token = WORKER.mint(wire.user_id, audience="accounts")
    with pytest.raises(Unauthenticated):
        await wire.call(method, request)
    wire.token = WORKER.mint(wire.user_id, audience="ingestion")
    with pytest.raises(PermissionDenied):
        await wire.call(method, request)


async def test_unexpected_errors_show_no_internals(fake_stack: FakeStack) -> None:
    async def break_down(**_: str) -> Any:
        raise RuntimeError("secret path /etc/passwd")

    fake_stack.ledger.ensure_account = break_down  # type: ignore[method-assign]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_stack.wire.stub.ImportStatement(iter(parts(METADATA, FIVE.encode())), metadata=fake_stack.wire.metadata)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert caught.value.details() == "Internal error."
    (found,) = (await fake_stack.wire.call("ListImports", pb.ListImportsRequest())).imports
    assert "passwd" not in found.failure_reason
