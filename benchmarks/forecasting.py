"""How good and how fast forecasts are: M4 Weekly, cards, made households, 1,000 users at once, one long history. One line of JSON.

    python -m benchmarks.forecasting [--data ../shared/data] [--only m4 cards households speed] [--without-arima]
    python -m benchmarks.forecasting --only m4 cards --back 13    # as settings are chosen: the held-out weeks stay unseen

docs/forecasting.md says what the figures mean. All but `m4` ask the networks that ship, `m4` the same pipeline with networks that
were trained on M4 itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import forecasting_cards, forecasting_households, forecasting_m4, forecasting_speed
from models.forecaster.forecast import Forecaster

SHIPPED = Path(__file__).parents[1] / "models" / "forecaster"
PARTS = ("m4", "cards", "households", "speed")


def main() -> int:
    """Measures, with one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=SHIPPED, help="folder of networks (default: those that ship)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--back", type=int, default=0, help="so many weeks before the weeks held out")
    parser.add_argument("--without-arima", action="store_true", help="AutoARIMA takes two minutes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    forecaster = Forecaster.load(options.model)
    result: dict[str, Any] = {}
    if "speed" in options.only:
        result["speed"] = forecasting_speed.measure(forecaster)
    if "households" in options.only:
        result["households"] = forecasting_households.measure(forecaster)
    if "cards" in options.only:
        result["cards"] = forecasting_cards.measure(options.data / "categorization", forecaster, weeks_before=options.back)
    if "m4" in options.only:
        result["m4"] = forecasting_m4.measure(options.data / "forecasting", back=options.back, arima=not options.without_arima)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
