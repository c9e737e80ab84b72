"""What a device trains on: labelled rows of a local export, and the rows of devices that do not exist."""

from __future__ import annotations

import math
import zipfile
from datetime import date
from pathlib import Path

import pytest

from clients.device.ledger_export import MOST_ROWS, read_ledger
from clients.device.problem import DeviceProblem
from clients.device.simulated.ledgers import write_ledgers
from models.federated.holdout import merchants, statements
from models.hypcd.corpus import taxonomy

HEADER = "date,account,amount,currency,description,merchant,category,category_source,confidence,status\n"
ROWS = HEADER + (
    '2026-03-02,a,-12.30,EUR,"REWE, SAGT DANKE",REWE,groceries_supermarket,user,,posted\n'
    "2026-03-01,a,-40,EUR,Shell 12,Shell,transport_fuel,rule,,posted\n"
    "2026-03-01,a,-41,EUR,by the bank,,transport_fuel,file,,posted\n"
    "2026-03-03,a,-5,EUR,by a model,Bar,dining_restaurant,model,0.9,posted\n"
    "2026-03-03,a,-5,EUR,by the user's own model,Bar,dining_restaurant,user,0.97,posted\n"
    "2026-03-03,a,-5,EUR,void,Bar,dining_restaurant,user,,void\n"
    "2026-03-04,a,-6,EUR,nothing said,Bar,,,,posted\n"
)


def test_of_an_export_what_somebody_has_said_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("accounts/transactions.csv", ROWS)

    rows = read_ledger(path)

    assert [row.description for row in rows] == ["Shell 12", "by the bank", "REWE, SAGT DANKE"]
    assert (rows[2].merchant, rows[2].amount, rows[2].day, rows[2].category) == ("REWE", -12.3, date(2026, 3, 2), "groceries_supermarket")


def test_a_plain_csv_needs_descriptions_and_categories_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("\ufeffdescription,category\nBakery,groceries_bakery\n", encoding="utf-8")

    (row,) = read_ledger(path)

    assert row.category == "groceries_bakery"
    assert math.isnan(row.amount)
    assert row.day is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("date,amount\n1,2\n", "no column description and no column category"),
        ("", "no column"),
        (HEADER + "2026-03-02,a,twelve,EUR,x,,groceries_supermarket,user,,posted\n", r"mine\.csv, line 2: 'twelve' is no amount"),
        (HEADER + "02.03.2026,a,-1,EUR,x,,groceries_supermarket,user,,posted\n", "'02.03.2026' is no day"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content)

    with pytest.raises(DeviceProblem, match=message):
        read_ledger(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("readme.txt", "")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00description,category\x80")

    with pytest.raises(DeviceProblem, match="no export of SCALE"):
        read_ledger(other)
    with pytest.raises(DeviceProblem, match="cannot be read"):
        read_ledger(tmp_path / "binary.csv")
    with pytest.raises(DeviceProblem, match="cannot be read"):
        read_ledger(tmp_path / "none.csv")


def test_the_newest_rows_are_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("date,description,category\n" + "2026-01-02,new,c\n" * MOST_ROWS + "2026-01-01,old,c\n" * 3)

    rows = read_ledger(path)

    assert len(rows) == MOST_ROWS
    assert {row.description for row in rows} == {"new"}


def test_simulated_ledgers_differ_and_hold_nothing_that_the_gate_asks(tmp_path: Path) -> None:
    files = write_ledgers(tmp_path, 3, 300, seed=5)
    kinds = taxonomy()
    ledgers = [read_ledger(file) for file in files]

    assert [len(rows) for rows in ledgers] == [300] * 3
    assert {row.category for rows in ledgers for row in rows} <= set(kinds.slugs)
    favourites = [max({row.category for row in rows}, key=[row.category for row in rows].count) for rows in ledgers]
    assert len(set(favourites)) > 1, "no two devices buy alike"
    income = {slug for slug, credit in zip(kinds.detailed, kinds.credit, strict=True) if credit}
    assert all((row.amount > 0) == (row.category in income) for rows in ledgers for row in rows if row.category in kinds.detailed)
    (tmp_path / "again").mkdir()
    again = write_ledgers(tmp_path / "again", 3, 300, seed=5)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]
    asked = {row[0] for row in statements() + merchants()}
    assert not asked & {row.description for rows in ledgers for row in rows}
