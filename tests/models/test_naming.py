"""What a discovered category is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hypcd.naming import propose_name


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["CLIMBING GYM LEEDS 003", "CLIMBING GYM YORK", "The Climbing Gym 44"], "Climbing Gym"),
        (["KARTENZAHLUNG BOULDERWELT MUENCHEN 12", "Boulderwelt Ost 2024-03-01", "SEPA Boulderwelt GmbH"], "Boulderwelt"),
        (["CB ÉCOLE DE MUSIQUE LYON 03/04", "VIR ECOLE", "École de Musique", "PAIEMENT ÉCOLE DE MUSIQUE"], "École Musique"),
        (["COMPRA VETERINARIO SOL 8812", "TARJETA VETERINARIO LUNA"], "Veterinario"),
        (["Platba kartou JUDO KLUB PRAHA 7", "JUDO KLUB Brno"], "Judo Klub"),
        (["МАГАЗИН РЫБОЛОВ 5", "рыболов онлайн"], "Рыболов"),
        (["東京 スイミング 12", "スイミング クラブ"], "スイミング"),
        (["WWW.AMFBOWLING.CO.UK", "amfbowling.co.uk 4411"], "Amfbowling"),
        (["O2 44", "O2 45", "7788"], "O2"),
        (["TESCO 12"], "Tesco"),
    ],
)
def test_shared_words_with_capitals(texts: list[str], name: str) -> None:
    assert propose_name(texts) == name


def test_words_of_other_categories_say_less() -> None:
    texts = ["alpha club leeds", "beta club leeds", "gamma club leeds"]
    assert propose_name(texts, ["tesco leeds", "aldi leeds", "lidl leeds"]) == "Club"


def test_nothing_shared_falls_back_to_the_most_common_text() -> None:
    assert propose_name(["ALPINE HUT 3", "ALPINE HUT 4", "ROWING", "SAUNA", "CHESS", "POTTERY"]) == "Alpine Hut"


@pytest.mark.parametrize("texts", [[], [""], ["123 456", "*** 12-34"], ["\x00", "😀 99"]])
def test_never_digits_only(texts: list[str]) -> None:
    assert propose_name(texts) == ""


def test_the_order_of_texts_changes_no_shared_name() -> None:
    texts = ["sports hall north", "sports hall", "hall of sports", "sports hall 5"]
    assert propose_name(texts) == "Sports Hall"
    assert propose_name(texts[:1] + texts[:0:-1]) == "Sports Hall"


def test_ten_thousand_long_texts_are_named_at_once() -> None:
    assert propose_name(["climbing " + "x" * 1_000] * 10_000).startswith("Climbing")


@given(st.lists(st.text(max_size=60), max_size=8), st.lists(st.text(max_size=20), max_size=4))
def test_a_name_is_short_printable_and_has_a_letter(texts: list[str], others: list[str]) -> None:
    name = propose_name(texts, others)
    assert len(name) <= 40
    assert name == name.strip()
    assert name == "" or (name.isprintable() and any(letter.isalpha() for letter in name))
