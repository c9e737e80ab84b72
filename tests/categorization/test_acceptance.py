"""CAT-17: the share of categories that users leave as they are."""

from __future__ import annotations

import pytest

from services.categorization.acceptance import WINDOW_S, Acceptance, accepted_ratio
from services.categorization.domain import Source


@pytest.mark.requirement("CAT-17")
@pytest.mark.parametrize(
    ("classified", "corrected", "ratio"), [(0, 0, None), (0, 3, None), (100, 31, 0.69), (100, 0, 1.0), (10, 10, 0.0), (10, 11, 0.0)]
)
def test_the_share_of_accepted_categories(classified: int, corrected: int, ratio: float | None) -> None:
    assert accepted_ratio(classified, corrected) == (pytest.approx(ratio) if ratio is not None else None)


def test_only_what_was_given_in_the_last_day_counts() -> None:
    now = 0.0
    acceptance = Acceptance(clock=lambda: now)
    assert acceptance.ratio() is None
    acceptance.count(Source.MODEL, 8)
    acceptance.count(Source.USER, 2)
    acceptance.count(None, 1000)
    acceptance.correct("dining", "groceries")
    # The user's first word, and the same once more, put nothing right.
    acceptance.correct("dining", "")
    acceptance.correct("dining", "dining")
    assert acceptance.ratio() == pytest.approx(0.9)
    now = WINDOW_S / 2
    acceptance.count(Source.FALLBACK, 10)
    assert acceptance.ratio() == pytest.approx(0.95)
    now = WINDOW_S + 1
    assert acceptance.ratio() == pytest.approx(1.0)
    now = 2 * WINDOW_S
    assert acceptance.ratio() is None
