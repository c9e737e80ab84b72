"""The ledger's promises about duplicates, through REST: the six cases with files as banks write them, decisions, and undo."""

from __future__ import annotations

from collections import Counter

import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def csv(*rows: tuple[str, str, str]) -> str:
    return "Date,Amount,Description\n" + "".join(f"{day},{amount},{text}\n" for day, amount, text in rows)


RENT, COFFEE = ("2026-05-14", "-900.00", "Rent May"), ("2026-05-15", "-3.20", "Corner Bakery")


def counts(user: RestUser, *rows: tuple[str, str, str]) -> tuple[int, int, int]:
    found = user.imported(csv(*rows))["counts"]
    return found["inserted"], found["duplicates"], found["suspected_duplicates"]


def test_the_six_cases(user: RestUser) -> None:
    file = [RENT, COFFEE, COFFEE]
    assert counts(user, *file) == (3, 0, 0)
    assert counts(user, *file) == (0, 3, 0)
    # Two genuine equal rows stay two under an overlapping export.
    assert counts(user, COFFEE, COFFEE, ("2026-05-16", "-12.00", "Lunch")) == (1, 2, 0)
    # Another shop, a nearly equal amount, and a row that comes late with an older date are kept.
    assert counts(user, ("2026-05-17", "-3.20", "Station Kiosk"), ("2026-05-15", "-3.21", "Corner Bakery")) == (2, 0, 0)
    assert counts(user, ("2026-05-02", "-45.00", "Hotel"), RENT) == (1, 1, 0)
    # Capitals and blanks do not double; added text is suspected, never merged silently.
    assert counts(user, ("2026-05-14", "-900.00", "RENT   may ")) == (0, 1, 0)
    assert counts(user, ("2026-05-14", "-900.00", "Rent May ref 4711")) == (1, 0, 1)
    amounts = Counter(row["amount"] for row in user.transactions())
    assert amounts == {"-900.00": 2, "-3.20": 3, "-12.00": 1, "-3.21": 1, "-45.00": 1}


def test_the_review_list_names_the_earlier_row_and_merge_decides(user: RestUser) -> None:
    user.imported(csv(RENT))
    (earlier,) = user.transactions()
    later = csv(("2026-05-14", "-900.00", "Rent May ref 4711"))
    imported = user.imported(later)
    (row,) = user.pages(f"/imports/{imported['id']}/rows", outcome="suspected_duplicate")
    assert (row["line"], row["duplicate_of"]) == (2, earlier["id"])
    assert row["reason"]
    assert user.pages(f"/imports/{imported['id']}/rows", outcome="inserted") == []
    assert user.pages(f"/imports/{imported['id']}/rows") == [row]
    suspect = user.http.get(f"/transactions/{row['transaction_id']}").json()
    assert (suspect["suspected_duplicate_of"], suspect["suspicion"]) == (earlier["id"], row["reason"])
    merged = user.http.post(f"/transactions/{suspect['id']}/merge")
    assert (merged.status_code, merged.json()["id"]) == (200, earlier["id"])
    assert [one["id"] for one in user.transactions()] == [earlier["id"]]
    assert user.imported(later)["counts"]["duplicates"] == 1
    assert user.http.post(f"/transactions/{earlier['id']}/merge").status_code == 409
    assert user.http.post(f"/transactions/{suspect['id']}/merge").status_code == 404


def test_keep_decides(user: RestUser) -> None:
    user.imported(csv(RENT))
    user.imported(csv(("2026-05-14", "-900.00", "Rent May ref 4711")))
    suspect = next(one for one in user.transactions() if one["suspected_duplicate_of"])
    for _ in range(2):
        kept = user.http.post(f"/transactions/{suspect['id']}/keep")
        assert (kept.status_code, kept.json()["suspected_duplicate_of"]) == (200, None)
    assert len(user.transactions()) == 2


def test_undo_takes_back_one_import(user: RestUser) -> None:
    user.imported(csv(RENT))
    imported = user.imported(csv(RENT, COFFEE, ("2026-05-16", "-12.00", "Lunch")))
    lunch = next(one for one in user.transactions() if one["description"] == "Lunch")
    assert user.http.patch(f"/transactions/{lunch['id']}", json={"note": "with Ann"}).status_code == 200
    undone = user.http.delete(f"/imports/{imported['id']}")
    assert undone.status_code == 200
    body = undone.json()
    assert (body["import"]["state"], body["removed"], body["kept"]) == ("undone", 1, 1)
    assert body["kept_rows"][0]["transaction_id"] == lunch["id"]
    assert "note" in body["kept_rows"][0]["reason"]
    assert sorted(one["description"] for one in user.transactions()) == ["Lunch", "Rent May"]
    again = user.http.delete(f"/imports/{imported['id']}")
    assert (again.status_code, again.json()["removed"]) == (200, 0)
    assert user.http.get(f"/imports/{imported['id']}").json()["state"] == "undone"


def test_another_user_decides_nothing(user: RestUser, system: LocalSystem) -> None:
    user.imported(csv(RENT))
    imported = user.imported(csv(("2026-05-14", "-900.00", "Rent May ref 4711")))
    before = user.transactions()
    suspect = next(one for one in before if one["suspected_duplicate_of"])
    stranger = RestUser(system)
    assert stranger.http.post(f"/transactions/{suspect['id']}/merge").status_code == 404
    assert stranger.http.post(f"/transactions/{suspect['id']}/keep").status_code == 404
    assert stranger.http.delete(f"/imports/{imported['id']}").status_code == 404
    stranger.close()
    assert user.transactions() == before
