"""Brands and merchant category codes: what the shipped tables say, and how they are made."""

import csv
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hypcd.corpus import read_table
from models.hypcd.merchant import merchant_key
from models.knowledge import build
from models.knowledge.brands import DATA, match_brand


@pytest.mark.parametrize(
    ("printed", "name", "category", "whole"),
    [
        ("IKEA", "IKEA", "shopping_home", True),
        ("SHELL", "Shell", "transport_fuel", True),
        ("www.sportsdirect.com", "sportsdirect", "shopping_sports", True),
        ("barnesnoble", "Barnes & Noble", "shopping_books_media", True),
        ("PREMIER INN 44012345", "Premier Inn", "travel_lodging", True),
        ("premier inn solihull", "Premier Inn", "travel_lodging", False),
        ("B&Q 1072", "B&Q", "housing_home_improvement", True),
        ("Caffè Nero 123", "Caffè Nero", "dining_cafe", True),
    ],
)
def test_brands_by_name_and_by_leading_words(printed, name, category, whole):
    brand = match_brand(merchant_key(printed))
    assert brand is not None
    assert (brand.category, brand.whole) == (category, whole)
    assert merchant_key(brand.name) == merchant_key(name)


@pytest.mark.parametrize("printed", ["Star", "The Shop", "Central", "Market Street Bakers", "Home", "x", "", "3"])
def test_names_that_anything_may_bear_are_no_brand(printed):
    assert match_brand(merchant_key(printed)) is None


@given(st.text(max_size=80))
def test_any_text_may_be_asked(text):
    brand = match_brand(merchant_key(text))
    assert brand is None or brand.category


def test_codes_have_four_digits_and_a_category():
    codes = {row["code"]: row["category"] for row in read_table(DATA / "mcc.csv.gz")}
    assert codes["5411"] == "groceries_supermarket"
    assert all(len(code) == 4 and code.isdigit() and category for code, category in codes.items())


@pytest.mark.parametrize(
    ("votes", "category"),
    [
        ({"transport_fuel": 4.0, "groceries_supermarket": 2.0, "health_pharmacy": 1.0}, "groceries_supermarket"),
        ({"transport_fuel": 3.0, "groceries_convenience": 5.0}, "transport_fuel"),
        ({"dining_cafe": 3.0, "dining_restaurant": 3.0}, "dining"),
        ({"personal_care_cosmetics": 3.0, "health_pharmacy": 3.0}, None),
        ({"transport_bike": 2.0, "shopping_clothing": 2.0}, None),
    ],
)
def test_a_name_stands_for_one_category_or_for_none(votes, category):
    assert build.agreed_category(votes) == category


def test_the_tables_are_made_from_four_files_the_same_each_time(tmp_path, monkeypatch):
    brands = "tree,osm_key,osm_value,name,other_names,countries\nbrands,shop,supermarket,Aldi,ALDI Süd|Aldi Markt,de\n"
    (tmp_path / "brands.csv.gz").write_bytes(
        gzip.compress((brands + "brands,shop,books,Star,,de\nbrands,man_made,mast,Mast Ltd,,de\n").encode())
    )
    (tmp_path / "osm_category.csv").write_text(
        "osm_key,osm_value,primary,detailed\nshop,supermarket,groceries,groceries_supermarket\nshop,books,shopping,\nman_made,mast,,\n"
    )
    (tmp_path / "mcc_codes.csv").write_text("mcc,edited_description\n742,Veterinary Services\n9999,Nothing\n")
    (tmp_path / "mcc_category.csv").write_text("mcc,primary,detailed\n742,health,health_veterinary\n9999,,\n")
    monkeypatch.setattr("sys.argv", ["build", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert build.main() == 0
    first = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    assert build.main() == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())] == first
    with gzip.open(tmp_path / "out" / "brands.csv.gz", "rt", encoding="utf-8") as file:
        assert [row["key"] for row in csv.DictReader(file)] == ["aldi", "aldi markt", "aldi sud"]
    with gzip.open(tmp_path / "out" / "mcc.csv.gz", "rt", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"code": "0742", "description": "Veterinary Services", "category": "health_veterinary"}]


def test_what_is_shipped_is_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 600_000
