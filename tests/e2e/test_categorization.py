"""What payments were for, from the file to the next answer: learned from one user alone, answered whatever becomes of the model."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.local import LocalSystem
from tests.e2e.test_erase import erase, signed_in_anew
from tests.e2e.test_export import exported, restore
from tests.support.rest import RestUser
from tests.support.statements import hobby_statement

pytestmark = pytest.mark.e2e

HEADER = "Date,Amount,Currency,Description\n"
ROWS = HEADER + "2026-03-02,-23.10,EUR,REWE SAGT DANKE 4711\n2026-03-03,-61.00,EUR,SHELL 1234 BERLIN\n2026-03-04,-12.99,EUR,NETFLIX.COM\n"
NOBODY_KNOWS = "QVXOR HANDELS GMBH"
"""A merchant that no model has seen."""


@pytest.fixture
def other(system: LocalSystem) -> Iterator[RestUser]:
    """Another fresh user."""
    other = RestUser(system)
    yield other
    other.close()


def classified(user: RestUser, description: str, **more: str) -> dict[str, Any]:
    body = {"description": description, "amount": "-12.30", "currency": "EUR", "date": "2026-03-05", **more}
    response = user.http.post("/classify", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def corrected(user: RestUser, category: str, **subject: str) -> dict[str, Any]:
    response = user.http.post("/classify/feedback", json={**subject, "category": category})
    assert response.status_code == 201, response.text
    return dict(response.json())


def by_description(user: RestUser) -> dict[str, dict[str, Any]]:
    return {one["description"]: one for one in user.transactions()}


def until(found: Callable[[], Any], *, seconds: float = 30) -> Any:
    """What `found` answers as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, "that never came"
        time.sleep(0.1)
    return answer


@pytest.mark.requirement("ING-24")
def test_an_import_says_what_its_rows_were_and_each_can_be_asked_why(user: RestUser) -> None:
    user.imported(ROWS)
    primary = {one["slug"] for one in user.pages("/categories") if one["slug"] == one["primary_slug"]}
    rows = by_description(user)
    assert rows["NETFLIX.COM"]["category_source"] == "model"
    for row in rows.values():
        assert (row["category"] is None) == (row["confidence"] is None)
        assert row["category"] is None or row["primary_category"] in primary
        why = classified(user, row["description"], amount=row["amount"], date=row["transaction_date"], transaction_id=row["id"])
        assert why["reasons"]
        assert (row["category"] or "uncategorized") == why["category"]
        assert row["confidence"] is None or row["confidence"] == pytest.approx(why["confidence"], abs=1e-3)


def test_one_correction_changes_the_next_answer_for_that_user_alone(user: RestUser, other: RestUser) -> None:
    """CAT-07, CAT-08."""
    before = classified(user, f"{NOBODY_KNOWS} 0001")
    assert before == classified(other, f"{NOBODY_KNOWS} 0001")
    said = corrected(user, "education", description=f"{NOBODY_KNOWS} 0001", amount="-12.30", currency="EUR")
    assert (said["category"], said["transaction_id"]) == ("education", None)
    after = classified(user, f"{NOBODY_KNOWS} 0002", amount="-99.00")
    assert (after["category"], after["source"], after["abstained"]) == ("education", "user", False)
    assert after["reasons"]
    assert classified(other, f"{NOBODY_KNOWS} 0001") == before
    # The last word wins, and can be taken back.
    for category, answer in (("giving", "giving"), ("uncategorized", before["category"])):
        corrected(user, category, description=f"{NOBODY_KNOWS} 0001", amount="-12.30", currency="EUR")
        assert classified(user, f"{NOBODY_KNOWS} 0001")["category"] == answer
    assert classified(user, f"{NOBODY_KNOWS} 0001") == before


def test_a_category_set_by_hand_is_learned_from(user: RestUser, other: RestUser) -> None:
    user.imported(HEADER + f"2026-03-02,-23.10,EUR,{NOBODY_KNOWS} 0001\n2026-03-03,-5.00,EUR,{NOBODY_KNOWS} 0002\n")
    rows = by_description(user)
    first = rows[f"{NOBODY_KNOWS} 0001"]["id"]
    changed = user.http.patch(f"/transactions/{first}", json={"category": "education", "note": "evening class"})
    assert (changed.status_code, changed.json()["category"], changed.json()["note"]) == (200, "education", "evening class")
    assert (changed.json()["category_source"], changed.json()["confidence"]) == ("user", None)
    # Of this one, of the next answer, and of what is imported next.
    own = classified(user, f"{NOBODY_KNOWS} 0001", transaction_id=first)
    assert (own["category"], own["source"]) == ("education", "user")
    assert classified(user, f"{NOBODY_KNOWS} 0003")["category"] == "education"
    user.imported(HEADER + f"2026-03-09,-7.00,EUR,{NOBODY_KNOWS} 0004\n")
    later = by_description(user)[f"{NOBODY_KNOWS} 0004"]
    assert (later["category"], later["category_source"]) == ("education", "user")
    assert later["confidence"] is not None
    assert other.http.patch(f"/transactions/{first}", json={"category": "giving"}).status_code == 404
    assert user.http.patch(f"/transactions/{first}", json={"category": "no_such_thing", "note": "x"}).status_code == 422
    assert by_description(user)[f"{NOBODY_KNOWS} 0001"]["note"] == "evening class"
    taken_back = user.http.patch(f"/transactions/{first}", json={"category": None}).json()
    assert (taken_back["category"], taken_back["category_source"], taken_back["note"]) == (None, None, "evening class")
    assert classified(user, f"{NOBODY_KNOWS} 0003")["category"] != "education"


def test_an_edit_of_many_is_the_users_word_on_each_and_so_is_taking_it_back(user: RestUser) -> None:
    user.imported(HEADER + f"2026-03-02,-23.10,EUR,{NOBODY_KNOWS} 0001\n")
    one = by_description(user)[f"{NOBODY_KNOWS} 0001"]["id"]
    corrected(user, "education", transaction_id=one)
    edit = user.http.patch("/transactions", json={"filter": "description:handels", "category": "giving"}).json()
    assert edit["changed"] == 1
    answer = classified(user, f"{NOBODY_KNOWS} 0001", transaction_id=one)
    assert (answer["category"], answer["source"], answer["confidence"]) == ("giving", "user", 1)
    assert classified(user, f"{NOBODY_KNOWS} 0002")["category"] == "giving", "what was learned of it follows"
    user.http.post(f"/edits/{edit['id']}/undo").raise_for_status()
    assert classified(user, f"{NOBODY_KNOWS} 0001", transaction_id=one)["category"] == "education"


def test_words_at_once_leave_the_ledger_and_the_answer_alike(user: RestUser) -> None:
    user.imported(HEADER + "".join(f"2026-03-{day:02},-{day}.00,EUR,SHOP NUMBER {day}\n" for day in range(1, 13)))
    with ThreadPoolExecutor(8) as pool:
        for one in user.transactions():
            list(
                pool.map(lambda category, one=one: corrected(user, category, transaction_id=one["id"]), ("dining", "travel", "health") * 2)
            )
    for one in user.transactions():
        assert classified(user, one["description"], transaction_id=one["id"])["category"] == one["category"]


@pytest.mark.requirement("CAT-08")
def test_the_whole_past_anew_but_not_what_somebody_said(user: RestUser) -> None:
    user.http.post("/rules", json={"name": "Fuel", "filter": "text:shell", "category": "housing"}).raise_for_status()
    user.imported(ROWS + f"2026-03-05,-23.10,EUR,{NOBODY_KNOWS} 0001\n2026-03-06,-5.00,EUR,{NOBODY_KNOWS} 0002\n")
    rows = by_description(user)
    user.http.patch(f"/transactions/{rows['NETFLIX.COM']['id']}", json={"category": "giving"}).raise_for_status()
    corrected(user, "education", transaction_id=rows[f"{NOBODY_KNOWS} 0001"]["id"])
    job = user.carried_out(user.http.post("/classify/recategorize"))
    assert (job["kind"], job["total"], job["done"]) == ("recategorization", 5, 5)
    assert job["changed"] >= 1
    now = by_description(user)
    said = {name: (row["category"], row["category_source"], row["confidence"]) for name, row in now.items()}
    assert said["NETFLIX.COM"] == ("giving", "user", None)
    assert said["SHELL 1234 BERLIN"] == ("housing", "rule", None)
    assert said[f"{NOBODY_KNOWS} 0001"] == ("education", "user", None)
    assert said[f"{NOBODY_KNOWS} 0002"][:2] == ("education", "user")
    assert now["REWE SAGT DANKE 4711"] == rows["REWE SAGT DANKE 4711"]


@pytest.mark.requirement("CAT-06")
def test_more_than_a_thousand_payments_are_a_job_of_the_users_own(user: RestUser, other: RestUser) -> None:
    """CAT-06."""
    items = [{"description": f"NETFLIX.COM {number}", "amount": f"-{number}.00", "currency": "EUR"} for number in range(1, 1202)]
    key = {"Idempotency-Key": "the-past"}
    begun = user.http.post("/classify/batch", json={"items": items}, headers=key)
    job = user.carried_out(begun)
    assert (job["kind"], job["total"], job["done"]) == ("classification", 1201, 1201)
    results = user.pages(f"/classify/jobs/{job['id']}/results")
    few = user.http.post("/classify/batch", json={"items": items[:3] + items[-3:]}).json()["items"]
    assert len(results) == 1201
    assert results[:3] + results[-3:] == few
    assert user.http.post("/classify/batch", json={"items": items}, headers=key).json()["id"] == job["id"]
    assert user.http.post("/classify/batch", json={"items": items[1:]}, headers=key).status_code == 409
    for path in (f"/classify/jobs/{job['id']}", f"/classify/jobs/{job['id']}/results"):
        assert other.http.get(path).status_code == 404


@pytest.mark.requirement("CAT-09", "CAT-10", "REL-06")
def test_without_the_models_files_rules_answer_until_they_are_back(
    system: LocalSystem, models_dir: Path, user: RestUser, tmp_path: Path
) -> None:
    """CAT-09, CAT-10, REL-06: nothing is started anew for it."""

    def model() -> dict[str, Any]:
        return dict(user.http.get("/classify/model").json())

    def ready() -> dict[str, Any]:
        answer = httpx.get(f"{system.gateway_url}/ready", trust_env=False)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["dependencies"]["categorization"])

    pid, before = system.pid("categorization"), model()
    assert (before["degraded"], ready()["model"]) == (False, before["version"])
    corrected(user, "education", description=NOBODY_KNOWS, amount="-1.00", currency="EUR")
    saved = Path(shutil.copytree(models_dir, tmp_path / "saved"))
    try:
        (models_dir / "anchors.pt").write_bytes(b"no anchors")
        (models_dir / "hypcd_model.pt").unlink()
        until(lambda: model()["degraded"])
        assert model()["reason"]
        until(lambda: ready()["model"] == "fallback")
        answer = classified(user, "NETFLIX.COM")
        assert (answer["degraded"], answer["source"]) == (True, "fallback")
        assert answer["reasons"]
        # What the user said holds without the model, too.
        assert classified(user, NOBODY_KNOWS)["category"] == "education"
        user.imported(ROWS)
        assert {row["category_source"] for row in user.transactions()} <= {"fallback", None}
    finally:
        shutil.copytree(saved, models_dir, dirs_exist_ok=True)
    until(lambda: not model()["degraded"])
    until(lambda: ready()["model"] == before["version"])
    assert model()["artifacts"] == before["artifacts"]
    assert classified(user, "NETFLIX.COM")["degraded"] is False
    assert system.pid("categorization") == pid


def test_payments_that_belong_together_become_a_category_of_ones_own(user: RestUser, other: RestUser) -> None:
    user.imported(hobby_statement())
    job = user.carried_out(user.http.post("/categories/suggestions"))
    assert job["kind"] == "discovery"
    found = user.pages("/categories/suggestions")
    assert len(found) == job["changed"] >= 1
    suggested = max(found, key=lambda one: one["transactions"])
    assert suggested["transactions"] >= 10
    assert suggested["examples"]
    assert suggested["reason"]
    path = f"/categories/suggestions/{suggested['id']}"
    assert other.pages("/categories/suggestions") == []
    assert other.http.post(f"{path}/accept").status_code == 404
    for _ in range(2):
        accepted = user.http.post(f"{path}/accept", json={"name": "Climbing", "primary_category": "entertainment"})
        assert (accepted.status_code, accepted.json()["state"], accepted.json()["category"]) == (200, "accepted", "climbing")
    own = [one for one in user.pages("/categories") if one["custom"]]
    assert [(one["slug"], one["primary_slug"]) for one in own] == [("climbing", "entertainment")]
    members = [row for row in user.transactions() if row["category"] == "climbing"]
    assert len(members) == suggested["transactions"]
    # The next payment of that kind, and nobody else's.
    next_one = classified(user, suggested["examples"][0], amount="-13.50")
    assert (next_one["category"], next_one["primary_category"], next_one["source"]) == ("climbing", "entertainment", "user")
    assert classified(other, suggested["examples"][0], amount="-13.50")["category"] != "climbing"


def test_what_was_learned_is_handed_over_erased_and_brought_back(system: LocalSystem, user: RestUser, other: RestUser) -> None:
    user.imported(ROWS + f"2026-03-05,-23.10,EUR,{NOBODY_KNOWS} 0001\n")
    corrected(user, "education", transaction_id=by_description(user)[f"{NOBODY_KNOWS} 0001"]["id"])
    corrected(user, "giving", description="ZWQ 77 VEREIN", amount="-5.00", currency="EUR")
    before = {text: classified(user, text) for text in (f"{NOBODY_KNOWS} 0002", "ZWQ 77 VEREIN")}
    content = exported(user)
    erase(user)
    again = signed_in_anew(system, user)
    assert classified(again, f"{NOBODY_KNOWS} 0002") == classified(other, f"{NOBODY_KNOWS} 0002")
    assert restore(again, content).status_code == 201
    assert {text: classified(again, text) for text in before} == before
    assert by_description(again)[f"{NOBODY_KNOWS} 0001"]["category"] == "education"
    again.close()
