"""Edits in REST."""

from __future__ import annotations

from typing import Any

import pytest

from scale.accounts.v1 import edits_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.gateway.idempotency import HEADER
from services.kit.errors import FailedPrecondition
from tests.support.gateway_app import Gateway, assert_problem
from tests.support.upstream_fakes import FakeSubject

EDIT_ID = "019b76da-a800-7000-8000-0000000000e0"
INSTANT = "2026-02-02T02:40:00.000000Z"
SHOWN = {
    "id": EDIT_ID,
    "undo_token": EDIT_ID,
    "filter": "merchant:rewe",
    "matched": 3,
    "changed": 2,
    "rule_id": None,
    "import_id": None,
    "created_at": INSTANT,
    "expires_at": INSTANT,
    "undone_at": None,
}


def edit(**changes: Any) -> pb.Edit:
    message = pb.Edit(**{"edit_id": EDIT_ID, "filter": "merchant:rewe", "matched_count": 3, "changed_count": 2, **changes})
    message.create_time.seconds = message.expire_time.seconds = 1_770_000_000
    return message


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.subjects["EditsService"]
    undone = edit()
    undone.undo_time.seconds = 1_770_000_000
    found.answers = {
        "EditTransactions": pb.EditTransactionsResponse(edit=edit()),
        "GetEdit": pb.GetEditResponse(edit=edit()),
        "ListEdits": pb.ListEditsResponse(edits=[edit()], next_page_token="more"),
        "UndoEdit": pb.UndoEditResponse(edit=undone, restored_count=2, kept_count=1),
    }
    return found


async def test_edit_transactions(gateway: Gateway, fake: FakeSubject) -> None:
    body = {"filter": "merchant:rewe", "category": "groceries", "note": None, "status": "void"}
    answer = await gateway.patch("/api/v1/transactions", json=body, headers={HEADER: "once"})
    assert (answer.status_code, answer.json()) == (200, SHOWN)
    (request,) = fake.requests
    assert (request.filter, request.category, request.status) == ("merchant:rewe", "groceries", nouns.TRANSACTION_STATUS_VOID)
    assert request.HasField("note")
    assert (request.note, request.dry_run) == ("", False)
    await gateway.patch("/api/v1/transactions", json=body, headers={HEADER: "once"})
    assert fake.requests[1].request_id == request.request_id


async def test_only_what_is_there_is_changed(gateway: Gateway, fake: FakeSubject) -> None:
    fake.answers["EditTransactions"] = pb.EditTransactionsResponse(edit=edit(edit_id=""))
    answer = await gateway.patch("/api/v1/transactions", json={"filter": "x", "category": None, "dry_run": True})
    assert (answer.json()["id"], answer.json()["undo_token"], answer.json()["changed"]) == (None, None, 2)
    (request,) = fake.requests
    assert request.HasField("category")
    assert (request.category, request.HasField("note"), request.status, request.dry_run) == ("", False, 0, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": "x"},
        {"filter": "x", "dry_run": True},
        {"filter": "", "note": "x"},
        {"note": "x"},
        {"filter": "x", "status": None},
        {"filter": "x", "status": "gone"},
        {"filter": "x", "note": "y" * 2001},
        {"filter": "x" * 4001, "note": "y"},
        {"filter": "x", "merchant": "y"},
    ],
)
async def test_wrong_bodies_are_refused_at_the_door(gateway: Gateway, fake: FakeSubject, body: dict[str, Any]) -> None:
    assert_problem(await gateway.patch("/api/v1/transactions", json=body), 422)
    assert not fake.requests


async def test_list_get_and_undo(gateway: Gateway, fake: FakeSubject) -> None:
    assert (await gateway.get("/api/v1/edits?page_size=2")).json() == {"items": [SHOWN], "next_page_token": "more"}
    assert fake.requests[-1].page_size == 2
    assert (await gateway.get(f"/api/v1/edits/{EDIT_ID}")).json() == SHOWN
    answer = await gateway.post(f"/api/v1/edits/{EDIT_ID}/undo")
    assert (answer.status_code, answer.json()) == (200, SHOWN | {"undone_at": INSTANT, "restored": 2, "kept": 1})
    assert fake.requests[-1].edit_id == EDIT_ID


async def test_too_old_to_undo_is_a_conflict(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = FailedPrecondition("Too old.", reason="EDIT_EXPIRED")
    assert_problem(await gateway.post(f"/api/v1/edits/{EDIT_ID}/undo"), 409, "EDIT_EXPIRED")
