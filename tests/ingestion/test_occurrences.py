"""Equal rows are numbered, however many lie between them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestion import occurrences as module
from services.ingestion.occurrences import Occurrences

DIGEST = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.integers(2**64 - 3, 2**64 - 1)


@settings(deadline=None)
@given(batches=st.lists(st.lists(DIGEST)), recent=st.integers(0, 10))
def test_numbers_are_those_of_a_plain_count(batches: list[list[int]], recent: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_RECENT_ROWS", recent)
        occurrences, counted = Occurrences(), Counter[int]()
        for batch in batches:
            expected = []
            for digest in batch:
                counted[digest] += 1
                expected.append(counted[digest])
            assert occurrences.number(batch) == expected


def test_a_million_rows_take_little_memory() -> None:
    occurrences = Occurrences()
    for start in range(0, 1_000_000, 8_192):
        digests = [number * 0x9E3779B97F4A7C15 % 2**64 for number in range(start, start + 8_192)]
        assert occurrences.number(digests) == [1] * 8_192
    assert len(occurrences._recent) <= module._RECENT_ROWS
    assert occurrences._old.estimated_size() < 9_000_000
    assert occurrences.number([0x9E3779B97F4A7C15, 3]) == [2, 1]
