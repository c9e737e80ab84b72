"""Versions of models in REST, and artefacts behind addresses that carry their own permission."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from scale.training.v1 import model_registry_service_pb2 as pb
from services.gateway.schemas import model_registry as schemas
from services.kit.errors import FailedPrecondition, NotFound, PermissionDenied, Unavailable
from tests.support.gateway_app import Gateway, StartGateway, assert_problem, bearer
from tests.support.upstream_fakes import FakeSubject

VERSION = "3-1a2b3c4d"
JOB = "019b76da-a800-7000-8000-0000000000d0"
VERSION_ID = "019b76da-a800-7000-8000-0000000000e0"
INSTANT = "2026-02-02T02:40:00.000000Z"
MODELS = "/api/v1/training/models/categorizer"
ARTIFACT = f"/api/v1/artifacts/{UUID(int=7)}/categorizer/{VERSION}?expires=1770000900&signature=0a1b2c3d.abc_-9"
URL = "/api/v1/artifacts/x"
HASH = "1a2b3c4d" + "0" * 56
SHOWN: dict[str, Any] = {
    "model_version_id": VERSION_ID,
    "model": "categorizer",
    "version": VERSION,
    "stage": "live",
    "global": False,
    "metrics": {"accuracy": 0.91, "rows": 1200},
    "content_hash": HASH,
    "size_bytes": 12,
    "parent_version": None,
    "data_cutoff_at": INSTANT,
    "code_version": "0.1.0",
    "job_id": JOB,
    "created_at": INSTANT,
    "promoted_at": INSTANT,
    "download_url": URL,
    "download_expires_at": INSTANT,
}


def version(**changes: Any) -> pb.ModelVersion:
    message = pb.ModelVersion(
        **{
            "model_version_id": VERSION_ID,
            "model": "categorizer",
            "version": VERSION,
            "stage": pb.MODEL_STAGE_LIVE,
            "content_hash": HASH,
            "size_bytes": 12,
            "code_version": "0.1.0",
            "job_id": JOB,
            "download_url": URL,
            **changes,
        }
    )
    message.metrics.update({"accuracy": 0.91, "rows": 1200})
    for instant in (message.data_cutoff_time, message.create_time, message.promote_time, message.download_expire_time):
        instant.seconds = 1_770_000_000
    return message


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.model_registry
    listed = version(stage=pb.MODEL_STAGE_CANDIDATE, download_url="")
    listed.ClearField("promote_time")
    listed.ClearField("download_expire_time")
    found.answers = {
        "ListModelVersions": pb.ListModelVersionsResponse(model_versions=[listed], next_page_token="more"),
        "GetModelVersion": pb.GetModelVersionResponse(model_version=version()),
        "GetLiveModelVersion": pb.GetLiveModelVersionResponse(model_version=version()),
        "PromoteModelVersion": pb.PromoteModelVersionResponse(model_version=version()),
        "RollBackModel": pb.RollBackModelResponse(model_version=version()),
    }
    found.steps = {
        "ReadArtifact": [
            pb.ReadArtifactResponse(chunk=b"first ", content_hash=HASH, size_bytes=12),
            pb.ReadArtifactResponse(chunk=b"second"),
        ]
    }
    return found


async def test_versions_are_listed_by_pages(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.get(f"{MODELS}/versions?page_size=5000&page_token=abc")
    body = answer.json()
    schemas.ModelVersionPage.model_validate(body)
    unset = {"stage": "candidate", "promoted_at": None, "download_url": None, "download_expires_at": None}
    assert body == {"items": [SHOWN | unset], "next_page_token": "more"}
    assert answer.headers["cache-control"] == "no-store"
    assert fake.requests == [pb.ListModelVersionsRequest(model="categorizer", page_size=1000, page_token="abc")]


async def test_one_version_and_the_one_that_answers(gateway: Gateway, fake: FakeSubject) -> None:
    for path in (f"/versions/{VERSION}", "/live"):
        answer = await gateway.get(MODELS + path)
        schemas.ModelVersion.model_validate(answer.json())
        assert answer.json() == SHOWN
        assert answer.headers["cache-control"] == "no-store"
    assert fake.requests == [
        pb.GetModelVersionRequest(model="categorizer", version=VERSION),
        pb.GetLiveModelVersionRequest(model="categorizer"),
    ]
    assert fake.callers == [gateway.user_id] * 2
    fake.error = NotFound("None is live.", reason="NO_LIVE_MODEL")
    assert_problem(await gateway.get(f"{MODELS}/live"), 404, "NO_LIVE_MODEL")


async def test_forwards_and_back(gateway: Gateway, fake: FakeSubject) -> None:
    promoted = await gateway.post(f"{MODELS}/versions/{VERSION}/promote")
    assert (promoted.status_code, promoted.json()) == (200, SHOWN)
    back = await gateway.post(f"{MODELS}/rollback")
    schemas.RolledBack.model_validate(back.json())
    assert (back.status_code, back.json()) == (200, {"live": SHOWN})
    assert fake.requests[-1] == pb.RollBackModelRequest(model="categorizer")
    fake.answers["RollBackModel"] = pb.RollBackModelResponse()
    named = await gateway.post(f"{MODELS}/rollback", json={"version": VERSION})
    assert named.json() == {"live": None}
    assert fake.requests[-1] == pb.RollBackModelRequest(model="categorizer", version=VERSION)
    fake.error = FailedPrecondition("None is live.", reason="NO_LIVE_MODEL")
    assert_problem(await gateway.post(f"{MODELS}/rollback"), 409, "NO_LIVE_MODEL")
    fake.error = PermissionDenied("For administrators.", reason="ROLE_NOT_ALLOWED")
    assert_problem(await gateway.post(f"{MODELS}/rollback"), 403, "ROLE_NOT_ALLOWED")


async def test_names_that_are_none_are_refused_at_the_door(gateway: Gateway, fake: FakeSubject) -> None:
    for method, path, field in (
        ("GET", "/api/v1/training/models/A/versions", "model"),
        ("GET", f"{MODELS}/versions/x", "version"),
        ("POST", f"{MODELS}/versions/3-1a2b3c4dd/promote", "version"),
        ("GET", f"{MODELS}/versions?limit=3", "limit"),
    ):
        body = assert_problem(await gateway.request(method, path), 422)
        assert body["errors"][0]["field"] == field
    body = assert_problem(await gateway.post(f"{MODELS}/rollback", json={"version": "x"}), 422)
    assert body["errors"][0]["field"] == "version"
    assert not fake.requests


# Artefacts


async def test_an_address_needs_no_token(gateway: Gateway, fake: FakeSubject) -> None:
    for headers in ({}, bearer(), {"Authorization": "Bearer nonsense"}):
        answer = await gateway.client.get(ARTIFACT, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"first second")
        assert answer.headers["content-length"] == "12"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["etag"] == f'"{HASH}"'
        assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
        assert "ratelimit-remaining" in answer.headers
    path = f"{UUID(int=7)}/categorizer/{VERSION}"
    assert fake.requests == [pb.ReadArtifactRequest(path=path, expires=1770000900, signature="0a1b2c3d.abc_-9")] * 3
    # And nobody's name goes with it.
    assert fake.callers == []


async def test_who_has_it_already_is_told_so(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.client.get(ARTIFACT, headers={"If-None-Match": f'"{HASH}"'})
    assert (answer.status_code, answer.content) == (304, b"")
    head = await gateway.client.head(ARTIFACT)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "12", b"")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionDenied("Expired.", reason="SIGNATURE_EXPIRED"), 403),
        (PermissionDenied("Forged.", reason="SIGNATURE_INVALID"), 403),
        (NotFound("Gone.", reason="ARTIFACT_GONE"), 404),
        (Unavailable("Away.", reason="STORAGE_UNAVAILABLE"), 503),
    ],
)
async def test_what_the_service_refuses(gateway: Gateway, fake: FakeSubject, error: Any, status: int) -> None:
    fake.error = error
    assert_problem(await gateway.client.get(ARTIFACT), status, error.reason)


async def test_an_address_without_its_permission(gateway: Gateway, fake: FakeSubject) -> None:
    path = ARTIFACT.partition("?")[0]
    for query, field in (
        ("", "expires"),
        ("?expires=1", "signature"),
        ("?expires=-1&signature=x", "expires"),
        ("?expires=x&signature=x", "expires"),
    ):
        body = assert_problem(await gateway.client.get(path + query), 422)
        assert body["errors"][0]["field"] == field
    for path in ("/api/v1/artifacts/", "/api/v1/artifacts/x/categorizer", "/api/v1/artifacts/a/b/c/d"):
        assert (await gateway.client.get(path)).status_code == 404
    assert_problem(await gateway.client.get("/api/v1/artifacts"), 401)
    assert_problem(await gateway.client.get("/api/v1/artifacts/../transactions"), 401)
    assert not fake.requests


async def test_an_artefact_that_breaks_off_is_not_taken_for_whole(gateway: Gateway, fake: FakeSubject) -> None:
    fake.steps["ReadArtifact"].append(Unavailable("Away.", reason="STORAGE_UNAVAILABLE"))
    fake.steps["ReadArtifact"][0].size_bytes = 100
    answer = await gateway.client.get(ARTIFACT)
    assert len(answer.content) < int(answer.headers["content-length"])
    fake.steps["ReadArtifact"] = []
    assert_problem(await gateway.client.get(ARTIFACT), 503, "ARTIFACT_INCOMPLETE")


async def test_addresses_are_counted_by_the_limiter(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=2)
    statuses = [(await gateway.client.get(ARTIFACT)).status_code for _ in range(3)]
    assert statuses[2] == 429
