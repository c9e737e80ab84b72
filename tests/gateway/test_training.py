"""Training and notifications in REST: JSON to message and back, what is refused, and what happens while the service is down."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from scale.training.v1 import notifications_service_pb2 as notifications_pb
from scale.training.v1 import training_service_pb2 as pb
from services.gateway.idempotency import HEADER
from services.gateway.schemas import notifications as notifications_schemas
from services.gateway.schemas import training as schemas
from services.kit.errors import AlreadyExists, FailedPrecondition, FieldError, InvalidArgument, NotFound, PermissionDenied, Unavailable
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.training_messages import INSTANT, JOB, completed, failed, job, processing
from tests.support.upstream_fakes import FakeSubject

SHOWN: dict[str, Any] = {
    "job_id": JOB,
    "model": "categorizer",
    "status": "pending",
    "trigger": "user",
    "progress": None,
    "metrics": {},
    "error": None,
    "model_version": None,
    "published": False,
    "cancel_requested": False,
    "created_at": INSTANT,
    "started_at": None,
    "updated_at": INSTANT,
    "completed_at": None,
}
BODY = {"model": "categorizer"}
JOB_PATHS = (f"/api/v1/training/jobs/{JOB}", f"/api/v1/training/status/{JOB}")


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.training
    found.answers = {
        "StartTrainingJob": pb.StartTrainingJobResponse(job=job()),
        "GetTrainingJob": pb.GetTrainingJobResponse(job=processing(3)),
        "ListTrainingJobs": pb.ListTrainingJobsResponse(jobs=[completed(), job()], next_page_token="more"),
        "CancelTrainingJob": pb.CancelTrainingJobResponse(job=processing(3, cancel_requested=True)),
    }
    return found


@pytest.mark.requirement("ARC-13", "TRN-03")
async def test_a_job_is_begun_in_the_background(gateway: Gateway, fake: FakeSubject) -> None:
    for _ in range(2):
        answer = await gateway.post("/api/v1/training/jobs", json=BODY, headers={HEADER: "once"})
    assert (answer.status_code, answer.json()) == (202, SHOWN)
    schemas.TrainingJob.model_validate(answer.json())
    assert answer.headers["location"] == JOB_PATHS[0]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    first, again = fake.requests
    assert first == again
    assert (first.model, len(first.request_id)) == ("categorizer", 36)
    assert fake.callers == [gateway.user_id] * 2
    await gateway.post("/api/v1/training/jobs", json=BODY)
    assert fake.requests[-1].request_id != first.request_id


async def test_while_one_is_open_its_id_is_told(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = AlreadyExists("A job of yours is at it.", reason="TRAINING_JOB_OPEN", metadata={"job_id": JOB})
    body = assert_problem(await gateway.post("/api/v1/training/jobs", json=BODY), 409, "TRAINING_JOB_OPEN")
    assert body["job_id"] == JOB


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"model": "../etc"}, "model"),
        ({"model": "x" * 64}, "model"),
        ({"model": 1}, "model"),
        ({"model": "categorizer", "epochs": 3}, "epochs"),
        ([], "body"),
    ],
)
async def test_a_bad_start_is_refused_at_the_door(gateway: Gateway, fake: FakeSubject, body: Any, field: str) -> None:
    problem = assert_problem(await gateway.post("/api/v1/training/jobs", json=body), 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert not fake.requests


async def test_what_the_service_refuses_is_passed_on(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = InvalidArgument("model: is none of categorizer", fields=[FieldError("model", "is none of categorizer")])
    body = assert_problem(await gateway.post("/api/v1/training/jobs", json={"model": "oracle"}), 422)
    assert body["errors"] == [{"field": "model", "reason": "is none of categorizer"}]
    fake.error = PermissionDenied("For administrators.", reason="ROLE_NOT_ALLOWED")
    assert_problem(await gateway.post("/api/v1/training/jobs", json={"model": "categorizer-global"}), 403, "ROLE_NOT_ALLOWED")


@pytest.mark.requirement("TRN-03")
@pytest.mark.parametrize("path", JOB_PATHS)
async def test_where_a_job_stands(gateway: Gateway, fake: FakeSubject, path: str) -> None:
    answer = await gateway.get(path)
    assert answer.headers["cache-control"] == "no-store"
    progress = {"step": 3, "total": 10, "loss": 0.25, "phase": "training"}
    assert answer.json() == SHOWN | {"status": "processing", "progress": progress, "started_at": INSTANT}
    schemas.TrainingJob.model_validate(answer.json())
    fake.answers["GetTrainingJob"] = pb.GetTrainingJobResponse(job=completed())
    found = (await gateway.get(path)).json()
    schemas.TrainingJob.model_validate(found)
    assert (found["status"], found["model_version"], found["published"]) == ("completed", "3-1a2b3c4d", True)
    assert found["metrics"] == {"accuracy": 0.875, "examples": 40, "better": True}
    assert (found["progress"]["loss"], found["completed_at"]) == (None, INSTANT)
    fake.answers["GetTrainingJob"] = pb.GetTrainingJobResponse(job=failed())
    found = (await gateway.get(path)).json()
    assert found["error"] == {"message": "The disk is full.", "reason": "NO_STORAGE_ROOM"}


@pytest.mark.requirement("TRN-13")
async def test_somebody_elses_job_is_not_there(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = NotFound("There is no such job.", reason="TRAINING_JOB_NOT_FOUND")
    for path in (*JOB_PATHS, f"/api/v1/training/stream/{JOB}"):
        assert_problem(await gateway.get(path), 404, "TRAINING_JOB_NOT_FOUND")
    assert_problem(await gateway.post(f"{JOB_PATHS[0]}/cancel"), 404)
    assert_problem(await gateway.delete(JOB_PATHS[0]), 404)


async def test_an_id_that_is_none_is_refused_at_the_door(gateway: Gateway, fake: FakeSubject) -> None:
    for method, path in (
        ("GET", "/training/jobs/1"),
        ("GET", "/training/status/1"),
        ("GET", "/training/stream/1"),
        ("DELETE", "/training/jobs/1"),
        ("POST", "/training/jobs/1/cancel"),
    ):
        body = assert_problem(await gateway.request(method, f"/api/v1{path}"), 422)
        assert body["errors"][0]["field"] == "job_id"
    assert not fake.requests


async def test_jobs_are_listed_by_pages(gateway: Gateway, fake: FakeSubject) -> None:
    body = (await gateway.get("/api/v1/training/jobs?status=completed&model=categorizer&page_size=5000&page_token=abc")).json()
    schemas.TrainingJobPage.model_validate(body)
    assert ([one["status"] for one in body["items"]], body["next_page_token"]) == (["completed", "pending"], "more")
    assert fake.requests == [
        pb.ListTrainingJobsRequest(status=pb.TRAINING_JOB_STATUS_COMPLETED, model="categorizer", page_size=1000, page_token="abc")
    ]
    await gateway.get("/api/v1/training/jobs")
    assert fake.requests[-1] == pb.ListTrainingJobsRequest(page_size=50)
    for query, field in (("status=done", "status"), ("page_size=-1", "page_size"), ("model=A", "model"), ("limit=3", "limit")):
        problem = assert_problem(await gateway.get(f"/api/v1/training/jobs?{query}"), 422)
        assert problem["errors"][0]["field"] == field


async def test_a_job_is_given_up(gateway: Gateway, fake: FakeSubject) -> None:
    for method, path in (("POST", f"{JOB_PATHS[0]}/cancel"), ("DELETE", JOB_PATHS[0])):
        answer = await gateway.request(method, path)
        assert (answer.status_code, answer.json()["cancel_requested"]) == (200, True)
        assert fake.requests[-1] == pb.CancelTrainingJobRequest(job_id=JOB)
    fake.error = FailedPrecondition("It has ended.", reason="TRAINING_JOB_ENDED")
    assert_problem(await gateway.delete(JOB_PATHS[0]), 409, "TRAINING_JOB_ENDED")


async def test_notifications_are_listed_and_marked(gateway: Gateway) -> None:
    fake, notification_id = gateway.notifications, str(uuid4())
    told = notifications_pb.Notification(notification_id=notification_id, kind="training_failed", title="It failed", subject_id=JOB)
    told.create_time.seconds = 1_770_000_000
    fake.answers = {
        "ListNotifications": notifications_pb.ListNotificationsResponse(notifications=[told], next_page_token="more", unread_count=7),
        "MarkNotificationsRead": notifications_pb.MarkNotificationsReadResponse(read_count=1),
    }
    answer = await gateway.get("/api/v1/notifications?unread=true")
    body = answer.json()
    notifications_schemas.NotificationPage.model_validate(body)
    assert (body["next_page_token"], body["unread"]) == ("more", 7)
    assert body["items"] == [
        {
            "id": notification_id,
            "kind": "training_failed",
            "title": "It failed",
            "body": "",
            "subject_id": JOB,
            "created_at": INSTANT,
            "read_at": None,
        }
    ]
    assert fake.requests == [notifications_pb.ListNotificationsRequest(unread_only=True, page_size=50)]
    again = await gateway.get("/api/v1/notifications?unread=true", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    for sent, ids in (({"ids": [notification_id]}, [notification_id]), ({}, []), (None, [])):
        marked = await gateway.post("/api/v1/notifications/read", json=sent)
        assert (marked.status_code, marked.json()) == (200, {"read": 1})
        assert fake.requests[-1] == notifications_pb.MarkNotificationsReadRequest(notification_ids=ids)
    assert_problem(await gateway.post("/api/v1/notifications/read", json={"ids": ["mine"]}), 422)
    assert_problem(await gateway.post("/api/v1/notifications/read", json={"ids": [notification_id] * 1001}), 422)


async def test_without_training_everything_else_works(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(training_up=False)
    for answer in (
        await gateway.get(JOB_PATHS[1]),
        await gateway.post("/api/v1/training/jobs", json=BODY),
        await gateway.get(f"/api/v1/training/stream/{JOB}"),
        await gateway.get("/api/v1/notifications"),
    ):
        assert_problem(answer, 503)
    assert (await gateway.get("/api/v1/transactions")).status_code == 200


async def test_a_service_that_fails_is_a_503(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = Unavailable("The database does not answer.", reason="DB_UNAVAILABLE")
    assert_problem(await gateway.get(JOB_PATHS[0]), 503, "DB_UNAVAILABLE")
