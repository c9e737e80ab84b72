"""A file's balances against its rows: pages and days join, gaps show, memory stays bounded."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from services.ingestion.readers.balances import MAX_SHOWN, Balances, Section

D = Decimal


def section(opening: str | None, rows: str, closing: str | None, account: str = "A", currency: str = "EUR") -> Section:
    made = Section(account, currency, opening and D(opening), None, closing and D(closing), None)  # type: ignore[arg-type]
    made.add(D(rows))
    return made


def report(*sections: Section) -> list[tuple[object, ...]]:
    balances = Balances()
    for one in sections:
        balances.add(one)
    return [(item["opening"], item["rows_sum"], item["closing"], item["difference"]) for item in balances.report()]


def test_statements_that_follow_on_are_one() -> None:
    assert report(section("1", "2", "3"), section("3", "-1.5", "1.5")) == [("1.00", "0.50", "1.50", "0.00")]


def test_newest_first() -> None:
    assert report(section("3", "1", "4"), section("1", "2", "3")) == [("1.00", "3.00", "4.00", "0.00")]


def test_pages_without_balances_between() -> None:
    assert report(section("1", "2", None), section(None, "3", "6")) == [("1.00", "5.00", "6.00", "0.00")]
    assert report(section("1", "2", None), section("3", "3", "6")) == [("1.00", "5.00", "6.00", "0.00")]


def test_a_gap_parts_sections() -> None:
    assert report(section("1", "2", "3"), section("4", "1", "5")) == [("1.00", "2.00", "3.00", "0.00"), ("4.00", "1.00", "5.00", "0.00")]


def test_accounts_and_currencies_stay_apart() -> None:
    assert len(report(section("1", "2", "3"), section("3", "0", "3", "B"), section("3", "0", "3", "A", "USD"))) == 3


def test_without_balances_nothing_is_reported() -> None:
    assert report(section(None, "2", None)) == []
    assert report(section(None, "2", "5.12345")) == [(None, "2.00", "5.12345", None)]


def test_dates_and_identity_are_shown() -> None:
    balances = Balances()
    balances.add(Section("", "", D(1), date(2024, 5, 1), D("1E+2"), date(2024, 5, 31)))
    assert balances.report() == [{
        "account": None, "currency": None, "opening": "1.00", "closing": "100.00", "opening_date": "2024-05-01",
        "closing_date": "2024-05-31", "rows_sum": "0.00", "difference": "99.00",
    }]  # fmt: skip
    assert balances.notes() == [
        "account: it opens with 1.00 and the rows come to 0.00, but it closes with 100.00: 99.00 is not accounted for"
    ]


def test_a_mismatch_names_the_rows_that_could_not_be_read() -> None:
    balances = Balances()
    wrong = section("1", "2", "4")
    wrong.unread = 1
    balances.add(wrong)
    assert balances.notes()[0].endswith("1.00 is not accounted for; 1 rows could not be read")


def test_many_sections_are_counted_not_kept() -> None:
    balances = Balances()
    for number in range(MAX_SHOWN + 10):
        balances.add(section("0", "1", str(number), str(number)))
    assert len(balances.report()) == MAX_SHOWN
    assert balances.notes()[-1] == "10 more statements were checked: the rows of 10 do not add up"
