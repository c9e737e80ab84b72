"""What counts up after chaos finds what is lost, doubled or told otherwise: a count that cannot fail would prove nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from services.local import LocalSystem
from tests.chaos.clients import Importer, Learner, WrongAnswer
from tests.chaos.experiment import Findings

SYSTEM = cast(LocalSystem, SimpleNamespace(home=SimpleNamespace(secret=lambda name: "s" * 40), gateway_url="http://gateway"))
ROWS = ("2026-01-01,-1.50,payment 0", "2026-01-01,-2.50,payment 1")
COUNTS = {"rows": 4, "inserted": 2, "duplicates": 0, "zero_amount": 1, "rejected": 1}


def importer(rows: tuple[str, ...], counts: dict[str, int], state: str = "succeeded") -> Importer:
    """One who has sent ROWS and was told COUNTS, before a system that now says this."""
    found = [dict(zip(("transaction_date", "amount", "description"), row.split(","), strict=True)) for row in rows]
    pages: dict[str, list[dict[str, Any]]] = {
        "/api/v1/transactions": [{"id": number, **one} for number, one in enumerate(found)],
        "/api/v1/imports": [{"state": state, "counts": counts}],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": pages[request.url.path], "next_page_token": None})

    client = Importer(SYSTEM)
    client.user.http = httpx.Client(base_url="http://gateway/api/v1", transport=httpx.MockTransport(answer))
    client.rows.update(ROWS)
    client.told.update(COUNTS)
    client.done = 1
    return client


def test_what_is_as_it_was_told_is_no_problem() -> None:
    assert importer(ROWS, COUNTS).reconciled() == []


@pytest.mark.parametrize(
    ("rows", "counts", "state", "word"),
    [
        (ROWS[:1], COUNTS, "succeeded", "lost"),
        ((*ROWS, ROWS[0]), COUNTS, "succeeded", "doubled"),
        (ROWS, COUNTS | {"duplicates": 1}, "succeeded", "was told"),
        (ROWS, COUNTS, "running", "listed"),
    ],
)
def test_what_is_otherwise_is_found(rows: tuple[str, ...], counts: dict[str, int], state: str, word: str) -> None:
    assert any(word in problem for problem in importer(rows, counts, state).reconciled())


def test_an_answer_that_no_outage_excuses_ends_the_client() -> None:
    client = importer(ROWS, COUNTS)
    with pytest.raises(WrongAnswer, match="500"):
        client.answered(lambda: httpx.Response(500, request=httpx.Request("GET", "http://gateway/x")), 200)


def test_a_training_that_was_told_twice_is_found() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        told = {"subject_id": "j", "kind": "training_completed"}
        items = [told, told] if request.url.path.endswith("/notifications") else [{"job_id": "j"}, {"job_id": "j"}]
        return httpx.Response(200, json={"items": items, "next_page_token": None})

    learner = Learner.__new__(Learner)
    learner.user = importer(ROWS, COUNTS).user
    learner.user.http = httpx.Client(base_url="http://gateway/api/v1", transport=httpx.MockTransport(answer))
    learner.ended = {"j": "completed"}
    assert len(learner.reconciled()) == 2


def test_a_figure_beyond_its_target_fails_the_experiment() -> None:
    findings = Findings()
    findings.measured("restarted_s", 4.9, at_most=5)
    assert not findings.failures
    findings.measured("restarted_s", 5.1, at_most=5)
    findings.measured("ratio", float("nan"), at_most=1)
    assert len(findings.failures) == 2
