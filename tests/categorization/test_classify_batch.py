"""Many payments at once: one pass of the model, one look into the database, one question to the ledger, and nothing in the queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import grpc.aio
import pyarrow as pa
import pytest

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.arrow import read_batch
from services.kit.errors import Aborted, InvalidArgument
from services.kit.status import from_rpc_error
from tests.categorization.conftest import Stack, payment
from tests.ingestion.conftest import WORKER

pytestmark = pytest.mark.asyncio(loop_scope="module")

BATCH = pa.schema(
    [("description", pa.string()), ("merchant", pa.string()), ("amount", pa.decimal128(19, 4)), ("transaction_date", pa.date32())]
)


def batch_of(descriptions: Sequence[str | None], schema: pa.Schema = BATCH) -> bytes:
    count = len(descriptions)
    columns = [descriptions, [None] * count, [Decimal("-1.5000")] * count, [None] * count]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)], schema=schema))
    return bytes(sink.getvalue())


def views_of(text: str, count: int) -> bytes:
    """One text, seen many times over."""
    schema = BATCH.set(0, pa.field("description", pa.string_view()))
    view = len(text).to_bytes(4, "little") + text[:4].encode() + bytes(8)
    buffers = [None, pa.py_buffer(view * count), pa.py_buffer(text.encode())]
    texts = pa.Array.from_buffers(pa.string_view(), count, buffers)
    amounts = pa.array([Decimal("-1.5000")] * count, pa.decimal128(19, 4))
    arrays = [texts, pa.nulls(count, pa.string()), amounts, pa.nulls(count, pa.date32())]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return bytes(sink.getvalue())


def table_of(message: bytes) -> list[dict[str, object]]:
    return pa.ipc.open_stream(message).read_all().to_pylist()


async def stream(stack: Stack, *parts: pb.ClassifyStreamRequest) -> list[pb.ClassifyStreamResponse]:
    async def requests() -> AsyncIterator[pb.ClassifyStreamRequest]:
        for part in parts:
            yield part

    return [answer async for answer in stack.stub.ClassifyStream(requests(), metadata=stack.metadata, timeout=30)]


def end(count: int) -> pb.ClassifyStreamRequest:
    return pb.ClassifyStreamRequest(end=pb.ClassifyStreamEnd(input_count=count))


@pytest.mark.requirement("CAT-04", "CAT-05")
async def test_classify_batch_no_n_plus_1(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """CAT-04."""
    await stack.correct("cafe", "dining")
    await stack.classify("cafe")
    asked: list[str] = []
    transaction, unary = stack.app.database.transaction, stack.app.ledger._rules.unary

    def counted(*arguments: object, **named: object) -> object:
        asked.append("database")
        return transaction(*arguments, **named)  # type: ignore[arg-type]

    async def ask_rules(method: str, request: object) -> object:
        asked.append(method)
        return await unary(method, request)

    monkeypatch.setattr(stack.app.database, "transaction", counted)
    monkeypatch.setattr(stack.app.ledger._rules, "unary", ask_rules)
    stack.model.passes.clear()
    inputs = [payment(f"{('REWE', 'cafe', 'shell')[number % 3]} {number}") for number in range(100)]
    answers = await stack.batch(inputs)
    assert stack.model.passes == [100]
    assert sorted(asked) == ["EvaluateRules", "database"]
    assert [answer.category for answer in answers[:3]] == ["groceries_supermarket", "dining", "transport_fuel"]
    assert len(answers) == 100


async def test_answers_come_in_input_order_and_say_the_same_alone(stack: Stack) -> None:
    inputs = [payment(text) for text in ("shell", "unknown", "REWE", "cafe", "rent")]
    batch = await stack.batch(inputs)
    assert batch == [(await stack.batch([one]))[0] for one in inputs]


async def test_a_batch_has_1_to_1000(stack: Stack) -> None:
    for count in (0, 1001):
        with pytest.raises(InvalidArgument) as caught:
            await stack.batch([payment("x")] * count)
        assert caught.value.fields[0].field == "inputs"
    assert len(await stack.batch([payment("REWE")] * 1000)) == 1000
    with pytest.raises(InvalidArgument) as caught:
        await stack.batch([payment("x")] * 17 + [pb.ClassifyInput(description="x")])
    assert caught.value.fields[0].field == "inputs[17].amount"


async def test_classify_stream_answers_in_arrow(stack: Stack) -> None:
    await stack.correct("cafe", "dining")
    parts = [["REWE 1", "cafe", "what"], ["shell"]]
    requests = [pb.ClassifyStreamRequest(record_batch=batch_of(part)) for part in parts]
    answers = await stream(stack, *requests, end(4))
    assert [table_of(answer.record_batch) for answer in answers] == [
        [
            {"category": "groceries_supermarket", "confidence": pytest.approx(0.95, abs=0.05), "source": "model"},
            {"category": "dining", "confidence": pytest.approx(0.7, abs=0.3), "source": "user"},
            {"category": None, "confidence": pytest.approx(0.25), "source": "model"},
        ],
        [{"category": "transport_fuel", "confidence": pytest.approx(0.95, abs=0.05), "source": "model"}],
    ]


async def test_classify_stream_in_messages_does_not_ask_the_rules(stack: Stack) -> None:
    await stack.add_rule("Mine", "description:rewe", "shopping")
    inputs = pb.ClassifyInputs(inputs=[payment("REWE")])
    answers = await stream(stack, pb.ClassifyStreamRequest(inputs=inputs), end(1))
    assert [one.category for one in answers[0].classifications.classifications] == ["groceries_supermarket"]


async def test_a_worker_may_stream_for_a_user_who_is_not_there_and_nothing_else(stack: Stack) -> None:
    await stack.correct("cafe", "dining")
    token = WORKER.mint(stack.user_id, audience="categorization")
    metadata = (("authorization", f"Bearer {token}"),)
    parts = [pb.ClassifyStreamRequest(record_batch=batch_of(["REWE", "cafe"])), end(2)]

    async def requests() -> AsyncIterator[pb.ClassifyStreamRequest]:
        for part in parts:
            yield part

    (answer,) = [one async for one in stack.stub.ClassifyStream(requests(), metadata=metadata, timeout=30)]
    assert [row["category"] for row in table_of(answer.record_batch)] == ["groceries_supermarket", "dining"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stack.stub.Classify(pb.ClassifyRequest(input=payment("REWE")), metadata=metadata, timeout=30)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("parts", [[], [end(1)], [pb.ClassifyStreamRequest(record_batch=batch_of(["x"]))]])
async def test_a_stream_that_is_not_whole_is_aborted(stack: Stack, parts: list[pb.ClassifyStreamRequest]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream(stack, *parts)
    error = from_rpc_error(caught.value, service="categorization")
    assert isinstance(error, Aborted)
    assert error.reason == "STREAM_INCOMPLETE"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (b"", "record_batch"),
        (b"no arrow", "record_batch"),
        (b"\xff" * 100, "record_batch"),
        (bytes(4 * 1024 * 1024), "record_batch"),
        (batch_of([]), "record_batch"),
        (batch_of(["x"], BATCH.set(1, pa.field("shop", pa.string()))), "record_batch"),
        (batch_of(["x"], BATCH.set(2, pa.field("amount", pa.decimal128(20, 5)))), "record_batch.amount"),
        (batch_of([None]), "record_batch.description"),
        (views_of("x" * 10_000, 1000), "record_batch"),
    ],
)
async def test_a_batch_that_is_none_is_refused(message: bytes, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_batch(message)
    assert caught.value.fields[0].field == field
