"""`scale rules`, `scale edit`, `scale edits` and `scale undo`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import FakeGateway, Scale

RULE = "019b76da-a800-7000-8000-0000000000d0"
EDIT = "019b76da-a800-7000-8000-0000000000e0"
SHOWN: dict[str, Any] = {
    "id": RULE,
    "name": "Supermarket",
    "filter": "[rewe]",
    "category": "groceries",
    "merchant": None,
    "note": "food",
    "position": 1,
    "active": True,
    "problem": None,
}
DONE = {
    "id": EDIT,
    "undo_token": EDIT,
    "filter": "rewe",
    "matched": 3,
    "changed": 2,
    "rule_id": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "expires_at": "2026-03-03T08:00:00.000000Z",
    "undone_at": None,
}


def test_rules_are_listed_with_what_they_do(scale: Scale, gateway: FakeGateway) -> None:
    broken = SHOWN | {"position": 2, "problem": "its category 'x' is none of your categories"}
    gateway.answer("GET /api/v1/rules", {"items": [SHOWN, broken, SHOWN | {"active": False}], "next_page_token": None})
    result = scale("rules")
    assert result.exit_code == 0, result.output
    _, on, told, off = result.output.splitlines()
    assert "[rewe]" in on
    assert "category 'groceries', note 'food'" in on
    assert on.split()[-2:] == ["on", RULE]
    assert "none of your categories" in told
    assert off.split()[-2:] == ["off", RULE]


def test_a_rule_is_added_and_applied(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/rules", SHOWN)
    gateway.answer(f"POST /api/v1/rules/{RULE}/apply", DONE | {"rule_id": RULE})
    result = scale("rules", "add", "Supermarket", "rewe", "--category", "groceries", "--position", "1", "--apply")
    assert result.exit_code == 0, result.output
    assert json.loads(gateway.seen[0].body) == {"name": "Supermarket", "filter": "rewe", "category": "groceries", "position": 1}
    assert f"Rule {RULE} is number 1." in result.output
    assert f"`scale undo {EDIT}` takes it back until 2026-03-03." in result.output


def test_a_rule_must_do_something(scale: Scale, gateway: FakeGateway) -> None:
    assert scale("rules", "add", "Supermarket", "rewe").exit_code == 2
    assert scale("edit", "--filter", "rewe").exit_code == 2
    assert not gateway.seen


def test_a_rule_is_tried(scale: Scale, gateway: FakeGateway) -> None:
    one = {"transaction_date": "2026-01-31", "amount": "-1.00", "currency": "EUR", "description": "REWE", "merchant": None}
    gateway.answer("POST /api/v1/rules/preview", {"matched": 3, "changed": 2, "transactions": [one]})
    result = scale("rules", "preview", "rewe", "--merchant", "REWE")
    assert "3 transactions found, 2 would change." in result.output
    assert "2026-01-31" in result.output
    assert json.loads(gateway.seen[0].body) == {"filter": "rewe", "merchant": "REWE", "sample_size": 10}


@pytest.mark.parametrize(
    ("command", "body"), [(("off", RULE), {"active": False}), (("on", RULE), {"active": True}), (("move", RULE, "2"), {"position": 2})]
)
def test_a_rule_is_changed(scale: Scale, gateway: FakeGateway, command: tuple[str, ...], body: dict[str, Any]) -> None:
    gateway.answer(f"PATCH /api/v1/rules/{RULE}", SHOWN | body)
    result = scale("rules", *command)
    assert result.exit_code == 0, result.output
    assert json.loads(gateway.seen[0].body) == body


def test_a_rule_is_applied_undone_and_removed(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"POST /api/v1/rules/{RULE}/apply", DONE)
    gateway.answer(f"POST /api/v1/rules/{RULE}/undo", {"restored": 2, "kept": 1})
    gateway.answer(f"DELETE /api/v1/rules/{RULE}", b"", status=204)
    assert "3 transactions found, 2 changed." in scale("rules", "apply", RULE).output
    assert scale("rules", "undo", RULE).output.splitlines() == [
        "2 transactions are as before.",
        "1 were changed since and stay as they are.",
    ]
    assert f"`scale rules undo {RULE}`" in scale("rules", "remove", RULE).output


def test_edit_says_how_to_take_it_back(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("PATCH /api/v1/transactions", DONE)
    result = scale("edit", "--filter", "rewe", "--category", "none", "--note", "", "--status", "void")
    assert result.exit_code == 0, result.output
    assert json.loads(gateway.seen[0].body) == {"filter": "rewe", "dry_run": False, "category": None, "note": None, "status": "void"}
    assert f"`scale undo {EDIT}`" in result.output


def test_dry_run_only_counts(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("PATCH /api/v1/transactions", DONE | {"id": None, "undo_token": None})
    result = scale("edit", "--filter", "rewe", "--category", "groceries", "--dry-run")
    assert result.output.splitlines() == ["3 transactions found, 2 would change."]
    assert json.loads(gateway.seen[0].body) == {"filter": "rewe", "dry_run": True, "category": "groceries"}


def test_undo_and_list(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"POST /api/v1/edits/{EDIT}/undo", DONE | {"restored": 2, "kept": 0})
    gateway.answer("GET /api/v1/edits", {"items": [DONE], "next_page_token": None})
    assert scale("undo", EDIT).output.splitlines() == ["2 transactions are as before."]
    assert EDIT in scale("edits").output
