"""The vectorised features against the same thing said slowly."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hypcd.features import AMOUNT_BANDS, amount_bands, extract, ngrams, row_texts

texts = st.text(alphabet=st.one_of(st.sampled_from("ab cé'ß.0159\t\n\x00ǅ  ﬁ"), st.characters()), max_size=30)


def grams_of(text: str) -> Counter[int]:
    hashes, offsets, _ = ngrams([text])
    assert offsets.tolist() == [0]
    return Counter(hashes.tolist())


def rows(batch: list[str]) -> list[Counter[int]]:
    hashes, offsets, _ = ngrams(batch)
    return [Counter(part.tolist()) for part in np.split(hashes, offsets[1:])]


def grams_said_slowly(text: str) -> int:
    """How many n-grams a plain ASCII text of letters and single spaces has."""
    words = text.split()
    stretches = sum(max(len(word) + 2 - length + 1, 0) for word in words for length in (3, 4, 5))
    return stretches + len(words) + max(len(words) - 1, 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, min_size=1, max_size=8))
def test_a_text_has_the_same_ngrams_alone_as_in_a_batch(batch: list[str]) -> None:
    assert rows(batch) == [grams_of(text) for text in batch]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=9), max_size=6).map(" ".join))
def test_every_stretch_word_and_pair_is_there(text: str) -> None:
    assert grams_of(text).total() == grams_said_slowly(text)


def test_equal_stretches_have_equal_hashes_and_others_not() -> None:
    hashes = {grams for text in ("tesco", "costa", "coset", "octes") for grams in grams_of(text)}
    kinds = {
        (kind, stretch)
        for text in ("tesco", "costa", "coset", "octes")
        for kind, stretch in [
            *((length, f" {text} "[at : at + length]) for length in (3, 4, 5) for at in range(8 - length)),
            ("word", text),
        ]
    }
    assert len(hashes) == len(kinds)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SHELL KINGS 587", "shell  kings 4"),
        ("CAFÉ NERO", "cafe nero"),
        ("Sainsbury's", "SAINSBURYS"),
        ("Sainsbury’s", "SAINSBURYS"),
        ("AMAZON.CO.UK*2", "amazon co uk 77"),
        (" aldi ", "aldi"),
        ("Straße", "STRASSE"),
        ("ＴＥＳＣＯ", "tesco"),
        ("a\x00b", "a b"),
    ],
)
def test_what_makes_no_difference(one: str, other: str) -> None:
    assert grams_of(one) == grams_of(other)


def test_whole_texts_are_told_apart_by_amount() -> None:
    found = extract(["aldi 5", "x", "Aldi 77", "aldi 1", "aldis"], [""] * 5, [-10.0, 1.0, -11.0, -900.0, -10.0], [0] * 5).wholes
    assert found[0].tolist() == found[2].tolist()
    assert found[0][0] == found[3][0]
    assert len({*found.ravel().tolist()}) == 7


def test_order_of_words_and_letters_make_one() -> None:
    assert grams_of("burger king") != grams_of("king burger")
    assert grams_of("tesco") != grams_of("tseco")


@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "...", "'"])
def test_a_text_without_letters_has_no_ngrams(text: str) -> None:
    assert grams_of(text).total() == 0


def test_long_and_odd_texts_are_taken_as_they_are() -> None:
    long = "abcdefghi " * 1_000
    assert grams_of(long).total() < 1_000
    assert len(rows([long, "🍕" * 50, "\ud800", "x"])) == 4
    assert rows(["🍕 pizza"])[0].total() > grams_of("pizza").total()
    assert unicodedata.normalize("NFKD", "ﷺ" * 300)
    assert grams_of("ﷺ" * 10_000).total() < 20_000


def test_no_texts_have_no_rows() -> None:
    assert [len(part) for part in ngrams([])] == [0, 0, 0]


def test_a_merchant_stands_once() -> None:
    assert row_texts(["CARD TESCO 12", "POS 99", "x"], ["TESCO", "ALDI", ""]) == ["CARD TESCO 12", "ALDI POS 99", "x"]


def test_bands_tell_sign_and_magnitude_apart() -> None:
    bands = amount_bands([-5.0, 5.0, -5.2, -500.0, 0.0, float("nan"), 1e300, -1e300, float("inf"), 1e-300])
    assert bands[0] == bands[2]
    assert len({*bands[[0, 1, 3, 4, 5]].tolist()}) == 5
    assert bands.min() >= 0
    assert bands.max() < AMOUNT_BANDS
    assert bands[6] == bands[8]


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="unequal length: 1 texts, 2 amounts, 1 weekdays"):
        extract(["a"], [""], [1.0, 2.0], [0])


def test_days_outside_the_week_are_unknown() -> None:
    assert extract(["a"] * 3, [""] * 3, [1.0] * 3, np.array([-1, 6, 9], dtype=np.int8)).weekdays.tolist() == [7, 6, 7]
