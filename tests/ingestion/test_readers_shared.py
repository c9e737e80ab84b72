"""The shared statements against their manifest, worked out by other parsers and by eye."""

from __future__ import annotations

import pytest

from benchmarks.statements_table import data_folder, manifest_rows, read_directly, verdict

FOLDER = data_folder()
ROWS = list(manifest_rows(FOLDER)) if FOLDER else []


@pytest.mark.skipif(FOLDER is None, reason="the shared data is not here: set SCALE_SHARED_DATA")
def test_the_manifest_has_statements() -> None:
    assert len([row for row in ROWS if row["kind"] == "statement"]) >= 20


@pytest.mark.parametrize("expected", ROWS, ids=lambda row: row["path"])
def test_shared_statement(expected: dict[str, str]) -> None:
    assert FOLDER is not None
    outcome = read_directly(FOLDER / "statements" / expected["path"])
    said = verdict(expected, outcome, currency_filled_in=False)
    if expected["kind"] == "statement":
        assert said in ("OK", "ARGUED"), (outcome, expected)
    elif expected["kind"] == "not_a_statement":
        assert outcome.rows == 0
        assert outcome.refused
    else:  # ambiguous, investment, broken: right, or a question with a line and a reason
        assert said in ("OK", "REFUSED"), (outcome, expected)
