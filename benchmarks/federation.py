"""Seconds for a round of federated learning: through SCALE's coordinator, and beside it through Flower's own deployment.

    python -m benchmarks.federation [--rounds 3] [--only ours|flower]

12, 50 and 100 devices with secure aggregation and without, against a coordinator that is a process of its own, on PostgreSQL, over TLS; and
in the same run ten SuperNodes of Flower's, beside ten of ours. Nothing is trained on either side: each client moves the head by a step.
Devices do all else: they sign, check their policy, pay their privacy ledgers, clip, add noise, mask and unmask, in four processes (up to
twelve: each in one of its own). Flower's clients do none of that, and nothing of theirs is encrypted.

A round of ours is from the administrator's request to the published version, the hold-out gate included; devices are told that it is open,
as by a push notification. A round of Flower's is from the end of the one before. The first is to warm up on both sides.
Prints one line of JSON; exits with 1 where ours is not 20 times as fast at ten clients, or the coordinator's memory is not flat.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.flower import measure_flower, missing
from benchmarks.running import note
from clients.device.ledger_export import LabelledRow
from clients.device.simulate import SimulationOptions, simulate
from clients.device.trainer import Parts, Trained
from scale.federation.v1 import round_pb2

DEVICES = (12, 50, 100)
BESIDE_FLOWER = 10
WANTED_RATIO = 20
WANTED_MEMORY = 1.5
"""Of the coordinator with the most devices, in times of that with the fewest."""
_STEP = 0.001
_ROWS = 10


@dataclass(frozen=True)
class StepTrainer:
    """A device that trains nothing."""

    def train(self, parts: Parts, rows: Sequence[LabelledRow], plan: round_pb2.RoundPlan) -> Trained:
        """See `clients.device.trainer.Trainer`."""
        return Trained(np.full(plan.update_length, _STEP, np.float32), len(rows), 1, 0.0, 0.0)


def measure_ours(devices: int, rounds: int, *, secure_aggregation: bool) -> dict[str, Any]:
    """A coordinator, so many devices, so many rounds and one before them. Raises SystemExit where a round makes no version."""
    options = SimulationOptions(
        clients=devices, rounds=rounds + 1, secure_aggregation=secure_aggregation, rows=_ROWS, trainer=StepTrainer()
    )
    done = simulate(options)
    failed = [one for one in done["rounds"] if not one["version"]]
    if failed:
        raise SystemExit(f"{devices} devices: {failed[0].get('reason')}: {failed[0].get('message')}")
    measured = done["rounds"][1:]
    return {
        "devices": devices,
        "secure_aggregation": secure_aggregation,
        "contributors": min(one["contributors"] for one in measured),
        "seconds": round(statistics.median(one["seconds"] for one in measured), 3),
        "seconds_of_each": [one["seconds"] for one in measured],
        "bytes_up_per_client": measured[-1]["bytes_up_per_client"],
        "coordinator_mib": done["coordinator_mib"],
    }


def beside_flower(rounds: int) -> dict[str, Any]:
    """Flower's deployment. Raises SystemExit where a client was left out."""
    length = update_length()
    with tempfile.TemporaryDirectory(prefix="scale-flower-") as folder:
        found = measure_flower(Path(folder), clients=BESIDE_FLOWER, rounds=rounds, length=length)
    if not np.isclose(found.mean, (rounds + 1) * _STEP, rtol=1e-3):
        raise SystemExit(f"Flower's head has moved by {found.mean} in {rounds + 1} rounds; each moves it by {_STEP}")
    return {
        "clients": BESIDE_FLOWER,
        "seconds": round(statistics.median(found.seconds), 3),
        "seconds_of_each": [round(one, 3) for one in found.seconds],
        "superlink_mib": round(found.superlink_mib, 1),
        "update_length": length,
    }


def update_length() -> int:
    """Of the shipped model's head."""
    from models.federated.head import Head
    from models.hypcd.classifier import Classifier

    return Head.of(Classifier.load(Path(__file__).resolve().parents[1] / "models" / "hypcd")).length


def run_ours(sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """All sizes, with secure aggregation and without."""
    found = []
    for devices in sizes:
        for secure in (True, False):
            found.append(measure_ours(devices, rounds, secure_aggregation=secure))
            note(str(found[-1]))
    return found


def verdicts(ours: Sequence[dict[str, Any]], flower: dict[str, Any] | None) -> dict[str, Any]:
    """What was asked for, as far as it was measured."""
    told: dict[str, Any] = {}
    masked = [one for one in ours if one["secure_aggregation"]]
    if masked:
        fewest, most = (pick(masked, key=lambda one: one["devices"]) for pick in (min, max))
        told["memory_ratio"] = round(most["coordinator_mib"] / fewest["coordinator_mib"], 3)
        told["memory_flat"] = told["memory_ratio"] <= WANTED_MEMORY
    beside = [one for one in ours if one["devices"] == BESIDE_FLOWER]
    if beside and flower:
        for one in beside:
            name = "ratio_masked" if one["secure_aggregation"] else "ratio_plain"
            told[name] = round(flower["seconds"] / one["seconds"], 1)
        told["fast"] = told["ratio_masked"] >= WANTED_RATIO
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each kind, after one to warm up")
    parser.add_argument("--devices", type=int, nargs="*", default=list(DEVICES))
    parser.add_argument("--only", choices=("ours", "flower"))
    options = parser.parse_args()
    # Flower's programs outlive whoever has started them, unless they are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    flower, ours = None, []
    if options.only != "flower":
        # First: it forks, which a process with threads does badly.
        ours = run_ours(sorted({BESIDE_FLOWER, *options.devices}), options.rounds)
    if options.only != "ours":
        if why := missing():
            note(f"Flower is left out: {why}")
        else:
            flower = beside_flower(options.rounds)
            note(str(flower))
    told = verdicts(ours, flower)
    wanted = {"ratio": WANTED_RATIO, "memory_ratio": WANTED_MEMORY}
    print(json.dumps({"benchmark": "federation", "ours": ours, "flower": flower, **told, "wanted": wanted, "cores": os.cpu_count()}))
    return 0 if told.get("memory_flat", True) and told.get("fast", True) else 1


if __name__ == "__main__":
    sys.exit(main())
