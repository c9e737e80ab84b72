"""Bands in the terminal: what is drawn where, however narrow it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.charts import ASCII, NARROWEST, band_chart, beyond
from tests.clients.forecast_answers import points

AMOUNTS = st.decimals(-(10**14), 10**14, places=2)


def drawn(found: list[dict[str, str]], **options: Any) -> list[str]:
    return [line.plain for line in band_chart(found, **({"width": 60, "height": 12} | options))]


def test_the_middle_stands_in_the_band_and_amounts_beside_it() -> None:
    lines = drawn(points(["100", "100", "100"], low="50", high="100"), height=8)
    assert lines == [
        "200 ┤░░░░░░░░░░░░░░░░░░░░░░░░",
        "150 ┤░░░░░░░░░░░░░░░░░░░░░░░░",
        "     ░░░░░░░░░░░░░░░░░░░░░░░░",
        "100 ┤▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄",
        "     ░░░░░░░░░░░░░░░░░░░░░░░░",
        " 50 ┤░░░░░░░░░░░░░░░░░░░░░░░░",
        "",
        "  0 ┤",
        "    └────────────────────────",
        "     2026-02-01    2026-02-03",
        "█ the middle  ░░ eight cases of ten",
    ]


def test_what_goes_down_is_drawn_down_to_the_threshold_and_beyond() -> None:
    lines = drawn(points([str(200 - 10 * place) for place in range(30)], "40", "60"), threshold=Decimal(0))
    rows = [next(row for row, line in enumerate(lines) if line[place : place + 1] in tuple("█▄▀")) for place in (7, 20, 30)]
    assert rows == sorted(set(rows))
    (zero,) = [line for line in lines if line.lstrip().startswith("0 ┤")]
    assert zero.count("╌") > 10
    assert any(line.lstrip().startswith("-100 ┤") for line in lines)


def test_a_threshold_far_away_is_not_drawn() -> None:
    lines = drawn(points(["10000"] * 5, "1", "1"), threshold=Decimal(0))
    assert not any("╌" in line for line in lines)
    assert lines[0].startswith("10,001.0 ┤")


def test_single_days_and_nothing_at_all_are_drawn() -> None:
    (top, *_, foot, days, _) = drawn(points(["0.00"], "0", "0"))
    assert (top, days.strip()) == ("1 ┤", "2026-02-01")
    assert foot.strip() == "└────────"


def test_terminals_without_blocks_get_letters() -> None:
    lines = drawn(points([str(200 - 10 * place) for place in range(30)], "40", "60"), threshold=Decimal(0), unit="EUR", marks=ASCII)
    assert all(line.isascii() for line in lines)
    assert any("#" in line for line in lines)
    assert lines[-1] == "# the middle  :: eight cases of ten  -- 0 EUR"


@pytest.mark.parametrize("width", [NARROWEST, 40, 61, 80])
def test_ninety_days_fit_into_narrow_windows(width: int) -> None:
    # A day of much, in the middle, is not lost where days share a column.
    days = ["10"] * 45 + ["1000"] + ["10"] * 44
    lines = drawn(points(days), width=width)
    assert max(map(len, lines)) <= width
    assert any(sign in line for line in lines[:3] for sign in "█▄▀▲")
    assert "2026-02-01" in lines[13]


def test_one_day_far_away_leaves_the_others_to_be_seen() -> None:
    rent = points([*["30"] * 14, "900", *["30"] * 15])
    lines = drawn(rent, width=100)
    assert lines[0].endswith(" ▲▲▲")
    assert lines[-1].endswith("▲ goes on")
    assert sum("░░░░░░" in line for line in lines[:12]) > 5
    assert beyond(rent) == [rent[14]]
    income = [{**one, "p10": f"-{one['p90']}", "p90": f"-{one['p10']}", "p50": f"-{one['p50']}"} for one in rent]
    assert drawn(income, width=100)[11].strip().endswith("▼▼▼")
    # Few, and what goes up for good, stand in one picture.
    assert beyond(points(["30", "30", "900"])) == []
    assert beyond(points([str(200 * place) for place in range(30)])) == []
    assert "goes on" not in drawn(points(["0.00"] * 30, "0", "0"))[-1]


@given(
    middles=st.lists(AMOUNTS, min_size=1, max_size=90),
    spread=st.decimals(0, 10**6, places=2),
    width=st.integers(NARROWEST, 250),
    height=st.integers(4, 20),
    threshold=st.none() | AMOUNTS,
)
def test_every_forecast_can_be_drawn(middles: list[Decimal], spread: Decimal, width: int, height: int, threshold: Decimal | None) -> None:
    lines = drawn(points(list(map(str, middles)), str(spread), str(spread)), width=width, height=height, threshold=threshold)
    assert len(lines) >= height + 3
    assert max(map(len, lines)) <= width
    assert any(sign in line for line in lines[:height] for sign in "█▄▀▲▼")
