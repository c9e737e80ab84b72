"""Transfers through REST: two statements of two accounts as banks write them, decisions, and the switch."""

from __future__ import annotations

from typing import Any

import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GIRO, SAVINGS = "DE02120300000000202051", "DE02500105170137075030"


def statement(account: str, *rows: tuple[str, str, str, str]) -> str:
    """As German banks export: own account in each row, counterparty's name and IBAN in columns of their own."""
    lines = ["Auftragskonto;Buchungstag;Verwendungszweck;Beguenstigter/Zahlungspflichtiger;Kontonummer/IBAN;Betrag;Waehrung"]
    lines += [f"{account};{day};{text};Ada Example;{other};{amount};EUR" for day, amount, text, other in rows]
    return "\n".join(lines) + "\n"


OUT = ("02.03.2026", "-1234,50", "Dauerauftrag Sparen", SAVINGS)
LUNCH = ("02.03.2026", "-12,30", "Mittagessen", "DE02100500000054540402")
IN = ("03.03.2026", "1234,50", "Gutschrift", GIRO)


def transfers(user: RestUser, **filters: str) -> list[dict[str, Any]]:
    return user.pages("/transfers", **filters)


def both(user: RestUser) -> dict[str, Any]:
    user.imported(statement(GIRO, OUT, LUNCH))
    user.imported(statement(SAVINGS, IN))
    (found,) = transfers(user)
    return found


def test_two_statements_make_a_suggestion_that_can_be_confirmed_and_undone(user: RestUser) -> None:
    found = both(user)
    assert (found["state"], found["decided_at"]) == ("suggested", None)
    assert found["reason"] == (
        "1234.50 EUR left Account …2051 on 2 March 2026 and reached Account …5030 a day later; each text names the other account's number"
    )
    assert (found["outgoing"]["amount"], found["incoming"]["amount"]) == ("-1234.50", "1234.50")
    by_text = {one["description"]: one["transfer_id"] for one in user.transactions()}
    assert by_text == {"Dauerauftrag Sparen": found["id"], "Gutschrift": found["id"], "Mittagessen": None}
    for _ in range(2):
        confirmed = user.http.post(f"/transfers/{found['id']}/confirm")
        assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")
    assert [one["id"] for one in transfers(user, state="confirmed")] == [found["id"]]
    for _ in range(2):
        undone = user.http.post(f"/transfers/{found['id']}/undo")
        assert (undone.status_code, undone.json()["state"]) == (200, "undone")
    assert transfers(user) == []
    assert all(one["transfer_id"] is None for one in user.transactions())
    # The same files again bring nothing, and the pair is not suggested again.
    user.imported(statement(SAVINGS, IN))
    assert transfers(user) == []
    assert user.http.get(f"/transfers/{found['id']}").json()["state"] == "undone"


def test_undo_of_an_import_takes_the_suggestion_and_leaves_what_was_confirmed(user: RestUser) -> None:
    user.imported(statement(GIRO, OUT))
    imported = user.imported(statement(SAVINGS, IN))
    assert user.http.delete(f"/imports/{imported['id']}").json()["removed"] == 1
    assert transfers(user) == []
    imported = user.imported(statement(SAVINGS, IN))
    (found,) = transfers(user)
    assert user.http.post(f"/transfers/{found['id']}/confirm").status_code == 200
    undone = user.http.delete(f"/imports/{imported['id']}").json()
    assert (undone["removed"], undone["kept"]) == (0, 1)
    assert "transfer" in undone["kept_rows"][0]["reason"]
    assert transfers(user, state="confirmed")


def test_the_switch(user: RestUser) -> None:
    both(user)
    off = user.http.patch("/profile", json={"transfer_suggestions": False})
    assert (off.status_code, off.json()["transfer_suggestions"]) == (200, False)
    assert transfers(user) == []
    user.imported(statement(GIRO, ("05.03.2026", "-77,00", "Sparen", SAVINGS)))
    user.imported(statement(SAVINGS, ("05.03.2026", "77,00", "Gutschrift", GIRO)))
    assert transfers(user) == []
    assert user.http.patch("/profile", json={"transfer_suggestions": True}).json()["transfer_suggestions"] is True
    user.imported(statement(GIRO, ("09.03.2026", "-88,00", "Sparen", SAVINGS)))
    user.imported(statement(SAVINGS, ("09.03.2026", "88,00", "Gutschrift", GIRO)))
    assert [one["incoming"]["amount"] for one in transfers(user)] == ["88.00"]


def test_another_user_sees_and_decides_nothing(user: RestUser, system: LocalSystem) -> None:
    found = both(user)
    stranger = RestUser(system)
    assert transfers(stranger) == []
    assert stranger.http.get(f"/transfers/{found['id']}").status_code == 404
    for verb in ("confirm", "undo"):
        answer = stranger.http.post(f"/transfers/{found['id']}/{verb}")
        assert (answer.status_code, answer.json()["reason"]) == (404, "TRANSFER_NOT_FOUND")
    stranger.close()
    assert transfers(user) == [found]


def test_suspected_duplicates_are_a_filter(user: RestUser) -> None:
    for text in ("Miete", "Miete Mai"):
        user.imported(f"Date,Amount,Description\n2026-05-14,-900.00,{text}\n")
    assert [one["description"] for one in user.transactions(suspected_duplicate="true")] == ["Miete Mai"]
    assert [one["description"] for one in user.transactions(suspected_duplicate="false")] == ["Miete"]
    assert len(user.transactions()) == 2
