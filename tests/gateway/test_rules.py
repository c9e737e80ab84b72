"""Rules in REST."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from scale.accounts.v1 import edits_service_pb2 as edits_pb
from scale.accounts.v1 import rules_service_pb2 as pb
from services.gateway.idempotency import HEADER
from tests.support.gateway_app import Gateway, assert_problem
from tests.support.upstream_fakes import FakeSubject, transaction

RULE_ID = "019b76da-a800-7000-8000-0000000000d0"
INSTANT = "2026-02-02T02:40:00.000000Z"
NEW: dict[str, Any] = {"name": "Supermarket", "filter": "rewe", "category": "groceries"}
SHOWN = NEW | {
    "id": RULE_ID,
    "merchant": None,
    "note": None,
    "position": 1,
    "active": True,
    "problem": None,
    "created_at": INSTANT,
    "updated_at": INSTANT,
}


def rule(**changes: Any) -> pb.Rule:
    message = pb.Rule(**{**NEW, "rule_id": RULE_ID, "position": 1, "active": True, **changes})
    message.create_time.seconds = message.update_time.seconds = 1_770_000_000
    return message


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.subjects["RulesService"]
    edit = edits_pb.Edit(edit_id=RULE_ID, filter="rewe", matched_count=3, changed_count=2, rule_id=RULE_ID)
    found.answers = {
        "CreateRule": pb.CreateRuleResponse(rule=rule()),
        "GetRule": pb.GetRuleResponse(rule=rule()),
        "ListRules": pb.ListRulesResponse(rules=[rule(problem="its category is gone")], next_page_token="more"),
        "UpdateRule": pb.UpdateRuleResponse(rule=rule(active=False)),
        "PreviewRule": pb.PreviewRuleResponse(matched_count=3, changed_count=2, transactions=[transaction()]),
        "ApplyRule": pb.ApplyRuleResponse(edit=edit),
        "UndoRule": pb.UndoRuleResponse(restored_count=2, kept_count=1),
    }
    return found


async def test_create_rule(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.post("/api/v1/rules", json=NEW, headers={HEADER: "once"})
    assert (answer.status_code, answer.json()) == (201, SHOWN)
    assert answer.headers["location"] == f"/api/v1/rules/{RULE_ID}"
    (request,) = fake.requests
    assert request.rule == pb.Rule(**NEW, active=True)
    assert len(request.request_id) == 36


async def test_list_and_get_rules(gateway: Gateway, fake: FakeSubject) -> None:
    assert (await gateway.get("/api/v1/rules")).json() == {
        "items": [SHOWN | {"problem": "its category is gone"}],
        "next_page_token": "more",
    }
    assert (await gateway.get(f"/api/v1/rules/{RULE_ID}")).json() == SHOWN


async def test_update_rule_names_what_it_changes(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.patch(f"/api/v1/rules/{RULE_ID}", json={"category": None, "active": False, "position": 2})
    assert answer.json() == SHOWN | {"active": False}
    (request,) = fake.requests
    assert request.rule == pb.Rule(rule_id=RULE_ID, active=False, position=2)
    assert request.update_mask == FieldMask(paths=["active", "category", "position"])


async def test_delete_rule(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.delete(f"/api/v1/rules/{RULE_ID}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert fake.requests[0].rule_id == RULE_ID


async def test_preview_rule(gateway: Gateway, fake: FakeSubject) -> None:
    body = {"filter": "rewe", "category": "groceries", "rule_id": RULE_ID, "sample_size": 5}
    answer = (await gateway.post("/api/v1/rules/preview", json=body)).json()
    assert (answer["matched"], answer["changed"], len(answer["transactions"])) == (3, 2, 1)
    (request,) = fake.requests
    assert request.rule == pb.Rule(rule_id=RULE_ID, filter="rewe", category="groceries")
    assert request.sample_size == 5


async def test_apply_and_undo_rule(gateway: Gateway, fake: FakeSubject) -> None:
    applied = (await gateway.post(f"/api/v1/rules/{RULE_ID}/apply", headers={HEADER: "once"})).json()
    assert (applied["undo_token"], applied["rule_id"], applied["changed"]) == (RULE_ID, RULE_ID, 2)
    await gateway.post(f"/api/v1/rules/{RULE_ID}/apply", headers={HEADER: "once"})
    assert fake.requests[0] == fake.requests[1]
    assert (await gateway.post(f"/api/v1/rules/{RULE_ID}/undo")).json() == {"restored": 2, "kept": 1}


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": "x", "filter": "rewe"}),
        ("", {"filter": "rewe", "note": "x"}),
        ("", {"name": "", "filter": "rewe", "note": "x"}),
        ("", NEW | {"position": 0}),
        ("", NEW | {"merchant": "x" * 201}),
        ("", NEW | {"active": "yes"}),
        ("/preview", {"filter": "rewe"}),
        ("/preview", {"note": "x"}),
        ("/preview", {"filter": "rewe", "note": "x", "rule_id": "one"}),
        ("/preview", {"filter": "rewe", "note": "x", "sample_size": False}),
    ],
)
async def test_wrong_bodies_are_refused_at_the_door(gateway: Gateway, fake: FakeSubject, path: str, body: dict[str, Any]) -> None:
    assert_problem(await gateway.post(f"/api/v1/rules{path}", json=body), 422)
    assert not fake.requests
