"""What federation is worth, and what privacy takes of it: the same head trained in four ways on the same rows, one JSON line.

    python -m benchmarks.federation_utility [--data ../shared/data] [--only banking cards poison]

`banking`: questions of bank customers, 400 users of 20 rows. `cards`: a city's 400 busiest purchase cards, each with the categories of its
holder. `pretrained` is the head of public rows alone; `central` the same head trained on everybody's rows in one place; `federated` the
weighted mean without privacy, both the best of their epochs or rounds; `private`, after its last round, has user-level privacy as devices
and coordinator have it: updates clipped, rounded, with noise shares, DP-SGD on each device. All devices take part in each of its rounds, so
that nothing is amplified: both figures of epsilon say the same, and are at most 8.

`poison`: twelve devices, of which three send five times the reverse of what they have learned: nothing done about it, the gate on rows
held out, and the median of single updates, which only a round without masks has. `groups`: 36 devices with three such, and the median of
the sums of three random groups, which are masked.

Wanted: `federated` within 3 points of `central`, `private` above `pretrained`; with the gate nothing is lost, and with a median no more
than 5 points of the clean run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.federation_utility_populations import banking, cards, merged
from benchmarks.federation_utility_rounds import Population, Settings, run
from benchmarks.running import note
from models.federated import defaults
from models.federated.fit import train
from models.federated.privacy import BUDGET_EPSILON, Spending, noise_for
from services.federation.domain import Algorithm

_CENTRAL_EPOCHS = 10
_PRIVATE_ROUNDS = 10
_POISONED = frozenset((2, 5, 9))

OPEN = {
    "banking": Settings(rounds=60, devices=100, epochs=3, learning_rate=0.3, server_learning_rate=2.0),
    "cards": Settings(rounds=100, devices=100, clip_norm=2.0, weight_cap=1000),
}
PRIVATE = {
    "banking": Settings(rounds=_PRIVATE_ROUNDS, devices=400, learning_rate=1.0, batch_size=32, server_learning_rate=2.0, clip_norm=1.0),
    "cards": Settings(rounds=_PRIVATE_ROUNDS, devices=400, server_learning_rate=2.0, clip_norm=0.5),
}
CENTRAL = {"banking": (0.3, 64), "cards": (0.1, 64)}
"""Learning rate and batch."""


def compare(name: str, population: Population) -> dict[str, Any]:
    """Four ways."""
    started = time.process_time()
    pretrained = population.accuracy(population.head)
    central = _central(name, population)
    federated = run(population, OPEN[name])
    note(f"{name}: pretrained {pretrained:.4f}, federated {federated.accuracies[9::10]}")
    noise = noise_for(BUDGET_EPSILON, _PRIVATE_ROUNDS)
    private = run(
        population,
        replace(
            PRIVATE[name],
            noise_multiplier=noise,
            example_noise_multiplier=defaults.EXAMPLE_NOISE_MULTIPLIER,
            example_clip_norm=defaults.EXAMPLE_CLIP_NORM,
        ),
    )
    note(f"{name}: private {private.accuracies}")
    spent = Spending((noise,) * _PRIVATE_ROUNDS)
    return {
        "users": len(population.users),
        "rows": sum(map(len, population.users)),
        "update_numbers": population.head.length,
        "pretrained": round(pretrained, 4),
        "central": round(central, 4),
        "federated": round(max(federated.accuracies), 4),
        "federated_last": round(federated.accuracies[-1], 4),
        "federated_rounds": OPEN[name].rounds,
        "private": round(private.accuracies[-1], 4),
        "private_rounds": _PRIVATE_ROUNDS,
        "noise_multiplier": noise,
        "epsilon": round(spent.epsilon(sample_rate=PRIVATE[name].devices / len(population.users)), 3),
        "epsilon_unamplified": round(spent.epsilon(), 3),
        "bytes_up": private.bytes_up,
        "processor_seconds": round(time.process_time() - started, 1),
    }


def _central(name: str, population: Population) -> float:
    """The best of its epochs: what stopping early would give."""
    head, best, everything = population.head, 0.0, population.everything
    rate, batch = CENTRAL[name]
    for epoch in range(_CENTRAL_EPOCHS):
        head = head.with_vector(train(head, everything, epochs=1, learning_rate=rate, batch_size=batch, seed=epoch).vector)
        best = max(best, population.accuracy(head))
    note(f"{name}: central {best:.4f}")
    return best


def poison(population: Population) -> dict[str, Any]:
    """Three of twelve, and three of 36 in groups."""
    started = time.process_time()
    settings = Settings(rounds=8, devices=12, epochs=1, learning_rate=0.3, clip_norm=2.0)
    ways: dict[str, dict[str, Any]] = {
        "clean": {},
        "nothing_done": {"poisoned": _POISONED},
        "gate": {"poisoned": _POISONED, "gate_tolerance": defaults.GATE_TOLERANCE},
        "median_unmasked": {"poisoned": _POISONED, "algorithm": Algorithm.FEDMEDIAN, "masked": False},
        "groups_clean": {"devices": 36},
        "groups_nothing_done": {"devices": 36, "poisoned": _POISONED},
        "groups_median": {"devices": 36, "poisoned": _POISONED, "groups": 3, "algorithm": Algorithm.FEDMEDIAN},
    }
    found: dict[str, Any] = {"pretrained": round(population.accuracy(population.head), 4), "rounds": settings.rounds}
    for name, changed in ways.items():
        chosen = replace(settings, **changed)
        trace = run(merged(population, chosen.devices), chosen)
        found[name] = round(trace.accuracies[-1], 4)
        if name == "gate":
            found["gate_refused"] = trace.refused
        note(f"poison, {name}: {trace.accuracies}")
    return found | {"processor_seconds": round(time.process_time() - started, 1)}


def main() -> int:
    """Runs the parts and prints one line."""
    parts = ("banking", "cards", "poison")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    torch.set_num_threads(1)
    makers: dict[str, Callable[[Path], Population | str]] = {"banking": banking, "cards": cards, "poison": banking}
    made: dict[Callable[[Path], Population | str], Population | str] = {}
    result: dict[str, Any] = {}
    for name in options.only:
        maker = makers[name]
        population = made.setdefault(maker, maker(options.data)) if maker not in made else made[maker]
        if isinstance(population, str):
            result[name] = {"skipped": population}
        else:
            result[name] = poison(population) if name == "poison" else compare(name, population)
        note(f"{name}: {json.dumps(result[name])}")
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
