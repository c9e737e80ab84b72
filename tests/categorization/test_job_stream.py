"""A classification in the background whose payments come in several messages, since one holds no more than 4 MiB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.jobs.domain import MOST_JOB_BYTES, MOST_JOB_INPUTS
from services.kit.errors import Aborted, AlreadyExists, InvalidArgument, ResourceExhausted, ScaleError
from services.local import LocalSystem
from tests.categorization.conftest import Stack, categorization, ledger_service, payment
from tests.conftest import AsRole
from tests.support.gateway_app import RedisProcess

Part = pb.StartClassificationStreamRequest
BEGIN = Part(request_id="1")


@pytest.fixture
async def stack(servers: LocalSystem, own_redis: RedisProcess, models_dir: Path) -> AsyncIterator[Stack]:
    async with ledger_service(servers) as ledger, categorization(servers, ledger, models_dir, SCALE_REDIS_URL=own_redis.url) as found:
        yield found


def shops(count: int, first: int = 0, *, padding: str = "") -> Part:
    return Part(inputs=pb.ClassifyInputs(inputs=[payment(f"REWE {number} {padding}") for number in range(first, first + count)]))


def end(count: int) -> Part:
    return Part(end=pb.ClassifyStreamEnd(input_count=count))


async def start(stack: Stack, *parts: Part) -> pb.CategorizationJob:
    async def sent() -> AsyncIterator[Part]:
        for part in parts:
            yield part

    return (await stack.call("StartClassificationStream", sent())).job


async def test_fifty_thousand_payments_are_one_job(stack: Stack) -> None:
    parts = [shops(1000, first, padding="x" * 80) for first in range(0, MOST_JOB_INPUTS, 1000)]
    assert sum(part.ByteSize() for part in parts) > 4 * 1024 * 1024
    job = await start(stack, BEGIN, *parts, end(MOST_JOB_INPUTS))
    assert (job.kind, job.input_count) == (pb.CATEGORIZATION_JOB_KIND_CLASSIFICATION, MOST_JOB_INPUTS)
    assert await start(stack, BEGIN, *parts, end(MOST_JOB_INPUTS)) == job
    with pytest.raises(AlreadyExists):
        await start(stack, BEGIN, *parts[1:], end(MOST_JOB_INPUTS - 1000))


async def test_what_is_wrong_or_not_whole_begins_nothing(stack: Stack, as_role: AsRole) -> None:
    wrong = shops(5)
    wrong.inputs.inputs[3].ClearField("amount")
    large = [shops(100, padding="x" * 9_990)] * (MOST_JOB_BYTES // 1_000_000 + 1)
    cases: Sequence[tuple[Sequence[Part], type[ScaleError], str]] = (
        ((), InvalidArgument, "request_id"),
        ((shops(1), end(1)), InvalidArgument, "request_id"),
        ((BEGIN, shops(1), BEGIN), InvalidArgument, "payload"),
        ((BEGIN, end(0)), InvalidArgument, "inputs"),
        ((BEGIN, shops(1001), end(1001)), InvalidArgument, "inputs"),
        ((BEGIN, *[shops(1000)] * 51, end(51_000)), InvalidArgument, "inputs"),
        ((BEGIN, shops(1000), wrong, end(1005)), InvalidArgument, "inputs[1003].amount"),
        ((BEGIN, shops(2)), Aborted, ""),
        ((BEGIN, shops(2), end(3)), Aborted, ""),
        ((BEGIN, *large, end(100 * len(large))), ResourceExhausted, ""),
    )
    for parts, error, field in cases:
        with pytest.raises(error) as caught:
            await start(stack, *parts)
        assert [one.field for one in caught.value.fields] == ([field] if field else []), caught.value.message
    async with as_role("categorization", stack.user_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM categorization.jobs") == 0
