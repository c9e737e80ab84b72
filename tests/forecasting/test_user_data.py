"""What forecasting holds about a user, handed over, brought back and erased, on the wire and on the real database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import pytest_asyncio
import uuid_utils.compat

from scale.forecasting.v1 import user_data_service_pb2 as pb
from scale.forecasting.v1.user_data_service_pb2_grpc import UserDataServiceStub
from services.forecasting.app import ForecastingApp
from services.forecasting.domain import (
    BacktestScore,
    Granularity,
    Measure,
    NewForecast,
    Outcome,
    Point,
    Scheduled,
    SeriesSpec,
    Source,
    series_id,
)
from services.forecasting.jobs import repository as jobs
from services.forecasting.jobs.repository import PostgresJobsRepository
from services.forecasting.repository import PostgresForecastsRepository
from services.forecasting.settings import ForecastingSettings
from services.forecasting.user_data.service import ForecastingUserDataService
from services.kit.auth import mint_token
from services.kit.errors import ScaleError, Unauthenticated, Unavailable
from services.kit.handover import ErasedTable
from services.kit.postgres import Database
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.forecasting_job_fakes import new_job
from tests.support.forecasting_rows import TABLES, fill

pytestmark = pytest.mark.asyncio(loop_scope="module")

Files = dict[str, bytes]
SCORE = {"model": "pooled", "mase": 0.9, "pinball": 1.5, "coverage": 0.8, "origins": 4, "served": True}


@dataclass
class Stack:
    """The service, as some user."""

    database: Database
    stub: UserDataServiceStub
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)

    def other_user(self) -> Stack:
        return Stack(self.database, self.stub)

    @property
    def options(self) -> dict[str, Any]:
        return {"metadata": (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id)}"),), "timeout": 30}

    async def fill(self) -> dict[str, int]:
        async with self.database.transaction(self.user_id) as connection:
            return await fill(connection, self.user_id)

    async def row(self, statement: str) -> dict[str, Any]:
        async with self.database.transaction(self.user_id, read_only=True) as connection:
            return dict(await connection.fetchrow(statement))

    async def export(self) -> Files:
        files: Files = {}
        async for part in self.stub.ExportUser(pb.ExportUserRequest(), **self.options):
            match part.WhichOneof("payload"):
                case "file_name":
                    name = part.file_name
                    files[name] = b""
                case "chunk":
                    files[name] += part.chunk
                case "end":
                    assert [one.file_name for one in part.end.files] == list(files)
        return files

    async def restore(self, files: Files) -> dict[str, int]:
        parts = []
        for name, content in files.items():
            parts += [pb.RestoreUserRequest(file_name=name), pb.RestoreUserRequest(chunk=content)]
        parts.append(pb.RestoreUserRequest(end=pb.RestoreUserEnd(file_count=len(files))))
        try:
            answer = await self.stub.RestoreUser(parts, **self.options)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="forecasting") from error
        return {one.table: one.restored_count for one in answer.tables}

    async def erase(self, *, validate_only: bool = False) -> dict[str, int]:
        answer = await self.stub.EraseUser(pb.EraseUserRequest(validate_only=validate_only), **self.options)
        return {one.table: one.row_count for one in answer.tables}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(servers: LocalSystem) -> AsyncIterator[Stack]:
    """The service without Redis; one for all tests of this file."""
    settings = ForecastingSettings(**process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4), database_url=servers.service_url("forecasting"))
    app = ForecastingApp(settings)
    await app.open()
    async with serving(app.server) as channel:
        yield Stack(app.database, UserDataServiceStub(channel))
    await app.close()


@pytest.fixture
def stack(running: Stack) -> Stack:
    """As a user whom nobody has seen before."""
    return running.other_user()


async def test_an_export_brings_back_what_there_was_to_the_last_decimal(stack: Stack) -> None:
    counts = await stack.fill()
    files = await stack.export()
    assert {name: content.count(b"\n") for name, content in files.items()} == {f"{table}.jsonl": counts[table] for table in TABLES}
    other = stack.other_user()
    assert await other.restore(files) == counts
    made = "SELECT * FROM forecasting.forecasts WHERE generated_at IS NOT NULL"
    before, after = await stack.row(made), await other.row(made)
    assert before.pop("user_id") != after.pop("user_id")
    assert before == after
    assert str(after["p10"][0]) == "922337203685477.5807"
    assert b'"p10":["922337203685477.5807","-1.0001"]' in files["forecasts.jsonl"], "exact for whoever reads it, too"
    for table in ("anomalies", "scans"):
        before, after = await stack.row(f"SELECT * FROM forecasting.{table}"), await other.row(f"SELECT * FROM forecasting.{table}")
        assert {**before, "user_id": None} == {**after, "user_id": None}
    assert set((await other.restore(files)).values()) == {0}


async def test_a_forecast_that_comes_back_is_read_as_it_was(stack: Stack) -> None:
    forecasts, user_id, now = PostgresForecastsRepository(stack.database), stack.user_id, datetime.now(UTC)
    new = new_job(user_id)
    balance = SeriesSpec(Measure.BALANCE, uuid_utils.compat.uuid7(), currency="EUR")
    labels = {"for": 'the "rent"', "é": "\\"}
    asked = NewForecast(new.id, user_id, series_id(user_id, balance), balance, 2, Granularity.DAY, labels, Decimal("12.3456"))
    job, _ = await forecasts.begin(new, asked, lease_s=60, most_open=9)
    claimed = await PostgresJobsRepository(stack.database).claim(user_id, job.id, lease_s=60)
    assert claimed is not None
    day = date(2026, 5, 1)
    outcome = Outcome(
        history_start=date(2026, 1, 1),
        history_end=date(2026, 4, 30),
        history_period_count=120,
        history_transaction_count=300,
        data_cutoff_at=now,
        model="pooled+recent",
        model_version="1",
        source=Source.MODEL,
        backtest=[
            BacktestScore("pooled+recent", 0.1, 1e-9, 1.0, 4, served=True),
            BacktestScore("auto_ets", 2.0, 3.0, 0.0, 4, served=False),
        ],
        short_history=False,
        degraded=True,
        degraded_reason="No network.",
        points=[Point(day + timedelta(number), Decimal("-1.0001"), Decimal(0), Decimal("0.1")) for number in range(2)],
        scheduled=[Scheduled(day, Decimal("-700.00"), "Rent \u20ac", uuid_utils.compat.uuid7())],
        opening_balance=Decimal("-0.5"),
    )
    assert await forecasts.store(claimed, asked, outcome)
    other = stack.other_user()
    await other.restore(await stack.export())
    before, after = await forecasts.get(user_id, job.id), await forecasts.get(other.user_id, job.id)
    assert before is not None
    assert before.outcome is not None
    assert after == replace(before, asked=replace(before.asked, user_id=other.user_id))


async def test_what_was_under_way_is_not_and_the_ledger_is_looked_through_again(stack: Stack) -> None:
    await stack.fill()
    other = stack.other_user()
    await other.restore(await stack.export())
    job = await other.row("SELECT * FROM forecasting.jobs WHERE request_id = 'open'")
    assert (job["state"], job["error_reason"], job["lease_expires_at"], job["in_queue"]) == ("failed", "INTERRUPTED", None, False)
    assert (await other.row("SELECT due_at <= now() AS due FROM forecasting.ledgers"))["due"]


def altered(files: Files, name: str, **changes: object) -> Files:
    lines = [json.dumps({**json.loads(line), **changes}).encode() for line in files[name].splitlines()]
    return {**files, name: b"".join(line + b"\n" for line in lines)}


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("forecasts.jsonl", {"id": "019b76da-a800-7000-8000-0000000000ff"}),
        ("forecasts.jsonl", {"currency": "XXY"}),
        ("forecasts.jsonl", {"p10": ["5", "5"]}),
        ("forecasts.jsonl", {"p90": ["NaN", "NaN"]}),
        ("forecasts.jsonl", {"p50": [None, "1"]}),
        ("forecasts.jsonl", {"p50": "1"}),
        ("forecasts.jsonl", {"period_starts": ["0044-03-15 BC", "2026-05-02"]}),
        ("forecasts.jsonl", {"period_starts": [["2026-05-01"], ["2026-05-02"]]}),
        ("forecasts.jsonl", {"period_starts": ["2026-05-01", "9999-12-28"]}),
        ("forecasts.jsonl", {"labels": []}),
        ("forecasts.jsonl", {"labels": {"a": 1}}),
        ("forecasts.jsonl", {"backtest": {}}),
        ("forecasts.jsonl", {"backtest": [{"model": "x"}]}),
        ("forecasts.jsonl", {"backtest": ["pooled"]}),
        ("forecasts.jsonl", {"backtest": [{**SCORE, "more": 1}]}),
        ("forecasts.jsonl", {"backtest": [[SCORE]]}),
        ("forecasts.jsonl", {"backtest": [{**SCORE, "origins": 1.5}]}),
        ("forecasts.jsonl", {"backtest": [{**SCORE, "origins": 3_000_000_000}]}),
        ("forecasts.jsonl", {"backtest": [{**SCORE, "origins": -1}]}),
        ("forecasts.jsonl", {"scheduled_payments": [["2026-02-31", "-700", "Rent", "019b76da-a800-7000-8000-00000000000a"]]}),
        ("forecasts.jsonl", {"scheduled_payments": [["2026-05-01", "much", "Rent", "019b76da-a800-7000-8000-00000000000a"]]}),
        ("forecasts.jsonl", {"scheduled_payments": [["2026-05-01", "-700"]]}),
        ("forecasts.jsonl", {"scheduled_payments": "none"}),
        ("anomalies.jsonl", {"evidence": []}),
        ("anomalies.jsonl", {"currency": "XXY"}),
        ("anomalies.jsonl", {"transaction_ids": [None]}),
        ("anomalies.jsonl", {"finding_key": "mine"}),
        ("scans.jsonl", {"id": "019b76da-a800-7000-8000-0000000000ff"}),
        ("jobs.jsonl", {"kind": "dig"}),
        ("ledgers.jsonl", {"scanned_at": "infinity"}),
    ],
)
async def test_what_no_export_holds_is_refused_by_file_and_line_and_stores_nothing(
    stack: Stack, file: str, changes: dict[str, object]
) -> None:
    await stack.fill()
    other = stack.other_user()
    with pytest.raises(ScaleError) as caught:
        await other.restore(altered(await stack.export(), file, **changes))
    assert caught.value.reason == "EXPORT_INVALID", caught.value
    assert caught.value.message.startswith(f"{file}, line ")
    assert set((await other.erase(validate_only=True)).values()) == {0}


async def test_erasing_leaves_nothing_and_stops_what_runs(stack: Stack, as_role: AsRole) -> None:
    counts = await stack.fill()
    kept = stack.other_user()
    await kept.fill()
    repository = PostgresJobsRepository(stack.database)
    async with stack.database.transaction(stack.user_id) as connection:
        job, _ = await jobs.begin(connection, new_job(stack.user_id), lease_s=60, most_open=9)
    running = await repository.claim(stack.user_id, job.id, lease_s=60)
    assert running is not None
    counts["jobs"] += 1
    assert await stack.erase(validate_only=True) == counts
    assert await stack.erase() == counts
    assert set((await stack.erase()).values()) == {0}
    assert not await repository.renew(running, lease_s=60)
    async with as_role("migrator", None) as connection:
        for table in TABLES:
            count = f"SELECT count(*) FROM forecasting.{table} WHERE user_id = $1"
            assert await connection.fetchval(count, stack.user_id) == 0, table
            assert await connection.fetchval(count, kept.user_id) > 0, table


class Erasing:
    """`UserDataRepository` and `Messages` at once."""

    def __init__(self, **errors: Exception) -> None:
        self.asked: list[str] = []
        self._errors = errors

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what in self._errors:
            raise self._errors[what]

    async def stop_work(self, user_id: UUID) -> None:
        self._note("stop")

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        self._note("erase")
        return [ErasedTable("anomalies", 1)]

    async def discard(self, user_id: UUID) -> None:
        self._note("discard")


@pytest.mark.parametrize(
    ("errors", "asked", "raised"),
    [
        ({}, ["stop", "erase", "discard"], None),
        ({"stop": Unauthenticated("", reason="USER_ERASED")}, ["stop", "erase", "discard"], None),
        ({"stop": Unauthenticated("", reason="TOKEN_EXPIRED")}, ["stop"], Unauthenticated),
        ({"erase": Unavailable("", reason="USER_BUSY")}, ["stop", "erase"], Unavailable),
        ({"discard": Unavailable("")}, ["stop", "erase", "discard"], Unavailable),
    ],
)
async def test_the_order_of_an_erasure(user_id: UUID, errors: dict[str, Exception], asked: list[str], raised: Any) -> None:
    erasing = Erasing(**errors)
    service = ForecastingUserDataService(erasing, erasing, max_exports=1)  # type: ignore[arg-type]
    if raised is None:
        assert await service.erase_user(user_id) == [ErasedTable("anomalies", 1)]
    else:
        with pytest.raises(raised):
            await service.erase_user(user_id)
    assert erasing.asked == asked
