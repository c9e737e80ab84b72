"""FED-14: the guide names four layers, what each prevents, and tests that show it; these are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("training on the device", "differential privacy", "secure aggregation", "at least ten devices")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.requirement("FED-14")
def test_each_layer_has_a_test_that_is_there() -> None:
    guide = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
    table = guide.partition("## Four layers")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row for row, layer in zip(rows, LAYERS, strict=True) if not row.startswith(f"| {layer}")] == []
    for row in rows:
        named = TEST.findall(row)
        assert named, f"no test is named: {row}"
        missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")]
        assert missing == []
