"""docs/scaling.md says of each phase what it is built for, and means the same steps as the profiles of the load test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.load_profiles import PROFILES

GUIDE = (Path(__file__).resolve().parents[2] / "docs/scaling.md").read_text(encoding="utf-8")
TABLE = {
    cells[0]: cells[1:]
    for line in GUIDE.partition("\n## ")[0].splitlines()
    if line.startswith("| ") and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}


@pytest.mark.requirement("ARC-18", "PERF-04", "PERF-05")
def test_the_steps_of_the_guide_are_those_of_the_load_test() -> None:
    steps = [
        [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", cell)] for cell in TABLE["users at once, requests a second"]
    ]
    assert steps == [[PROFILES[name].users, PROFILES[name].per_second] for name in ("p1", "p2", "p3")]
    times = [int(cell.removesuffix(" ms")) for cell in TABLE["95 % of answers within"]]
    assert times == [PROFILES[name].p95_ms for name in ("p1", "p2", "p3")]
    assert "50 to 100" in TABLE["built for, concurrent requests"][0]


@pytest.mark.requirement("ARC-17", "ARC-19", "PERF-02", "PERF-06")
def test_bill_data_pages_and_limits_of_each_phase_are_written_down() -> None:
    assert [re.findall(r"\$\d+", cell) for cell in TABLE["a month's bill, to be kept to"]] == [["$0"], ["$50", "$100"], ["$500"]]
    assert "none" in TABLE["a month's bill, to be kept to"][2]
    assert TABLE["data"] == ["below 1 GB", "50 GB", "1 TB"]
    assert TABLE["page of a web app within"] == ["3 s", "2 s", "1 s"]
    assert "200 connections" in TABLE["first limit"][1]
