"""REL-17: no chaos where too little of the error budget is left, or nobody knows how much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos.error_budget import ChaosRefused, check_budget

pytestmark = pytest.mark.requirement("REL-17")


def told(tmp_path: Path, left: object) -> str:
    path = tmp_path / "budget.json"
    path.write_text(json.dumps({"availability": left}), encoding="utf-8")
    return str(path)


def test_it_may_where_more_than_half_is_left(tmp_path: Path) -> None:
    check_budget(told(tmp_path, "0.51"))
    check_budget(None)  # a system that an experiment starts for itself


@pytest.mark.parametrize("left", ["0.5", "0.49", "0", "-1.2", "NaN", "plenty"])
def test_it_may_not_otherwise(tmp_path: Path, left: str) -> None:
    with pytest.raises(ChaosRefused, match="Chaos is refused"):
        check_budget(told(tmp_path, left))


def test_who_knows_nothing_allows_nothing(tmp_path: Path) -> None:
    with pytest.raises(ChaosRefused, match="nobody knows"):
        check_budget(str(tmp_path / "absent.json"))


def test_the_command_breaks_nothing_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def one(experiment: str) -> int:
        ran.append(experiment)
        return int(experiment == "slow_db")

    assert chaos.main(["--error-budget", told(tmp_path, "0.2")], one) == 2
    assert "20.0% of the error budget is left" in capsys.readouterr().err
    assert not ran
    assert chaos.main(["--error-budget", told(tmp_path, "0.9"), "kill_gateway", "slow_db", "--repeat", "2"], one) == 1
    assert ran == ["kill_gateway", "kill_gateway", "slow_db", "slow_db"]
    assert "slow_db (1 of 2), slow_db (2 of 2)" in capsys.readouterr().err
