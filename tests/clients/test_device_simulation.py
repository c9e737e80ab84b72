"""`scale federation simulate`, as people run it from a fresh clone: twelve processes, a coordinator of its own, TLS between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clients.cli.__main__ import app
from clients.device.outcome import Done, Outcome
from clients.device.simulated.devices import Enrolled, Said, Troubled
from clients.device.simulated.report import Heard, Report
from scale.federation.v1.round_pb2 import Round
from services.local.home import REPOSITORY


def simulate(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
    # A home without a key: nobody else's system is asked.
    environment |= {"SCALE_HOME": str(home / "none"), "TMPDIR": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "clients.cli", "federation", "simulate", "--json", *arguments],
        check=False,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.requirement("ARC-07", "FED-07", "FED-17")
@pytest.mark.e2e
@pytest.mark.slow
def test_twelve_devices_make_three_versions_within_their_budgets(tmp_path: Path) -> None:
    done = simulate(tmp_path, "--clients", "12", "--rounds", "3")

    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    rounds = told["rounds"]
    assert [one["version"] for one in rounds] == [2, 3, 4]
    assert told["versions"] == [1, 4]
    assert [(one["contributors"], one["dropped"]) for one in rounds] == [(12, 0)] * 3
    assert (told["secure_aggregation"], told["tls"], told["processes"], told["own_coordinator"]) == (True, True, 12, True)
    spent = [one["epsilon_unamplified"] for one in rounds]
    assert spent == sorted(spent)
    assert 7 < spent[-1] <= told["budget_epsilon"] == 8
    assert all(one["epsilon"] <= one["epsilon_unamplified"] for one in rounds)
    assert all(5_000 < one["bytes_up_per_client"] < 5_000_000 and one["seconds"] > 0 for one in rounds)
    assert all(one["accuracy"] > one["base_accuracy"] - 0.011 for one in rounds)
    # Nothing is left: neither processes' files nor a database.
    assert not list(tmp_path.glob("scale-simulation-*"))


def test_nobody_at_an_address_is_said_at_once() -> None:
    done = CliRunner().invoke(app, ["federation", "simulate", "--address", "127.0.0.1:1"])

    assert done.exit_code == 3
    assert "Nobody answers at 127.0.0.1:1." in done.output


def outcome(device: int, done: Done, **told: Any) -> Said:
    return Said(device, Outcome(done, round_id="r", **told))


def test_what_is_told_of_rounds_is_json_whatever_became_of_them() -> None:
    report, published, failed = Report(12, 1.2), Heard("r"), Heard("r")
    published.take([outcome(0, Done.PUBLISHED, bytes_up=100, epsilon=3.85, example_epsilon=2.0), outcome(1, Done.LEFT_OUT, epsilon=3.85)])
    published.take([Said(2, Outcome(Done.PUBLISHED, round_id="another", epsilon=99.0)), Enrolled(3, "x")])
    failed.take([outcome(0, Done.REFUSED, message="too little noise", epsilon=3.85), Troubled(4, "nobody answers")])

    report.add(
        Round(version=2, contributor_count=10, selected_count=6, unamplified_epsilon=float("inf"), accuracy_ratio=0.7), published, 1.5
    )
    report.add(Round(reason="TOO_FEW_CONTRIBUTORS", reason_message="9 were left"), failed, 2.0)

    first, second = json.loads(json.dumps(report.rounds, allow_nan=False))
    assert (first["version"], first["bytes_up_per_client"], first["model_epsilon_unamplified"]) == (2, 100, None)
    assert 0 < first["epsilon"] < first["epsilon_unamplified"] == 3.85, "half of the devices were asked"
    assert (second["version"], second["reason"]) == (None, "TOO_FEW_CONTRIBUTORS")
    assert second["devices_say"] == ["nobody answers", "too little noise"]
    assert (report.complete, report.example_epsilon) == (False, 2.0)
