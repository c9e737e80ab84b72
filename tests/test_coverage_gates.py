"""The coverage gates: what they read, and that they can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import coverage_gates


def report(**percent_by_path: int) -> dict[str, object]:
    return {
        "files": {
            path: {"summary": {"num_statements": 100, "covered_lines": percent, "num_branches": 0, "covered_branches": 0}}
            for path, percent in percent_by_path.items()
        }
    }


def test_each_package_has_its_own_line() -> None:
    measured = {m.prefix: m for m in coverage_gates.measure(report(**{"services/ingestion/service.py": 94, "services/kit/auth.py": 96}))}
    assert not measured["services/ingestion/"].passed
    assert measured["services/kit/auth"].passed
    assert measured[""].percent == 95
    assert "services/accounts/" not in measured


def test_branches_count() -> None:
    summary = {"num_statements": 50, "covered_lines": 50, "num_branches": 50, "covered_branches": 0}
    [overall] = coverage_gates.measure({"files": {"services/x.py": {"summary": summary}}})
    assert overall.percent == 50


@pytest.mark.parametrize(("percent", "status"), [(100, 0), (10, 1)])
def test_exit_status(tmp_path: Path, percent: int, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(report(**{"services/accounts/service.py": percent})), encoding="utf-8")
    assert coverage_gates.main([str(path)]) == status
    assert ("TOO LOW" in capsys.readouterr().out) is bool(status)


def test_an_empty_report_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "coverage.json"
    path.write_text('{"files": {}}', encoding="utf-8")
    assert coverage_gates.main([str(path)]) == 1


@pytest.mark.requirement("ACC-16", "ANO-05", "CAT-22", "CI-04", "FCT-10", "ING-25", "SEC-27", "TRN-30")
def test_the_gates_of_the_requirements_are_all_there() -> None:
    assert coverage_gates.GATES == {
        "services/ingestion/": 95,
        "services/kit/auth": 95,
        "services/kit/errors": 90,
        "services/accounts/": 85,
        "services/categorization/": 85,
        "services/forecasting/": 80,
        "services/forecasting/anomaly/": 80,
        "services/training/": 80,
        "services/federation/": 80,
        "models/federated/": 80,
        "clients/device/": 80,
        "": 80,
    }
