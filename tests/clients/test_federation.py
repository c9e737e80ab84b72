"""`scale federation`: what it asks, and how it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import FakeGateway, Scale
from tests.gateway.test_federation import DEVICE, ROUND, SHOWN_DEVICE, SHOWN_MODEL, SHOWN_ROUND

API = "/api/v1/federation"
OPEN: dict[str, Any] = SHOWN_ROUND | {
    "state": "open", "stage": "uploading", "version": None, "accuracy": None, "contributors": 0, "epsilon_unamplified": 0.0,
    "closed_at": None,
}  # fmt: skip
FAILED: dict[str, Any] = SHOWN_ROUND | {
    "number": 56, "state": "failed", "version": None, "accuracy": None, "contributors": 9, "dropped": 3, "reason": "TOO_FEW_CONTRIBUTORS",
    "reason_message": "9 updates came; a model is made of at least 10.",
}  # fmt: skip
STATUS: dict[str, Any] = {
    "active": True,
    "open_round": None,
    "available_devices": 14,
    "model_version": 43,
    "spent_epsilon": 2.5,
    "budget_epsilon": 8.0,
    "budget_delta": 1e-5,
    "next_round_at": "2026-02-01T12:00:00.000000Z",
}


def test_the_status_in_words(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {API}/status", STATUS)
    gateway.answer(f"GET {API}/status", STATUS | {"open_round": OPEN, "next_round_at": None, "active": False})
    first, second = scale("federation", "status"), scale("federation", "status")
    assert first.exit_code == second.exit_code == 0
    for words in ("is at work", "14", "version 43", "2.50 of 8", "delta 1e-05", "2026-02-01 12:00 UTC"):
        assert words in first.output
    for words in ("stands by", "next round of the clock: none", "Round 57: open, uploading", "13 devices asked"):
        assert words in second.output


def test_the_status_for_a_program(scale: Scale, gateway: FakeGateway) -> None:
    told = STATUS | {"open_round": OPEN, "spent_epsilon": None}
    gateway.answer(f"GET {API}/status", told)
    result = scale("federation", "status", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == told


@pytest.mark.parametrize("reason", ["ROLE_NOT_ALLOWED", "ADMINS_ONLY"])
def test_who_is_no_administrator_hears_how_to_be_one(scale: Scale, gateway: FakeGateway, reason: str) -> None:
    gateway.answer(f"GET {API}/status", {"title": "Forbidden", "status": 403, "reason": reason, "detail": "For the role admin."}, 403)
    result = scale("federation", "status")
    assert result.exit_code == 1
    assert "`scale token --admin`" in f"{result.output}{result.exception}"


@pytest.mark.parametrize(
    "asked",
    [
        ("simulate", "--epsilon", "nan"),
        ("simulate", "--epsilon", "inf"),
        ("simulate", "--drop", "nan"),
        ("simulate", "--poison", "nan"),
        ("start", "--noise-multiplier", "nan"),
    ],
)
def test_what_is_no_number_is_refused_before_anything_begins(scale: Scale, gateway: FakeGateway, asked: tuple[str, ...]) -> None:
    result = scale("federation", *asked)
    assert result.exit_code == 2
    assert asked[1] in result.output
    assert "not a finite number" in result.output
    assert gateway.seen == []


def test_rounds_are_listed_with_why_some_made_nothing(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {API}/rounds", {"items": [SHOWN_ROUND, FAILED], "next_page_token": None})
    result = scale("federation", "rounds")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[1:] == [
        ["2026-02-02", "57", "published", "43", "11", "2", "2.50", "0.8300", ROUND],
        ["2026-02-02", "56", "failed", "9", "3", "2.50", "TOO_FEW_CONTRIBUTORS", ROUND],
    ]
    gateway.answers.clear()
    gateway.answer(f"GET {API}/rounds", {"items": [], "next_page_token": None})
    assert "`scale federation start` opens one" in scale("federation", "rounds").output


def test_a_round_is_begun_as_it_was_said_and_waited_for(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"POST {API}/rounds", OPEN, 201)
    gateway.answer(f"GET {API}/rounds/{ROUND}", OPEN)
    gateway.answer(f"GET {API}/rounds/{ROUND}", SHOWN_ROUND)
    result = scale("federation", "start", "--algorithm", "fedprox", "--target", "20", "--noise-multiplier", "0", "--no-promote", "--silos")
    assert result.exit_code == 0, result.output
    assert json.loads(gateway.seen[0].body) == {
        "algorithm": "fedprox",
        "target": 20,
        "noise_multiplier": 0,
        "promote": False,
        "silos": True,
    }
    for words in ("Round 57: published", "13 devices asked, 11 in the sum, 2 lost", "version 43, trained from 42", "0.8300, before 0.8200"):
        assert words in result.output
    assert "epsilon 2.50 (0.50 amplified by sampling)" in result.output
    left = scale("federation", "start", "--no-wait")
    assert json.loads(gateway.seen[-1].body) == {}
    assert "Round 57 is open" in left.output


def test_a_round_without_a_model_is_a_failure_that_says_why(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"POST {API}/rounds", FAILED, 201)
    result = scale("federation", "start")
    assert result.exit_code == 1
    assert "a model is made of at least 10. (TOO_FEW_CONTRIBUTORS)" in result.output


def test_another_round_that_is_open_is_followed_and_said_to_be_anothers(scale: Scale, gateway: FakeGateway) -> None:
    taken = {"title": "Conflict", "status": 409, "reason": "ROUND_OPEN", "detail": "One is open.", "round_id": ROUND}
    gateway.answer(f"POST {API}/rounds", taken, 409)
    gateway.answer(f"GET {API}/rounds/{ROUND}", SHOWN_ROUND)
    result = scale("federation", "start")
    assert result.exit_code == 0, result.output
    assert "yours was not begun" in result.output
    gateway.answers.clear()
    gateway.answer(f"POST {API}/rounds", {"title": "Conflict", "status": 409, "reason": "BUDGET_SPENT", "detail": "It is spent."}, 409)
    spent = scale("federation", "start")
    assert spent.exit_code == 1
    assert "It is spent" in f"{spent.output}{spent.exception}"


def test_the_open_round_is_given_up_or_the_named_one(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {API}/status", STATUS | {"open_round": OPEN})
    gateway.answer(f"GET {API}/status", STATUS)
    gateway.answer(f"POST {API}/rounds/{ROUND}/abort", SHOWN_ROUND | {"state": "aborted"})
    assert "Round 57 is given up" in scale("federation", "abort").output
    none = scale("federation", "abort")
    assert none.exit_code == 1
    assert "No round is open" in f"{none.output}{none.exception}"
    assert scale("federation", "abort", ROUND).exit_code == 0
    assert [one.method for one in gateway.seen] == ["GET", "POST", "GET", "POST"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (SHOWN_MODEL, ["Version 43", "trained from version 42 by 11 devices, 2026-02-02 02:40 UTC", "0.8300", "epsilon 2.50"]),
        (SHOWN_MODEL | {"round_id": None, "parent_version": None, "accuracy": None}, ["the first: made of the model"]),
        (SHOWN_MODEL | {"round_id": None, "registry_version": "7-1a2b3c4d"}, ["trained on from an earlier version", "7-1a2b3c4d"]),
    ],
)
def test_the_newest_model_and_where_it_came_from(scale: Scale, gateway: FakeGateway, model: dict[str, Any], words: list[str]) -> None:
    gateway.answer(f"GET {API}/model", model)
    output = scale("federation", "model").output
    assert [word for word in words if word not in output] == []
    assert "encoder 9f9f9f9f9f9f, 4200000 bytes" in output


def test_what_has_no_bound_is_said_so(scale: Scale, gateway: FakeGateway) -> None:
    unbounded = {"epsilon": None, "epsilon_unamplified": None}
    gateway.answer(f"GET {API}/status", STATUS | {"spent_epsilon": None, "open_round": OPEN | unbounded})
    shown = scale("federation", "status").output
    assert "without bound of 8 spent" in shown
    assert "epsilon without bound (without bound amplified by sampling)" in shown
    gateway.answer(f"GET {API}/model", SHOWN_MODEL | unbounded)
    assert "epsilon without bound" in scale("federation", "model").output
    gateway.answer(f"GET {API}/devices", {"items": [SHOWN_DEVICE | {"spent_epsilon": None}], "next_page_token": None})
    assert "without bound of 8" in " ".join(scale("federation", "devices").output.split())


def test_versions_forwards_and_back(scale: Scale, gateway: FakeGateway) -> None:
    listed = SHOWN_MODEL | {"registry_version": "7-1a2b3c4d"}
    gateway.answer(f"GET {API}/model/versions", {"items": [listed], "next_page_token": None})
    lines = [line.split() for line in scale("federation", "versions").output.splitlines()]
    assert lines[1] == ["2026-02-02", "43", "42", "11", "0.8300", "2.50", "7-1a2b3c4d"]
    gateway.answer(f"POST {API}/model/promote", listed)
    promoted = scale("federation", "promote", "43").output.strip()
    assert promoted == "Version 43 (7-1a2b3c4d in the registry) answers in categorization, within a minute."
    gateway.answer(f"POST {API}/model/rollback", SHOWN_MODEL | {"version": 44})
    assert scale("federation", "rollback", "42").output.strip() == (
        "Version 44 has the content of version 42: devices train on from there."
    )
    assert [json.loads(one.body) for one in gateway.seen[1:]] == [{"version": 43}, {"version": 42}]


def test_devices_and_what_they_have_spent(scale: Scale, gateway: FakeGateway) -> None:
    devices = [
        SHOWN_DEVICE,
        SHOWN_DEVICE | {"revoked_at": SHOWN_DEVICE["created_at"], "last_seen_at": None},
        SHOWN_DEVICE | {"enrolled_at": None},
        SHOWN_DEVICE | {"spent_epsilon": 8.0},
    ]
    gateway.answer(f"GET {API}/devices", {"items": devices, "next_page_token": None})
    lines = scale("federation", "devices").output.splitlines()[1:]
    assert [
        word for word, line in zip(("takes part", "revoked", "enrolled again", "budget spent"), lines, strict=True) if word not in line
    ] == []
    assert "2.50 of 8" in lines[0]
    assert "never" in lines[1]
    gateway.answer(f"DELETE {API}/devices/{DEVICE}", SHOWN_DEVICE | {"revoked_at": SHOWN_DEVICE["created_at"]})
    assert scale("federation", "revoke", DEVICE).output.strip() == "My phone takes part in no round any more."
    gateway.answers.clear()
    gateway.answer(f"GET {API}/devices", {"items": [], "next_page_token": None})
    assert scale("federation", "devices").output.strip() == "None of your devices takes part."
