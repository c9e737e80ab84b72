"""Categorization in REST: JSON to message and back, what is refused, and what happens while the service is down."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.gateway.idempotency import HEADER
from services.gateway.schemas import categorization as schemas
from services.kit.errors import DeadlineExceeded, FailedPrecondition, FieldError, InvalidArgument, NotFound, Unavailable
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.upstream_fakes import FakeSubject

TRANSACTION = "019b76da-a800-7000-8000-000000000001"
JOB = "019b76da-a800-7000-8000-0000000000a0"
SUGGESTION = "019b76da-a800-7000-8000-0000000000b0"
CORRECTION = "019b76da-a800-7000-8000-0000000000c0"
INSTANT = "2026-02-02T02:40:00.000000Z"
PAYMENT: dict[str, Any] = {"description": "REWE SAGT DANKE", "amount": "-12.34", "currency": "EUR"}
INPUT = pb.ClassifyInput(description="REWE SAGT DANKE", amount=Money(currency_code="EUR", units=-12, nanos=-340_000_000))
SHOWN: dict[str, Any] = {
    "category": "groceries_supermarket",
    "primary_category": "groceries",
    "confidence": 0.9346,
    "abstained": False,
    "reasons": ["You put REWE into Supermarket 3 times."],
    "alternatives": [{"category": "dining", "primary_category": "dining", "confidence": 0.0412}],
    "model_version": "hypcd-1.0.0+1a2b3c4d",
    "source": "user",
    "degraded": False,
}
JOB_SHOWN: dict[str, Any] = {
    "id": JOB,
    "kind": "recategorization",
    "state": "pending",
    "total": None,
    "done": 0,
    "changed": 0,
    "failure_reason": None,
    "failure": None,
    "model_version": None,
    "created_at": INSTANT,
    "completed_at": None,
}
SUGGESTION_SHOWN: dict[str, Any] = {
    "id": SUGGESTION,
    "state": "open",
    "name": "Climbing",
    "primary_category": "entertainment",
    "category": None,
    "score": 0.7,
    "transactions": 14,
    "transaction_ids": [TRANSACTION],
    "examples": ["BOULDERHALLE OST"],
    "reason": "14 payments belong together.",
    "created_at": INSTANT,
}
NEVER_KEPT = "no-cache, no-store"


def classification(**changes: Any) -> pb.Classification:
    values: dict[str, Any] = {
        "category": "groceries_supermarket",
        "primary_category": "groceries",
        "confidence": 0.93456789,
        "reasons": ["You put REWE into Supermarket 3 times."],
        "alternatives": [pb.Alternative(category="dining", primary_category="dining", confidence=0.041234)],
        "model_version": "hypcd-1.0.0+1a2b3c4d",
        "source": pb.CLASSIFICATION_SOURCE_USER,
    }
    return pb.Classification(**{**values, **changes})


def job(kind: Any = pb.CATEGORIZATION_JOB_KIND_RECATEGORIZATION, **changes: Any) -> pb.CategorizationJob:
    message = pb.CategorizationJob(**{"job_id": JOB, "kind": kind, "state": pb.CATEGORIZATION_JOB_STATE_PENDING, **changes})
    message.create_time.seconds = 1_770_000_000
    return message


def suggestion(**changes: Any) -> pb.CategorySuggestion:
    message = pb.CategorySuggestion(
        **{
            "suggestion_id": SUGGESTION,
            "state": pb.SUGGESTION_STATE_OPEN,
            "name": "Climbing",
            "primary_slug": "entertainment",
            "score": 0.7,
            "transaction_count": 14,
            "transaction_ids": [TRANSACTION],
            "examples": ["BOULDERHALLE OST"],
            "reason": "14 payments belong together.",
            **changes,
        }
    )
    message.create_time.seconds = 1_770_000_000
    return message


def correction() -> pb.Correction:
    message = pb.Correction(correction_id=CORRECTION, transaction_id=TRANSACTION, category="groceries", merchant_key="rewe")
    message.create_time.seconds = 1_770_000_000
    return message


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.categorization
    found.answers = {
        "Classify": pb.ClassifyResponse(classification=classification()),
        "RecordCorrection": pb.RecordCorrectionResponse(correction=correction()),
        "StartClassificationStream": pb.StartClassificationStreamResponse(
            job=job(pb.CATEGORIZATION_JOB_KIND_CLASSIFICATION, input_count=1001)
        ),
        "StartRecategorization": pb.StartRecategorizationResponse(job=job()),
        "StartDiscovery": pb.StartDiscoveryResponse(job=job(pb.CATEGORIZATION_JOB_KIND_DISCOVERY)),
        "ListJobResults": pb.ListJobResultsResponse(classifications=[classification()], next_page_token="more"),
        "ListSuggestions": pb.ListSuggestionsResponse(suggestions=[suggestion()], next_page_token="more"),
    }
    return found


async def test_classify_says_what_and_why(gateway: Gateway, fake: FakeSubject) -> None:
    more = {"merchant": "REWE", "date": "2026-01-31", "transaction_id": TRANSACTION}
    answer = await gateway.post("/api/v1/classify", json=PAYMENT | more)
    assert (answer.status_code, answer.json()) == (200, SHOWN)
    schemas.Classification.model_validate(answer.json())
    (request,) = fake.requests
    expected = pb.ClassifyInput(merchant="REWE", transaction_date=Date(year=2026, month=1, day=31), transaction_id=TRANSACTION)
    expected.MergeFrom(INPUT)
    assert request.input == expected
    assert fake.callers == [gateway.user_id]


async def test_an_answer_of_the_rules_and_an_abstention_say_so(gateway: Gateway, fake: FakeSubject) -> None:
    fake.answers["Classify"] = pb.ClassifyResponse(
        classification=pb.Classification(
            category="uncategorized",
            primary_category="uncategorized",
            abstained=True,
            model_version="rules-1",
            source=pb.CLASSIFICATION_SOURCE_FALLBACK,
            degraded=True,
        )
    )
    answer = (await gateway.post("/api/v1/classify", json={"merchant": "?", "amount": "1", "currency": "JPY"})).json()
    assert (answer["category"], answer["abstained"], answer["source"], answer["degraded"]) == ("uncategorized", True, "fallback", True)
    assert (answer["reasons"], answer["alternatives"]) == ([], [])
    assert not fake.requests[0].input.HasField("transaction_date")


@pytest.mark.requirement("CACHE-01", "CAT-14")
async def test_predictions_are_never_kept(gateway: Gateway, fake: FakeSubject) -> None:
    """CAT-14."""
    answers = [
        await gateway.post("/api/v1/classify", json=PAYMENT),
        await gateway.post("/api/v1/classify/batch", json={"items": [PAYMENT]}),
        await gateway.post("/api/v1/classify/feedback", json={"transaction_id": TRANSACTION, "category": "groceries"}),
        await gateway.get(f"/api/v1/classify/jobs/{JOB}/results"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 201, 200]
    for answer in answers:
        assert answer.headers["cache-control"] == NEVER_KEPT
        assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": -3.5}, "amount"),
        ({"amount": "3,50"}, "amount"),
        ({"amount": "١٢"}, "amount"),
        ({"transaction_id": "٠19b76da-a800-7000-8000-000000000001"}, "transaction_id"),
        ({"amount": None}, "amount"),
        ({"currency": "euro"}, "currency"),
        ({"date": "31.01.2026"}, "date"),
        ({"description": " "}, "body"),
        ({"description": "a\x00b"}, "description"),
        ({"description": "x" * 10_001}, "description"),
        ({"merchant": "x" * 501}, "merchant"),
        ({"transaction_id": "mine"}, "transaction_id"),
        ({"category": "groceries"}, "category"),
    ],
)
async def test_a_bad_payment_is_refused_at_the_door(gateway: Gateway, fake: FakeSubject, change: dict[str, Any], field: str) -> None:
    body = assert_problem(await gateway.post("/api/v1/classify", json=PAYMENT | change), 422)
    assert [error["field"] for error in body["errors"]] == [field]
    body = assert_problem(await gateway.post("/api/v1/classify/batch", json={"items": [PAYMENT] * 17 + [PAYMENT | change]}), 422)
    expected = "items[17]" if field == "body" else f"items[17].{field}"
    assert [error["field"] for error in body["errors"]] == [expected]
    assert body["detail"].startswith(f"{expected}: ")
    assert not fake.requests


async def test_the_services_names_become_those_of_rest(gateway: Gateway, fake: FakeSubject) -> None:
    fields = ("input.transaction_date", "inputs[3].amount", "inputs[3].amount.currency_code", "inputs[3]", "inputs", "input")
    fake.error = InvalidArgument("inputs[3].amount: no", fields=[FieldError(field, "no") for field in fields])
    body = assert_problem(await gateway.post("/api/v1/classify", json=PAYMENT), 422)
    assert [error["field"] for error in body["errors"]] == ["date", "items[3].amount", "items[3].currency", "items[3]", "items", "body"]


async def test_a_batch_is_one_call_and_keeps_its_order(gateway: Gateway, fake: FakeSubject) -> None:
    answers = [classification(category=f"c{number}") for number in range(1000)]
    fake.answers["ClassifyBatch"] = pb.ClassifyBatchResponse(classifications=answers)
    items = [PAYMENT | {"description": f"shop {number}"} for number in range(1000)]
    answer = await gateway.post("/api/v1/classify/batch", json={"items": items})
    assert answer.status_code == 200
    assert [one["category"] for one in answer.json()["items"]] == [f"c{number}" for number in range(1000)]
    (request,) = fake.requests
    assert [one.description for one in request.inputs] == [item["description"] for item in items]


@pytest.mark.requirement("ARC-13", "CAT-06")
async def test_more_than_a_thousand_items_are_a_job(gateway: Gateway, fake: FakeSubject) -> None:
    for _ in range(2):
        answer = await gateway.post("/api/v1/classify/batch", json={"items": [PAYMENT] * 1001}, headers={HEADER: "once"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/classify/jobs/{JOB}"
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == JOB_SHOWN | {"kind": "classification", "total": 1001}
    first, again = fake.requests
    assert first == again
    begin, *parts, end = first
    assert (len(begin.request_id), [len(part.inputs.inputs) for part in parts], end.end.input_count) == (36, [1000, 1], 1001)
    # Whether it is needed or not.
    assert_problem(await gateway.post("/api/v1/classify/batch", json={"items": [PAYMENT]}, headers={HEADER: "with space"}), 422)


async def test_what_one_message_does_not_hold_goes_on_in_several(gateway: Gateway, fake: FakeSubject) -> None:
    """Fifty thousand items of a usual length, and a few hundred long ones; both more than 4 MiB."""
    items = [PAYMENT | {"description": f"{number:05} " + "x" * 74} for number in range(50_000)]
    answer = await gateway.post("/api/v1/classify/batch", json={"items": items})
    assert answer.status_code == 202
    _, *parts, end = fake.requests.pop()
    texts = [one.description for part in parts for one in part.inputs.inputs]
    assert (texts == [item["description"] for item in items], end.end.input_count) == (True, 50_000)
    long = [PAYMENT | {"description": f"{number:05}" * 2000} for number in range(500)]
    fake.answers["ClassifyBatch"] = pb.ClassifyBatchResponse(classifications=[classification()])
    answer = await gateway.post("/api/v1/classify/batch", json={"items": long})
    assert (answer.status_code, len(answer.json()["items"])) == (200, len(fake.requests))
    assert [one.description for request in fake.requests for one in request.inputs] == [item["description"] for item in long]


async def test_a_batch_has_bounds(gateway: Gateway, fake: FakeSubject) -> None:
    too_many = b'{"items":[' + b",".join([orjson.dumps({"amount": "1"})] * 50_001) + b"]}"
    body = assert_problem(await gateway.post("/api/v1/classify/batch", content=too_many, headers={"Content-Type": "application/json"}), 422)
    assert body["errors"][0]["field"] == "items"
    assert len(body["errors"]) <= 100
    body = assert_problem(await gateway.post("/api/v1/classify/batch", json={"items": [{"amount": "1"}] * 5_000}), 422)
    assert len(body["errors"]) == 100
    long = [PAYMENT | {"description": "x" * 10_000}] * 1000
    assert_problem(await gateway.post("/api/v1/classify/batch", json={"items": long}), 413, "BODY_TOO_LARGE")
    assert_problem(await gateway.post("/api/v1/classify", content=b" " * (1024 * 1024 + 1)), 413, "BODY_TOO_LARGE")
    assert not fake.requests


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'{"items": []}', 422),
        (b'{"items": {}}', 422),
        (b'{"items": [1]}', 422),
        (b'{"items": [], "more": 1}', 422),
        (b'\xff\xfe{"items": []}', 422),
        (b'{"items": [' + b"[" * 100_000, 422),
    ],
)
async def test_a_bad_batch_is_refused(gateway: Gateway, fake: FakeSubject, content: bytes, status: int) -> None:
    answer = await gateway.post("/api/v1/classify/batch", content=content, headers={"Content-Type": "application/json"})
    assert_problem(answer, status, "INVALID_ARGUMENT")
    assert_problem(await gateway.post("/api/v1/classify/batch", content=content), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert not fake.requests


async def test_feedback_on_a_transaction(gateway: Gateway, fake: FakeSubject) -> None:
    body = {"transaction_id": TRANSACTION, "category": "groceries"}
    for _ in range(2):
        answer = await gateway.post("/api/v1/classify/feedback", json=body, headers={HEADER: "once"})
    assert answer.status_code == 201
    assert answer.json() == {
        "id": CORRECTION,
        "transaction_id": TRANSACTION,
        "category": "groceries",
        "previous_category": None,
        "merchant": "rewe",
        "created_at": INSTANT,
    }
    first, again = fake.requests
    assert first == again == pb.RecordCorrectionRequest(request_id=first.request_id, transaction_id=TRANSACTION, category="groceries")


async def test_feedback_on_a_payment(gateway: Gateway, fake: FakeSubject) -> None:
    await gateway.post("/api/v1/classify/feedback", json=PAYMENT | {"date": "2026-01-31", "category": "dining"})
    (request,) = fake.requests
    assert request.WhichOneof("subject") == "input"
    assert (request.input.description, request.input.amount, request.category) == (INPUT.description, INPUT.amount, "dining")
    assert request.input.transaction_date == Date(year=2026, month=1, day=31)


@pytest.mark.parametrize(
    "body",
    [
        {"category": "dining"},
        {"transaction_id": TRANSACTION},
        {"transaction_id": TRANSACTION, "category": ""},
        {"transaction_id": "one", "category": "dining"},
        {"description": "REWE", "amount": "1", "category": "dining"},
        {"description": "REWE", "currency": "EUR", "category": "dining"},
        PAYMENT | {"description": "", "category": "dining"},
        PAYMENT | {"category": "dining", "confidence": 1},
    ],
)
async def test_bad_feedback_is_refused(gateway: Gateway, fake: FakeSubject, body: dict[str, Any]) -> None:
    assert_problem(await gateway.post("/api/v1/classify/feedback", json=body), 422)
    assert not fake.requests


async def test_recategorization_and_its_job(gateway: Gateway, fake: FakeSubject) -> None:
    begun = await gateway.post("/api/v1/classify/recategorize")
    assert (begun.status_code, begun.json()) == (202, JOB_SHOWN)
    running = job(state=pb.CATEGORIZATION_JOB_STATE_RUNNING, input_count=4711, done_count=2000, changed_count=312, model_version="hypcd-1")
    fake.answers["GetJob"] = pb.GetJobResponse(job=running)
    found = (await gateway.get(begun.headers["location"])).json()
    schemas.Job.model_validate(found)
    assert found == JOB_SHOWN | {"state": "running", "total": 4711, "done": 2000, "changed": 312, "model_version": "hypcd-1"}
    failed = job(state=pb.CATEGORIZATION_JOB_STATE_FAILED, error_message="The ledger does not answer.", error_reason="UNAVAILABLE")
    failed.complete_time.seconds = 1_770_000_000
    fake.answers["GetJob"] = pb.GetJobResponse(job=failed)
    found = (await gateway.get(begun.headers["location"])).json()
    assert (found["state"], found["total"], found["completed_at"]) == ("failed", 0, INSTANT)
    assert (found["failure_reason"], found["failure"]) == ("The ledger does not answer.", {"reason": "UNAVAILABLE"})


async def test_an_open_job_is_named(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = FailedPrecondition("Another one is at it.", reason="JOB_OPEN", metadata={"job_id": JOB})
    for path in ("/api/v1/classify/recategorize", "/api/v1/categories/suggestions"):
        assert assert_problem(await gateway.post(path), 409, "JOB_OPEN")["job_id"] == JOB


async def test_results_of_a_job(gateway: Gateway, fake: FakeSubject) -> None:
    page = await gateway.get(f"/api/v1/classify/jobs/{JOB}/results", params={"page_size": "2000", "page_token": "abc"})
    assert page.json() == {"items": [SHOWN], "next_page_token": "more"}
    assert fake.requests[-1] == pb.ListJobResultsRequest(job_id=JOB, page_size=1000, page_token="abc")
    fake.error = FailedPrecondition("It is not done.")
    assert_problem(await gateway.get(f"/api/v1/classify/jobs/{JOB}/results"), 409)
    fake.error = NotFound("no")
    assert_problem(await gateway.get(f"/api/v1/classify/jobs/{uuid4()}/results"), 404)
    assert_problem(await gateway.get("/api/v1/classify/jobs/one/results"), 422)


async def test_suggestions(gateway: Gateway, fake: FakeSubject) -> None:
    page = (await gateway.get("/api/v1/categories/suggestions", params={"state": "dismissed", "page_size": "7"})).json()
    schemas.SuggestionPage.model_validate(page)
    assert page == {"items": [SUGGESTION_SHOWN], "next_page_token": "more"}
    assert fake.requests[-1] == pb.ListSuggestionsRequest(state=pb.SUGGESTION_STATE_DISMISSED, page_size=7)
    await gateway.get("/api/v1/categories/suggestions")
    assert fake.requests[-1].state == pb.SUGGESTION_STATE_OPEN
    assert_problem(await gateway.get("/api/v1/categories/suggestions", params={"state": "new"}), 422)
    begun = await gateway.post("/api/v1/categories/suggestions", headers={HEADER: "once"})
    assert (begun.status_code, begun.json()["kind"], begun.headers["location"]) == (202, "discovery", f"/api/v1/classify/jobs/{JOB}")


async def test_a_suggestion_is_accepted_or_dismissed(gateway: Gateway, fake: FakeSubject) -> None:
    accepted = suggestion(state=pb.SUGGESTION_STATE_ACCEPTED, name="Bouldering", category="bouldering")
    fake.answers["AcceptSuggestion"] = pb.AcceptSuggestionResponse(suggestion=accepted)
    fake.answers["DismissSuggestion"] = pb.DismissSuggestionResponse(suggestion=suggestion(state=pb.SUGGESTION_STATE_DISMISSED))
    path = f"/api/v1/categories/suggestions/{SUGGESTION}"
    answer = await gateway.post(f"{path}/accept", json={"name": "Bouldering", "primary_category": "health"})
    assert answer.json() == SUGGESTION_SHOWN | {"state": "accepted", "name": "Bouldering", "category": "bouldering"}
    assert fake.requests[-1] == pb.AcceptSuggestionRequest(suggestion_id=SUGGESTION, name="Bouldering", primary_slug="health")
    bodies: list[dict[str, Any] | None] = [None, {}]
    for body in bodies:
        assert (await gateway.post(f"{path}/accept", json=body)).status_code == 200
        assert fake.requests[-1] == pb.AcceptSuggestionRequest(suggestion_id=SUGGESTION)
    assert (await gateway.post(f"{path}/dismiss")).json() == SUGGESTION_SHOWN | {"state": "dismissed"}
    assert_problem(await gateway.post(f"{path}/accept", json={"name": ""}), 422)
    for wrong in ("accept", "dismiss"):
        body = assert_problem(await gateway.post(f"/api/v1/categories/suggestions/x/{wrong}"), 422)
        assert [error["field"] for error in body["errors"]] == ["suggestion_id"]
    fake.error = InvalidArgument("primary_slug: is none", fields=[FieldError("primary_slug", "is none")])
    problem = assert_problem(await gateway.post(f"{path}/accept", json={"primary_category": "x"}), 422)
    assert (problem["detail"], problem["errors"]) == ("primary_category: is none", [{"field": "primary_category", "reason": "is none"}])


async def test_the_model_is_described(gateway: Gateway, fake: FakeSubject) -> None:
    info = pb.ModelInfo(
        version="hypcd-1", category_count=104, minimum_confidence=0.4, dimension=64, artifact_hashes={"anchors.pt": "9f" * 32}
    )
    info.load_time.seconds = 1_770_000_000
    fake.answers["GetModelInfo"] = pb.GetModelInfoResponse(model=info)
    found = (await gateway.get("/api/v1/classify/model")).json()
    schemas.Model.model_validate(found)
    assert found == {
        "version": "hypcd-1",
        "degraded": False,
        "reason": None,
        "categories": 104,
        "minimum_confidence": 0.4,
        "dimension": 64,
        "loaded_at": INSTANT,
        "artifacts": {"anchors.pt": "9f" * 32},
        "own_version": None,
    }
    info.own_version = "categorizer/3-1a2b3c4d"
    fake.answers["GetModelInfo"] = pb.GetModelInfoResponse(model=info)
    assert (await gateway.get("/api/v1/classify/model")).json()["own_version"] == "categorizer/3-1a2b3c4d"
    rules = pb.ModelInfo(version="rules-1", degraded=True, reason="anchors.pt is not there")
    fake.answers["GetModelInfo"] = pb.GetModelInfoResponse(model=rules)
    found = (await gateway.get("/api/v1/classify/model")).json()
    assert (found["degraded"], found["reason"], found["loaded_at"], found["artifacts"]) == (True, "anchors.pt is not there", None, {})


PATH = f"/api/v1/transactions/{TRANSACTION}"


async def test_a_category_set_by_hand_is_learned_from(gateway: Gateway, fake: FakeSubject) -> None:
    changed = await gateway.patch(PATH, json={"category": "groceries"})
    assert (changed.status_code, changed.json()["id"]) == (200, TRANSACTION)
    (request,) = fake.requests
    assert request == pb.RecordCorrectionRequest(request_id=request.request_id, transaction_id=TRANSACTION, category="groceries")
    assert [type(one).__name__ for one in gateway.accounts.requests] == ["GetTransactionRequest"]
    await gateway.patch(PATH, json={"category": "groceries", "note": "party"})
    assert list(gateway.accounts.requests[-1].update_mask.paths) == ["note"]
    assert fake.requests[-1].request_id != request.request_id


async def test_null_takes_the_users_word_back(gateway: Gateway, fake: FakeSubject) -> None:
    await gateway.patch(PATH, json={"category": None})
    assert fake.requests[-1].category == "uncategorized"
    fake.error = Unavailable("down")
    await gateway.patch(PATH, json={"category": None})
    request = gateway.accounts.requests[-1]
    assert (request.category, list(request.update_mask.paths)) == ("", ["category"])


async def test_a_refused_category_changes_nothing(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = InvalidArgument("category: is none of yours", fields=[FieldError("category", "is none of yours")])
    assert_problem(await gateway.patch(PATH, json={"category": "x", "note": "party"}), 422)
    assert not gateway.accounts.requests


@pytest.mark.parametrize("error", [Unavailable("down"), DeadlineExceeded("slow")])
async def test_a_category_is_set_though_nothing_can_be_learned(gateway: Gateway, fake: FakeSubject, error: Exception) -> None:
    fake.error = error
    changed = await gateway.patch(PATH, json={"category": "groceries", "note": "party"})
    assert (changed.status_code, changed.json()["category_source"]) == (200, "user")
    (request,) = gateway.accounts.requests
    assert (request.category, list(request.update_mask.paths)) == ("groceries", ["category", "note"])


async def test_the_rest_goes_on_without_categorization(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(categorization_up=False)
    assert_problem(await gateway.post("/api/v1/classify", json=PAYMENT), 503)
    assert (await gateway.patch(PATH, json={"category": "groceries"})).status_code == 200
    assert list(gateway.accounts.requests[-1].update_mask.paths) == ["category"]
    assert (await gateway.get("/api/v1/transactions")).status_code == 200
