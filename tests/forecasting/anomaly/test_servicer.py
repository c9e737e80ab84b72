"""`scale.anomaly.v1.AnomalyService` through a real channel, on the real database; scans are carried out as a worker does (ANO-04)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import pytest_asyncio
import uuid_utils.compat
from google.type import date_pb2

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from scale.anomaly.v1.anomaly_service_pb2_grpc import AnomalyServiceStub
from services.forecasting.anomaly.repository import PostgresAnomaliesRepository
from services.forecasting.anomaly.service import AnomaliesService
from services.forecasting.anomaly.work import ScanWork
from services.forecasting.app import NAME, ForecastingApp
from services.forecasting.jobs.domain import JobKind
from services.forecasting.jobs.repository import PostgresJobsRepository
from services.forecasting.jobs.runs import JobRuns
from services.forecasting.jobs.service import JobsService
from services.forecasting.settings import ForecastingSettings
from services.kit.auth import mint_token
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ScaleError, Unauthenticated
from services.kit.money import from_money
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.forecasting.anomaly.ledgers import ACCOUNT, ledger, row_id
from tests.forecasting.anomaly.test_scans import ODD, USUAL
from tests.ingestion.conftest import SECRET, WORKER, process_settings, serving
from tests.support.anomaly_fakes import FakeLedger
from tests.support.forecasting_job_fakes import FakeJobQueue
from tests.support.gateway_app import redis_url

__all__ = ["redis_url"]


@dataclass
class Stack:
    """The service, as some user, and who works for it."""

    app: ForecastingApp
    stub: AnomalyServiceStub
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)
    token: str = ""

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(ledger(*USUAL, ODD))

    def other_user(self, token: str = "") -> Stack:
        return Stack(self.app, self.stub, token=token)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        metadata = (("authorization", f"Bearer {self.token or mint_token(SECRET, user_id=self.user_id)}"),)
        try:
            return await getattr(self.stub, method)(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=NAME) from error

    async def start(self, **more: Any) -> pb.Scan:
        request = pb.StartScanRequest(**{"request_id": str(uuid_utils.compat.uuid7()), **more})
        return (await self.call("StartScan", request)).scan

    async def work(self, scan: pb.Scan) -> None:
        """As a worker that has got the message."""
        repository = PostgresJobsRepository(self.app.database)
        anomalies = PostgresAnomaliesRepository(self.app.database)
        queue = FakeJobQueue()
        jobs = JobsService(repository, queue, max_queued=9, max_open=9, message_lease_s=60)
        work = ScanWork(anomalies, self.ledger, AnomaliesService(anomalies, jobs, delay_s=1))
        runs = JobRuns(repository=repository, queue=queue, work={JobKind.SCAN: work}, lease_s=30, message_lease_s=60, kept_days=30)
        await runs.run_job(self.user_id, UUID(scan.scan_id))

    async def poll(self, scan: pb.Scan) -> pb.Scan:
        return (await self.call("GetScan", pb.GetScanRequest(scan_id=scan.scan_id))).scan

    async def listed(self, **filters: Any) -> list[pb.Anomaly]:
        """All pages."""
        found: list[pb.Anomaly] = []
        token = ""
        while True:
            page = await self.call("ListAnomalies", pb.ListAnomaliesRequest(page_token=token, **filters))
            found += page.anomalies
            token = page.next_page_token
            if not token:
                return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(servers: LocalSystem, redis_url: str) -> AsyncIterator[Stack]:
    """With the queue of the servers' Redis, from which no worker takes; one for all tests of the file."""
    settings = ForecastingSettings(
        **process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9, SCALE_REDIS_URL=redis_url),
        database_url=servers.service_url("forecasting"),
    )
    app = ForecastingApp(settings)
    await app.open()
    async with serving(app.server) as channel:
        yield Stack(app, AnomalyServiceStub(channel))
    await app.close()


@pytest.fixture
def stack(running: Stack) -> Stack:
    """As a user whom nobody has seen before. Tests that use it run on the loop of their module."""
    return running.other_user()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def day(of: date) -> date_pb2.Date:
    return date_pb2.Date(year=of.year, month=of.month, day=of.day)


@pytest.mark.requirement("ANO-04")
async def test_started_polled_and_listed(stack: Stack) -> None:
    scan = await stack.start()
    assert (scan.state, scan.HasField("create_time"), scan.HasField("complete_time")) == (pb.SCAN_STATE_PENDING, True, False)
    assert (await stack.poll(scan)).state == pb.SCAN_STATE_PENDING
    assert not (await stack.call("ListAnomalies", pb.ListAnomaliesRequest())).HasField("scan_time"), "never looked through"
    await stack.work(scan)
    done = await stack.poll(scan)
    assert (done.state, done.transaction_count, done.found_count, done.resolved_count) == (pb.SCAN_STATE_SUCCEEDED, 41, 1, 0)
    assert done.HasField("complete_time")
    assert (await stack.call("ListAnomalies", pb.ListAnomaliesRequest())).HasField("scan_time")
    (odd,) = await stack.listed()
    assert (odd.kind, odd.state) == (pb.ANOMALY_KIND_UNUSUAL_AMOUNT, pb.ANOMALY_STATE_OPEN)
    assert (list(odd.transaction_ids), odd.account_id) == ([str(row_id(40))], str(ACCOUNT))
    assert (f"{from_money(odd.amount)[0]:f}", odd.amount.currency_code, odd.category) == ("-900.0000", "EUR", "dining")
    assert odd.occurrence_date == day(ODD.date)
    assert 0 < odd.score <= 1
    assert "900.00 EUR" in odd.reason
    assert odd.evidence["usual_amount"]
    assert not odd.HasField("close_time")
    assert (await stack.call("GetAnomaly", pb.GetAnomalyRequest(anomaly_id=odd.anomaly_id))).anomaly == odd


async def test_dismissed_and_taken_back(stack: Stack) -> None:
    await stack.work(await stack.start())
    (odd,) = await stack.listed()
    for _ in range(2):
        dismissed = (await stack.call("DismissAnomaly", pb.DismissAnomalyRequest(anomaly_id=odd.anomaly_id))).anomaly
        assert (dismissed.state, dismissed.HasField("close_time")) == (pb.ANOMALY_STATE_DISMISSED, True)
    assert await stack.listed() == []
    assert await stack.listed(state=pb.ANOMALY_STATE_DISMISSED) == await stack.listed(state=pb.ANOMALY_STATE_ANY) == [dismissed]
    for _ in range(2):
        assert (await stack.call("ReopenAnomaly", pb.ReopenAnomalyRequest(anomaly_id=odd.anomaly_id))).anomaly == odd
    stack.ledger.rows = ledger(*USUAL)
    await stack.work(await stack.start())
    assert [one.state for one in await stack.listed(state=pb.ANOMALY_STATE_RESOLVED)] == [pb.ANOMALY_STATE_RESOLVED]
    with pytest.raises(FailedPrecondition):
        await stack.call("ReopenAnomaly", pb.ReopenAnomalyRequest(anomaly_id=odd.anomaly_id))


async def test_pages_are_bound_to_their_filters(stack: Stack) -> None:
    more = [
        ODD._replace(date=date(2026, 4, number + 1), amount=f"-{800 + number * 10}.00", merchant=f"SHOP {number}") for number in range(3)
    ]
    visits = [row._replace(merchant=one.merchant) for one in more for row in USUAL]
    stack.ledger.rows = ledger(*USUAL, *visits, ODD, *more)
    await stack.work(await stack.start())
    everything = await stack.listed()
    assert len(everything) >= 3
    assert await stack.listed(page_size=1) == everything
    dates = [(one.occurrence_date.year, one.occurrence_date.month, one.occurrence_date.day) for one in everything]
    assert dates == sorted(dates, reverse=True)
    assert await stack.listed(kind=pb.ANOMALY_KIND_BURST, page_size=1) == [one for one in everything if one.kind == pb.ANOMALY_KIND_BURST]
    late = await stack.listed(date_from=day(date(2026, 4, 2)), date_to=day(date(2026, 4, 2)), account_id=str(ACCOUNT))
    assert {one.occurrence_date.day for one in late} == {2}
    first = await stack.call("ListAnomalies", pb.ListAnomaliesRequest(page_size=1))
    for stranger, request in (
        (stack, pb.ListAnomaliesRequest(page_token=first.next_page_token, kind=pb.ANOMALY_KIND_BURST)),
        (stack.other_user(), pb.ListAnomaliesRequest(page_token=first.next_page_token)),
    ):
        with pytest.raises(InvalidArgument):
            await stranger.call("ListAnomalies", request)


@pytest.mark.parametrize(
    ("method", "request_message"),
    [
        ("StartScan", pb.StartScanRequest()),
        ("StartScan", pb.StartScanRequest(request_id="x" * 37)),
        ("GetScan", pb.GetScanRequest(scan_id="x")),
        ("GetAnomaly", pb.GetAnomalyRequest(anomaly_id="x")),
        ("DismissAnomaly", pb.DismissAnomalyRequest()),
        ("ReopenAnomaly", pb.ReopenAnomalyRequest(anomaly_id="1")),
        ("ListAnomalies", pb.ListAnomaliesRequest(page_size=-1)),
        ("ListAnomalies", pb.ListAnomaliesRequest(kind=99)),  # type: ignore[arg-type]
        ("ListAnomalies", pb.ListAnomaliesRequest(state=99)),  # type: ignore[arg-type]
        ("ListAnomalies", pb.ListAnomaliesRequest(minimum_severity=99)),  # type: ignore[arg-type]
        ("ListAnomalies", pb.ListAnomaliesRequest(account_id="x")),
        ("ListAnomalies", pb.ListAnomaliesRequest(date_from=date_pb2.Date(year=2026, month=2, day=30))),
        ("ListAnomalies", pb.ListAnomaliesRequest(date_from=day(date(2026, 2, 2)), date_to=day(date(2026, 2, 1)))),
        ("ListAnomalies", pb.ListAnomaliesRequest(page_token="x")),
    ],
)
async def test_what_is_wrong_is_named(stack: Stack, method: str, request_message: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await stack.call(method, request_message)
    assert caught.value.fields


async def test_nobody_elses_is_told_from_none(stack: Stack) -> None:
    scan = await stack.start()
    await stack.work(scan)
    (odd,) = await stack.listed()
    stranger = stack.other_user()
    assert await stranger.listed(state=pb.ANOMALY_STATE_ANY) == []
    for method, request in (
        ("GetScan", pb.GetScanRequest(scan_id=scan.scan_id)),
        ("GetAnomaly", pb.GetAnomalyRequest(anomaly_id=odd.anomaly_id)),
        ("DismissAnomaly", pb.DismissAnomalyRequest(anomaly_id=odd.anomaly_id)),
        ("ReopenAnomaly", pb.ReopenAnomalyRequest(anomaly_id=odd.anomaly_id)),
    ):
        with pytest.raises(NotFound):
            await stranger.call(method, request)
    assert await stack.listed() == [odd]


async def test_a_worker_may_say_that_a_ledger_has_changed_and_nothing_else(stack: Stack) -> None:
    worker = stack.other_user(WORKER.mint(stack.user_id, audience=NAME))
    first = await worker.start(ledger_changed=True)
    assert (await stack.start(ledger_changed=True)).scan_id == first.scan_id
    for method, request in (
        ("GetScan", pb.GetScanRequest(scan_id=first.scan_id)),
        ("ListAnomalies", pb.ListAnomaliesRequest()),
    ):
        with pytest.raises((PermissionDenied, Unauthenticated)):
            await worker.call(method, request)
    with pytest.raises(ScaleError):
        await stack.other_user(WORKER.mint(stack.user_id, audience="anomaly")).start()
