"""Anomalies in REST: JSON to message and back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.type.money_pb2 import Money

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from services.gateway.idempotency import HEADER
from services.gateway.schemas import anomalies as schemas
from services.kit.errors import NotFound
from tests.support.gateway_app import Gateway, assert_problem
from tests.support.upstream_fakes import FakeSubject

ANOMALY = "019b76da-a800-7000-8000-0000000000a1"
SCAN = "019b76da-a800-7000-8000-0000000000a2"
ACCOUNT = "019b76da-a800-7000-8000-00000000000a"
PATH = f"/api/v1/anomalies/{ANOMALY}"
_SECONDS = 1_770_000_000
INSTANT = "2026-02-02T02:40:00.000000Z"


def anomaly(**changes: Any) -> pb.Anomaly:
    """A price that rose."""
    message = pb.Anomaly(
        **{
            "anomaly_id": ANOMALY,
            "kind": pb.ANOMALY_KIND_PRICE_RISE,
            "severity": pb.ANOMALY_SEVERITY_MEDIUM,
            "state": pb.ANOMALY_STATE_OPEN,
            "score": 0.75,
            "reason": "Netflix rose from 12.99 to 15.99 EUR (+23 %).",
            "transaction_ids": [ACCOUNT],
            "account_id": ACCOUNT,
            "merchant": "Netflix",
            "amount": Money(currency_code="EUR", units=-15, nanos=-990_000_000),
            **changes,
        }
    )
    message.evidence.update({"usual_amount": "12.99", "count": 14})
    message.create_time.seconds = _SECONDS
    message.occurrence_date.year, message.occurrence_date.month, message.occurrence_date.day = 2026, 1, 31
    return message


def scan(state: Any = pb.SCAN_STATE_PENDING, **changes: Any) -> pb.Scan:
    """A scan."""
    message = pb.Scan(scan_id=SCAN, state=state, **changes)
    message.create_time.seconds = _SECONDS
    return message


SHOWN: dict[str, Any] = {
    "id": ANOMALY,
    "kind": "price_rise",
    "severity": "medium",
    "state": "open",
    "score": 0.75,
    "reason": "Netflix rose from 12.99 to 15.99 EUR (+23 %).",
    "evidence": {"count": 14, "usual_amount": "12.99"},
    "transaction_ids": [ACCOUNT],
    "account_id": ACCOUNT,
    "category": None,
    "merchant": "Netflix",
    "amount": "-15.99",
    "currency": "EUR",
    "date": "2026-01-31",
    "created_at": INSTANT,
    "closed_at": None,
}


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.anomalies
    closed = anomaly(state=pb.ANOMALY_STATE_DISMISSED)
    closed.close_time.seconds = _SECONDS
    listed = pb.ListAnomaliesResponse(anomalies=[anomaly(), anomaly(state=pb.ANOMALY_STATE_RESOLVED)], next_page_token="more")
    listed.scan_time.seconds = _SECONDS
    found.answers = {
        "ListAnomalies": listed,
        "GetAnomaly": pb.GetAnomalyResponse(anomaly=anomaly()),
        "DismissAnomaly": pb.DismissAnomalyResponse(anomaly=closed),
        "ReopenAnomaly": pb.ReopenAnomalyResponse(anomaly=anomaly()),
        "StartScan": pb.StartScanResponse(scan=scan()),
        "GetScan": pb.GetScanResponse(scan=scan(pb.SCAN_STATE_FAILED, error_message="Broken.", error_reason="JOB_GIVEN_UP")),
    }
    return found


@pytest.mark.requirement("ANO-04")
async def test_anomalies_come_in_pages_with_reason_and_evidence(gateway: Gateway, fake: FakeSubject) -> None:
    query = f"kind=price_rise&min_severity=medium&state=any&account_id={ACCOUNT}&date_from=2026-01-01&date_to=2026-01-31&page_size=2"
    answer = await gateway.get(f"/api/v1/anomalies?{query}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    schemas.AnomalyPage.model_validate(body)
    assert body["items"][0] == SHOWN
    assert (body["next_page_token"], body["scanned_at"]) == ("more", INSTANT)
    asked = fake.requests[-1]
    assert (asked.kind, asked.minimum_severity, asked.state) == (
        pb.ANOMALY_KIND_PRICE_RISE,
        pb.ANOMALY_SEVERITY_MEDIUM,
        pb.ANOMALY_STATE_ANY,
    )
    assert (asked.account_id, asked.page_size, asked.date_from.day, asked.date_to.day) == (ACCOUNT, 2, 1, 31)
    again = await gateway.get(f"/api/v1/anomalies?{query}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_open_ones_are_listed_unless_others_are_asked_for(gateway: Gateway, fake: FakeSubject) -> None:
    await gateway.get("/api/v1/anomalies")
    assert fake.requests[-1] == pb.ListAnomaliesRequest(state=pb.ANOMALY_STATE_OPEN, page_size=50)


@pytest.mark.parametrize("query", ["kind=odd", "min_severity=3", "state=closed", "account_id=mine", "date_from=yesterday", "severity=high"])
async def test_filters_that_are_wrong_are_named(gateway: Gateway, fake: FakeSubject, query: str) -> None:
    problem = assert_problem(await gateway.get(f"/api/v1/anomalies?{query}"), 422)
    assert problem["errors"][0]["field"].endswith(query.partition("=")[0])
    assert fake.requests == []


async def test_one_is_dismissed_and_opened_again(gateway: Gateway, fake: FakeSubject) -> None:
    assert (await gateway.get(PATH)).json() == SHOWN
    dismissed = await gateway.post(f"{PATH}/dismiss")
    assert (dismissed.status_code, dismissed.json()) == (200, SHOWN | {"state": "dismissed", "closed_at": INSTANT})
    assert (await gateway.post(f"{PATH}/reopen")).json() == SHOWN
    assert [one.anomaly_id for one in fake.requests] == [ANOMALY] * 3


async def test_one_about_no_single_amount(gateway: Gateway, fake: FakeSubject) -> None:
    message = anomaly(kind=pb.ANOMALY_KIND_MISSED_INCOME, amount=None, account_id="", transaction_ids=[])
    fake.answers["GetAnomaly"] = pb.GetAnomalyResponse(anomaly=message)
    body = (await gateway.get(PATH)).json()
    schemas.Anomaly.model_validate(body)
    assert (body["amount"], body["currency"], body["account_id"], body["transaction_ids"]) == (None, None, None, [])


async def test_a_scan_is_begun_and_looked_at(gateway: Gateway, fake: FakeSubject) -> None:
    for _ in range(2):
        answer = await gateway.post("/api/v1/anomalies/scans", headers={HEADER: "once"})
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/v1/anomalies/scans/{SCAN}")
    schemas.Scan.model_validate(answer.json())
    assert fake.requests[0] == fake.requests[1]
    found = (await gateway.get(f"/api/v1/anomalies/scans/{SCAN}")).json()
    assert (found["state"], found["error"]) == ("failed", {"message": "Broken.", "reason": "JOB_GIVEN_UP"})


async def test_another_ones_is_not_found(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = NotFound("There is no such anomaly.", reason="ANOMALY_NOT_FOUND")
    for method, path in (("GET", PATH), ("POST", f"{PATH}/dismiss"), ("POST", f"{PATH}/reopen")):
        assert_problem(await gateway.request(method, path), 404, "ANOMALY_NOT_FOUND")
    assert_problem(await gateway.get("/api/v1/anomalies/mine"), 404)
    assert_problem(await gateway.post("/api/v1/anomalies/mine/dismiss"), 422)


async def test_scans_are_begun_and_never_taken_for_an_anomaly(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.get("/api/v1/anomalies/scans")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert fake.requests == []
