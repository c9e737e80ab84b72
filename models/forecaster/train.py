"""Makes the networks that ship: `python -m models.forecaster.train --data ../shared/data/categorization` (minutes on one core).

They learn from purchase cards of a city (Open Government Licence) and from households that are made up; nothing of a user, nothing of a
competition's data. The same data, torch and processor make the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import torch

from models.forecaster.corpus import BIRMINGHAM, birmingham
from models.forecaster.fit import Steps, train, write
from models.forecaster.forecast import Forecaster
from models.forecaster.households import households
from models.forecaster.series import Granularity

VERSION = "forecaster-1"
HOUSEHOLDS = 300
STEPS = Steps({Granularity.DAY: 3000, Granularity.WEEK: 2500, Granularity.MONTH: 1500}, 1500)
SEED = 1


def main() -> int:
    """Trains, writes the artefacts, and reads them again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/categorization"), help="folder with the public file")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write (default: beside the code)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    series = birmingham(options.data, SEED) + households(HOUSEHOLDS, SEED)
    losses: list[float] = []

    def tell(number: int, total: int, loss: float) -> None:
        losses.append(loss)
        if number % 500 == 0:
            sys.stderr.write(f"step {number} of {total}, loss {sum(losses[-500:]) / 500:.4f}\n")

    networks = train(series, STEPS, seed=SEED, progress=tell)
    facts = {
        "torch": torch.__version__.split("+")[0],
        "seed": SEED,
        "series": len(series),
        "households": HOUSEHOLDS,
        "steps": {**{granularity.value: count for granularity, count in STEPS.pooled.items()}, "tft": STEPS.tft},
        "tables": {BIRMINGHAM: hashlib.sha256((options.data / BIRMINGHAM).read_bytes()).hexdigest()},
    }
    write(options.out, VERSION, networks, facts)
    forecaster = Forecaster.load(options.out)
    sys.stdout.write(json.dumps({"version": forecaster.version, "degraded": forecaster.reason, **facts}) + "\n")
    return 1 if forecaster.degraded else 0


if __name__ == "__main__":
    sys.exit(main())
