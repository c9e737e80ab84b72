"""Federated learning in REST: the model and its parts, a user's devices, and the rounds, which are for administrators."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import httpx
import pytest

from scale.federation.v1 import devices_service_pb2 as devices_pb
from scale.federation.v1 import federated_model_service_pb2 as models_pb
from scale.federation.v1 import round_pb2
from scale.federation.v1 import rounds_service_pb2 as rounds_pb
from services.gateway.schemas import federation as schemas
from services.kit.errors import AlreadyExists, FailedPrecondition, NotFound, PermissionDenied, Unavailable
from tests.support.gateway_app import Gateway, assert_problem, bearer

ROUND = "019b76da-a800-7000-8000-0000000000f1"
DEVICE = "019b76da-a800-7000-8000-0000000000d1"
SECONDS = 1_770_000_000
INSTANT = "2026-02-02T02:40:00.000000Z"
API = "/api/v1/federation"
HEAD = f"{API}/models/43/head?expires=1770000900&signature=0a1b2c3d.abc_-9"
URL = "/api/v1/federation/models/43/head?expires=1&signature=x"
HASH = "1a" * 32
SHOWN_MODEL: dict[str, Any] = {
    "version": 43,
    "parent_version": 42,
    "round_id": ROUND,
    "contributors": 11,
    "encoder_hash": "9f" * 32,
    "encoder_size_bytes": 4_200_000,
    "head_hash": HASH,
    "head_size_bytes": 12,
    "accuracy": 0.83,
    "epsilon": 0.5,
    "epsilon_unamplified": 2.5,
    "metrics": {"dropped": 2},
    "registry_version": None,
    "head_download_url": URL,
    "encoder_download_url": URL,
    "download_expires_at": INSTANT,
    "created_at": INSTANT,
}
SHOWN_ROUND: dict[str, Any] = {
    "round_id": ROUND,
    "number": 57,
    "state": "published",
    "stage": None,
    "reason": None,
    "reason_message": None,
    "base_version": 42,
    "version": 43,
    "plan": {
        "algorithm": "fedprox",
        "epochs": 2,
        "learning_rate": 0.5,
        "batch_size": 16,
        "proximal_mu": 0.25,
        "weight_cap": 0,
        "update_length": 6144,
        "privacy": {
            "clip_norm": 1.0,
            "noise_multiplier": 4.5,
            "noise_contributors": 10,
            "delta": 1e-5,
            "example_noise_multiplier": 1.0,
            "example_clip_norm": 2.0,
        },
        "secure_aggregation": {"word_bits": 16, "quantization_scale": 0.5, "complete_graph_limit": 32, "neighbors": 24, "clip_norm": 1.0},
    },
    "selected": 13,
    "contributors": 11,
    "dropped": 2,
    "bytes_up": 135_168,
    "accuracy": 0.83,
    "base_accuracy": 0.82,
    "update_norm": 0.21,
    "epsilon": 0.5,
    "epsilon_unamplified": 2.5,
    "trigger": "schedule",
    "opened_at": INSTANT,
    "closed_at": INSTANT,
}
SHOWN_DEVICE: dict[str, Any] = {
    "device_id": DEVICE,
    "public_key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
    "display_name": "My phone",
    "platform": "ios 19.1",
    "created_at": INSTANT,
    "enrolled_at": INSTANT,
    "last_seen_at": INSTANT,
    "revoked_at": None,
    "rounds": 3,
    "spent_epsilon": 2.5,
    "budget_epsilon": 8.0,
}


def model(**changes: Any) -> models_pb.FederatedModelVersion:
    message = models_pb.FederatedModelVersion(
        version=43, parent_version=42, round_id=ROUND, contributor_count=11, encoder_hash="9f" * 32, encoder_size_bytes=4_200_000,
        head_hash=HASH, head_size_bytes=12, accuracy_ratio=0.83, epsilon=0.5, unamplified_epsilon=2.5, head_download_url=URL,
        encoder_download_url=URL,
    )  # fmt: skip
    message.metrics.update({"dropped": 2})
    message.create_time.seconds = message.download_expire_time.seconds = SECONDS
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def one_round(**changes: Any) -> round_pb2.Round:
    message = round_pb2.Round(
        round_id=ROUND, number=57, state=round_pb2.ROUND_STATE_PUBLISHED, base_version=42, version=43, selected_count=13,
        contributor_count=11, dropped_count=2, bytes_up=135_168, accuracy_ratio=0.83, base_accuracy_ratio=0.82, update_norm=0.21,
        epsilon=0.5, unamplified_epsilon=2.5, trigger="schedule",
    )  # fmt: skip
    plan = message.plan
    plan.algorithm, plan.epochs, plan.learning_rate, plan.batch_size = round_pb2.ALGORITHM_FEDPROX, 2, 0.5, 16
    plan.proximal_mu, plan.update_length = 0.25, 6144
    plan.privacy.clip_norm, plan.privacy.noise_multiplier, plan.privacy.noise_contributor_count = 1.0, 4.5, 10
    plan.privacy.delta, plan.privacy.example_noise_multiplier, plan.privacy.example_clip_norm = 1e-5, 1.0, 2.0
    masking = plan.secure_aggregation
    masking.word_bits, masking.quantization_scale, masking.complete_graph_limit, masking.neighbor_count = 16, 0.5, 32, 24
    masking.clip_norm = 1.0
    message.open_time.seconds = message.close_time.seconds = SECONDS
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def device(**changes: Any) -> devices_pb.Device:
    message = devices_pb.Device(
        device_id=DEVICE, public_key=b"\x07" * 32, display_name="My phone", platform="ios 19.1", round_count=3, spent_epsilon=2.5,
        budget_epsilon=8.0,
    )  # fmt: skip
    message.create_time.seconds = message.enroll_time.seconds = message.last_seen_time.seconds = SECONDS
    for name, value in changes.items():
        setattr(message, name, value)
    return message


async def as_admin(gateway: Gateway, method: str, path: str, **options: Any) -> httpx.Response:
    return await gateway.request(method, f"{API}{path}", headers=bearer(gateway.user_id, role="admin"), **options)


# The model


@pytest.mark.requirement("FED-11")
async def test_the_newest_model_and_its_alias(gateway: Gateway) -> None:
    gateway.federated_model.answers["GetFederatedModel"] = models_pb.GetFederatedModelResponse(model_version=model())
    for path in (f"{API}/model", "/api/v1/federated/model"):
        answer = await gateway.get(path)
        schemas.FederatedModel.model_validate(answer.json())
        assert answer.json() == SHOWN_MODEL
        assert answer.headers["cache-control"] == "no-store"
    assert gateway.federated_model.callers == [gateway.user_id] * 2


async def test_the_first_version_has_no_parent_no_round_and_no_figures(gateway: Gateway) -> None:
    first = models_pb.FederatedModelVersion(version=1, encoder_hash="9f" * 32, head_hash=HASH)
    first.create_time.seconds = SECONDS
    gateway.federated_model.answers["GetFederatedModel"] = models_pb.GetFederatedModelResponse(model_version=first)
    body = (await gateway.get(f"{API}/model")).json()
    schemas.FederatedModel.model_validate(body)
    unset = ("parent_version", "round_id", "accuracy", "registry_version", "head_download_url", "download_expires_at")
    assert {name: body[name] for name in unset} == dict.fromkeys(unset)


async def test_without_noise_there_is_no_bound_to_what_was_spent(gateway: Gateway) -> None:
    unbounded = model(epsilon=math.inf, unamplified_epsilon=math.inf)
    gateway.federated_model.answers["GetFederatedModel"] = models_pb.GetFederatedModelResponse(model_version=unbounded)
    body = (await gateway.get(f"{API}/model")).json()
    schemas.FederatedModel.model_validate(body)
    assert body == SHOWN_MODEL | {"epsilon": None, "epsilon_unamplified": None}


async def test_versions_by_pages_forwards_and_back(gateway: Gateway) -> None:
    fake = gateway.federated_model
    listed = model(head_download_url="", encoder_download_url="")
    listed.ClearField("download_expire_time")
    fake.answers["ListFederatedModelVersions"] = models_pb.ListFederatedModelVersionsResponse(model_versions=[listed], next_page_token="on")
    answer = await as_admin(gateway, "GET", "/model/versions?page_size=5000&page_token=abc")
    schemas.FederatedModelPage.model_validate(answer.json())
    unset = {"head_download_url": None, "encoder_download_url": None, "download_expires_at": None}
    assert answer.json() == {"items": [SHOWN_MODEL | unset], "next_page_token": "on"}
    fake.answers["PromoteFederatedModel"] = models_pb.PromoteFederatedModelResponse(model_version=model(registry_version="7-1a2b3c4d"))
    promoted = await as_admin(gateway, "POST", "/model/promote", json={"version": 43})
    assert promoted.json() == SHOWN_MODEL | {"registry_version": "7-1a2b3c4d"}
    fake.answers["RollBackFederatedModel"] = models_pb.RollBackFederatedModelResponse(model_version=model(version=44))
    assert (await as_admin(gateway, "POST", "/model/rollback", json={"version": 42})).json()["version"] == 44
    assert fake.requests == [
        models_pb.ListFederatedModelVersionsRequest(page_size=1000, page_token="abc"),
        models_pb.PromoteFederatedModelRequest(version=43),
        models_pb.RollBackFederatedModelRequest(version=42),
    ]
    fake.error = NotFound("There is no version 99.", reason="MODEL_VERSION_NOT_FOUND")
    assert_problem(await as_admin(gateway, "POST", "/model/promote", json={"version": 99}), 404, "MODEL_VERSION_NOT_FOUND")


async def test_an_address_of_a_part_needs_no_token_and_names_nobody(gateway: Gateway) -> None:
    """FED-02, FED-16: the version is in the address, and what is behind it may be kept."""
    fake = gateway.federated_model
    fake.steps["ReadModelPart"] = [
        models_pb.ReadModelPartResponse(chunk=b"first ", content_hash=HASH, size_bytes=12),
        models_pb.ReadModelPartResponse(chunk=b"second"),
    ]
    for headers in ({}, bearer(), {"Authorization": "Bearer nonsense"}):
        answer = await gateway.client.get(HEAD, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"first second")
        assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
        assert answer.headers["content-disposition"] == 'attachment; filename="federated-43-head"'
    wanted = models_pb.ReadModelPartRequest(version=43, name="head", expires=1770000900, signature="0a1b2c3d.abc_-9")
    assert fake.requests == [wanted] * 3
    assert fake.callers == []
    kept = await gateway.client.get(HEAD, headers={"If-None-Match": answer.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionDenied("Expired.", reason="SIGNATURE_EXPIRED"), 403),
        (PermissionDenied("Forged.", reason="SIGNATURE_INVALID"), 403),
        (NotFound("Gone.", reason="MODEL_VERSION_NOT_FOUND"), 404),
        (Unavailable("Away.", reason="STORAGE_UNAVAILABLE"), 503),
    ],
)
async def test_an_address_that_the_service_refuses(gateway: Gateway, error: Any, status: int) -> None:
    gateway.federated_model.error = error
    assert_problem(await gateway.client.get(HEAD), status, error.reason)


async def test_an_address_that_is_none(gateway: Gateway) -> None:
    permission = "?expires=1770000900&signature=x"
    for path, field in (("0/head", "version"), ("x/head", "version"), ("43/weights", "part"), (f"{2**63}/head", "version")):
        body = assert_problem(await gateway.client.get(f"{API}/models/{path}{permission}"), 422)
        assert body["errors"][0]["field"] == field
    assert_problem(await gateway.client.get(f"{API}/models/43/head"), 422)
    assert (await gateway.client.get(f"{API}/models/")).status_code == 404
    assert not gateway.federated_model.requests


# Devices


async def test_a_users_devices_are_listed_and_shut_out(gateway: Gateway) -> None:
    fake = gateway.devices
    fake.answers["ListDevices"] = devices_pb.ListDevicesResponse(devices=[device()], next_page_token="on")
    answer = await gateway.get(f"{API}/devices")
    schemas.DevicePage.model_validate(answer.json())
    assert answer.json() == {"items": [SHOWN_DEVICE], "next_page_token": "on"}
    same = await gateway.get(f"{API}/devices", headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    revoked = device()
    revoked.ClearField("enroll_time")
    revoked.revoke_time.seconds = SECONDS
    fake.answers["RevokeDevice"] = devices_pb.RevokeDeviceResponse(device=revoked)
    gone = await gateway.delete(f"{API}/devices/{DEVICE}")
    assert (gone.status_code, gone.json()) == (200, SHOWN_DEVICE | {"revoked_at": INSTANT, "enrolled_at": None})
    assert fake.requests[-1] == devices_pb.RevokeDeviceRequest(device_id=DEVICE)
    assert fake.callers == [gateway.user_id] * 3
    fake.error = NotFound("There is no such device.", reason="DEVICE_NOT_FOUND")
    assert_problem(await gateway.delete(f"{API}/devices/{UUID(int=7)}"), 404, "DEVICE_NOT_FOUND")
    assert_problem(await gateway.delete(f"{API}/devices/mine"), 422)


# Rounds


ADMINISTRATION = [
    ("GET", "/status"),
    ("GET", "/rounds"),
    ("POST", "/rounds"),
    ("GET", f"/rounds/{ROUND}"),
    ("POST", f"/rounds/{ROUND}/abort"),
    ("GET", "/model/versions"),
    ("POST", "/model/promote"),
    ("POST", "/model/rollback"),
]


@pytest.mark.parametrize(("method", "path"), ADMINISTRATION)
async def test_administration_is_for_administrators(gateway: Gateway, method: str, path: str) -> None:
    """Whatever the body: nothing of it is looked at."""
    assert_problem(await gateway.request(method, f"{API}{path}"), 403, "ROLE_NOT_ALLOWED")
    assert not gateway.rounds.requests
    assert not gateway.federated_model.requests


async def test_a_round_is_started_as_it_was_said_and_only_once(gateway: Gateway) -> None:
    opened = one_round(state=round_pb2.ROUND_STATE_OPEN, stage=round_pb2.ROUND_STAGE_SELECTING, version=0, trigger="admin")
    opened.ClearField("close_time")
    gateway.rounds.answers["StartRound"] = rounds_pb.StartRoundResponse(round=opened)
    said = {"algorithm": "fedmedian", "target": 30, "groups": 3, "secure_aggregation": False, "noise_multiplier": 0, "promote": True}
    answer = await as_admin(gateway, "POST", "/rounds", json=said)
    assert answer.status_code == 201, answer.text
    schemas.Round.model_validate(answer.json())
    assert answer.json() == SHOWN_ROUND | {"state": "open", "stage": "selecting", "version": None, "trigger": "admin", "closed_at": None}
    assert answer.headers["location"] == f"{API}/rounds/{ROUND}"
    options = gateway.rounds.requests[0].options
    # What is zero, or false, was said, too.
    assert options == rounds_pb.RoundOptions(
        algorithm=round_pb2.ALGORITHM_FEDMEDIAN, target_count=30, group_count=3, secure_aggregation=False, noise_multiplier=0, promote=True
    )
    assert not options.HasField("epochs")
    headers = bearer(gateway.user_id, role="admin") | {"Idempotency-Key": "once"}
    for _ in range(2):
        await gateway.request("POST", f"{API}/rounds", headers=headers)
    first, second = gateway.rounds.requests[-2:]
    assert first == second
    assert (len(first.request_id), first.options) == (36, rounds_pb.RoundOptions())


async def test_why_a_round_is_not_started(gateway: Gateway) -> None:
    gateway.rounds.error = AlreadyExists("One is open.", reason="ROUND_OPEN", metadata={"round_id": ROUND})
    body = assert_problem(await as_admin(gateway, "POST", "/rounds"), 409, "ROUND_OPEN")
    assert body["round_id"] == ROUND
    gateway.rounds.error = FailedPrecondition("It is spent.", reason="BUDGET_SPENT")
    assert_problem(await as_admin(gateway, "POST", "/rounds"), 409, "BUDGET_SPENT")
    gateway.rounds.error = Unavailable("Another is at it.", reason="STANDBY")
    assert_problem(await as_admin(gateway, "POST", "/rounds"), 503, "STANDBY")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", 9), ("epochs", 0), ("epochs", 4), ("learning_rate", 0), ("clip_norm", "NaN"), ("noise_multiplier", -1),
        ("algorithm", "krum"), ("stage_seconds", 901), ("groups", 2), ("rounds", 3),
    ],
)  # fmt: skip
async def test_options_that_no_round_can_have(gateway: Gateway, field: str, value: object) -> None:
    """FED-03: one to three epochs."""
    body = assert_problem(await as_admin(gateway, "POST", "/rounds", json={field: value}), 422)
    assert body["errors"][0]["field"] == field
    assert not gateway.rounds.requests


async def test_rounds_one_of_them_and_its_end(gateway: Gateway) -> None:
    fake = gateway.rounds
    failed = one_round(state=round_pb2.ROUND_STATE_FAILED, reason="TOO_FEW_CONTRIBUTORS", reason_message="9 of 10.", version=0)
    fake.answers["ListRounds"] = rounds_pb.ListRoundsResponse(rounds=[failed])
    page = await as_admin(gateway, "GET", "/rounds?page_size=0")
    schemas.RoundPage.model_validate(page.json())
    shown = SHOWN_ROUND | {"state": "failed", "reason": "TOO_FEW_CONTRIBUTORS", "reason_message": "9 of 10.", "version": None}
    assert page.json() == {"items": [shown], "next_page_token": None}
    fake.answers["GetRound"] = rounds_pb.GetRoundResponse(round=one_round())
    found = await as_admin(gateway, "GET", f"/rounds/{ROUND}")
    schemas.Round.model_validate(found.json())
    assert found.json() == SHOWN_ROUND
    plain = one_round(state=round_pb2.ROUND_STATE_ABORTED)
    plain.plan.ClearField("privacy")
    plain.plan.ClearField("secure_aggregation")
    fake.answers["AbortRound"] = rounds_pb.AbortRoundResponse(round=plain)
    aborted = (await as_admin(gateway, "POST", f"/rounds/{ROUND}/abort")).json()
    schemas.Round.model_validate(aborted)
    assert (aborted["state"], aborted["plan"]["privacy"], aborted["plan"]["secure_aggregation"]) == ("aborted", None, None)
    assert fake.requests[1:] == [rounds_pb.GetRoundRequest(round_id=ROUND), rounds_pb.AbortRoundRequest(round_id=ROUND)]
    fake.error = FailedPrecondition("It has ended.", reason="ROUND_OVER")
    assert_problem(await as_admin(gateway, "POST", f"/rounds/{ROUND}/abort"), 409, "ROUND_OVER")


async def test_the_status_with_and_without_an_open_round(gateway: Gateway) -> None:
    status = rounds_pb.GetFederationStatusResponse(
        active=True, available_count=14, model_version=43, spent_epsilon=2.5, budget_epsilon=8, budget_delta=1e-5
    )
    gateway.rounds.answers["GetFederationStatus"] = status
    shown = {
        "active": True, "open_round": None, "available_devices": 14, "model_version": 43, "spent_epsilon": 2.5, "budget_epsilon": 8.0,
        "budget_delta": 1e-5, "next_round_at": None,
    }  # fmt: skip
    assert (await as_admin(gateway, "GET", "/status")).json() == shown
    status.open_round.CopyFrom(one_round(state=round_pb2.ROUND_STATE_OPEN, stage=round_pb2.ROUND_STAGE_UPLOADING))
    status.next_round_time.seconds = SECONDS
    body = (await as_admin(gateway, "GET", "/status")).json()
    schemas.FederationStatus.model_validate(body)
    assert (body["open_round"]["stage"], body["next_round_at"]) == ("uploading", INSTANT)
