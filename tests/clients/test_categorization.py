"""`scale classify`, `why`, `correct`, `recategorize`, `categories` and `suggestions`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import FakeGateway, Scale

TRANSACTION = "019b76da-a800-7000-8000-000000000001"
JOB = "019b76da-a800-7000-8000-0000000000a0"
SUGGESTION = "019b76da-a800-7000-8000-0000000000b0"
ANSWER: dict[str, Any] = {
    "category": "groceries_supermarket",
    "primary_category": "groceries",
    "confidence": 0.934,
    "abstained": False,
    "reasons": ["You put [rewe] into Supermarket 3 times."],
    "alternatives": [{"category": "dining", "primary_category": "dining", "confidence": 0.041}],
    "model_version": "hypcd-1.0.0+1a2b3c4d",
    "source": "user",
    "degraded": False,
}
STARTED: dict[str, Any] = {"id": JOB, "state": "pending", "total": None, "done": 0, "changed": 0, "failure_reason": None}
DONE = STARTED | {"state": "succeeded", "total": 4711, "done": 4711, "changed": 312}
SUGGESTED: dict[str, Any] = {
    "id": SUGGESTION,
    "state": "open",
    "name": "Climbing",
    "primary_category": "entertainment",
    "category": None,
    "transactions": 14,
    "examples": ["BOULDERHALLE [OST]"],
    "reason": "14 payments belong together.",
}


def sent(gateway: FakeGateway) -> Any:
    return json.loads(gateway.seen[-1].body)


def test_classify_says_what_how_sure_and_why(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/classify", ANSWER)
    options = ["--amount", "-12.30", "--currency", "eur", "--date", "2026-01-31", "--merchant", "REWE"]
    result = scale("classify", "REWE SAGT DANKE", *options)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "groceries_supermarket (groceries), 93 % sure",
        "  You put [rewe] into Supermarket 3 times.",
        "  else: dining 4 %",
        "  by your own corrections, hypcd-1.0.0+1a2b3c4d",
    ]
    assert sent(gateway) == {
        "description": "REWE SAGT DANKE",
        "amount": "-12.30",
        "currency": "EUR",
        "date": "2026-01-31",
        "merchant": "REWE",
    }


def test_the_currency_is_that_of_the_profile(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/profile", {"default_currency": "CHF"})
    gateway.answer("POST /api/v1/classify", ANSWER | {"category": "groceries", "alternatives": [], "source": "model"})
    result = scale("classify", "MIGROS", "--amount", "-3")
    assert result.output.splitlines()[0] == "groceries, 93 % sure"
    assert sent(gateway) == {"description": "MIGROS", "amount": "-3", "currency": "CHF"}


def test_an_abstention_and_missing_models_are_told(scale: Scale, gateway: FakeGateway) -> None:
    unsure = {"category": "uncategorized", "primary_category": "uncategorized", "abstained": True, "confidence": 0.2}
    gateway.answer("POST /api/v1/classify", ANSWER | unsure | {"source": "fallback", "model_version": "rules-1", "degraded": True})
    lines = scale("classify", "X", "--amount", "1", "--currency", "EUR").output.splitlines()
    assert lines[0] == "uncategorized: nothing was likely enough"
    assert lines[-2:] == [
        "  by the rules that ship with SCALE, rules-1",
        "  The model is missing: simple rules answer until it is back.",
    ]


@pytest.mark.parametrize("options", [["--amount", "3,50"], ["--amount", "EUR"], ["--amount", "1", "--date", "31.01.2026"], []])
def test_what_is_mistyped_is_not_sent(scale: Scale, gateway: FakeGateway, options: list[str]) -> None:
    assert scale("classify", "REWE", "--currency", "EUR", *options).exit_code == 2
    assert not gateway.seen


def test_why_tells_who_said_it_and_what_it_would_be_today(scale: Scale, gateway: FakeGateway) -> None:
    row = {
        "id": TRANSACTION,
        "transaction_date": "2026-01-31",
        "amount": "-12.30",
        "currency": "EUR",
        "description": "REWE",
        "merchant": None,
        "category": "dining",
        "category_source": "file",
    }
    gateway.answer(f"GET /api/v1/transactions/{TRANSACTION}", row)
    gateway.answer(f"GET /api/v1/transactions/{TRANSACTION}", row | {"category": None, "category_source": None})
    gateway.answer("POST /api/v1/classify", ANSWER)
    lines = scale("why", TRANSACTION).output.splitlines()
    assert lines[:4] == [
        "2026-01-31  -12.30 EUR  REWE",
        "  in the ledger: dining, says the bank's file",
        "  today:",
        "    groceries_supermarket (groceries), 93 % sure",
    ]
    assert sent(gateway)["transaction_id"] == TRANSACTION
    assert "without a category" in scale("why", TRANSACTION).output


def test_a_correction_says_what_it_is_worth(scale: Scale, gateway: FakeGateway) -> None:
    said = {"category": "groceries", "previous_category": "dining", "merchant": "rewe"}
    gateway.answer("POST /api/v1/classify/feedback", said, status=201)
    gateway.answer("POST /api/v1/classify/feedback", said | {"previous_category": None, "merchant": ""}, status=201)
    assert scale("correct", TRANSACTION, "groceries").output.splitlines() == [
        "It is groceries now; before: dining.",
        "  What you pay to 'rewe' next is put there, too.",
    ]
    assert sent(gateway) == {"transaction_id": TRANSACTION, "category": "groceries"}
    assert scale("correct", TRANSACTION, "groceries").output.splitlines() == ["It is groceries now."]
    assert scale("correct", "one", "groceries").exit_code == 2


def test_a_word_that_is_taken_back_promises_nothing(scale: Scale, gateway: FakeGateway) -> None:
    said = {"category": "uncategorized", "previous_category": "dining", "merchant": "rewe"}
    gateway.answer("POST /api/v1/classify/feedback", said, status=201)
    gateway.answer("POST /api/v1/classify/feedback", said | {"previous_category": None}, status=201)
    assert scale("correct", TRANSACTION, "uncategorized").output.splitlines() == ["What you said of it is taken back; it was dining."]
    assert scale("correct", TRANSACTION, "uncategorized").output.splitlines() == ["What you said of it is taken back."]


def test_recategorize_waits_for_the_end(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/classify/recategorize", STARTED, status=202)
    gateway.answer(f"GET /api/v1/classify/jobs/{JOB}", STARTED | {"state": "running", "total": 4711, "done": 2000})
    gateway.answer(f"GET /api/v1/classify/jobs/{JOB}", DONE)
    result = scale("recategorize")
    assert result.exit_code == 0, result.output
    assert "4711 transactions looked at, 312 have another category now." in result.output


def test_recategorize_leaves_the_job_or_tells_why_it_failed(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/classify/recategorize", STARTED, status=202)
    gateway.answer(f"GET /api/v1/classify/jobs/{JOB}", DONE | {"state": "failed", "failure_reason": "The ledger does not answer."})
    assert JOB in scale("recategorize", "--no-wait").output
    assert len(gateway.seen) == 1
    result = scale("recategorize")
    assert result.exit_code == 1
    assert "The ledger does not answer." in str(result.exception)


def test_categories_are_listed_and_added(scale: Scale, gateway: FakeGateway) -> None:
    taxonomy = {"slug": "groceries", "name": "Groceries", "primary_slug": "groceries", "custom": False}
    own = {"slug": "climbing", "name": "Climbing", "primary_slug": "entertainment", "custom": True}
    gateway.answer("GET /api/v1/categories", {"items": [taxonomy, own], "next_page_token": None})
    gateway.answer("POST /api/v1/categories", own, status=201)
    assert [line.split() for line in scale("categories").output.splitlines()[1:]] == [
        ["groceries", "Groceries", "groceries"],
        ["climbing", "Climbing", "entertainment", "yours"],
    ]
    assert len(scale("categories", "--own").output.splitlines()) == 2
    assert "Climbing is climbing, within entertainment." in scale("categories", "add", "Climbing", "entertainment").output
    assert sent(gateway) == {"name": "Climbing", "primary_slug": "entertainment"}


def test_suggestions_are_found_and_shown(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/categories/suggestions", {"items": [], "next_page_token": None})
    gateway.answer("GET /api/v1/categories/suggestions", {"items": [SUGGESTED], "next_page_token": None})
    gateway.answer("POST /api/v1/categories/suggestions", STARTED, status=202)
    gateway.answer(f"GET /api/v1/classify/jobs/{JOB}", DONE | {"changed": 1})
    assert "`scale suggestions find`" in scale("suggestions").output
    assert "1 new" in scale("suggestions", "find").output
    assert scale("suggestions", "--state", "accepted").output.splitlines() == [
        "Climbing (within entertainment), 14 transactions",
        "  14 payments belong together.",
        "    BOULDERHALLE [OST]",
        f"  suggestion {SUGGESTION}",
    ]
    assert gateway.seen[-1].query["state"] == "accepted"


def test_suggestions_are_accepted_or_dismissed(scale: Scale, gateway: FakeGateway) -> None:
    path = f"POST /api/v1/categories/suggestions/{SUGGESTION}"
    gateway.answer(f"{path}/accept", SUGGESTED | {"state": "accepted", "category": "climbing"})
    gateway.answer(f"{path}/dismiss", SUGGESTED | {"state": "dismissed"})
    result = scale("suggestions", "accept", SUGGESTION, "--name", "Climbing", "--within", "entertainment")
    assert result.output.splitlines() == ["Climbing is climbing, within entertainment, with 14 transactions."]
    assert sent(gateway) == {"name": "Climbing", "primary_category": "entertainment"}
    assert scale("suggestions", "dismiss", SUGGESTION).output.splitlines() == ["Climbing is not suggested again."]


def test_ids_are_shown_when_they_are_asked_for(scale: Scale, gateway: FakeGateway) -> None:
    row = {"id": TRANSACTION, "transaction_date": "2026-01-31", "amount": "-1.00", "currency": "EUR", "category_source": "model"}
    gateway.answer("GET /api/v1/transactions", {"items": [row], "next_page_token": None, "corrected_words": []})
    assert TRANSACTION not in scale("transactions").output
    assert scale("transactions", "--ids").output.split()[-2:] == ["model", TRANSACTION]
