"""The side of the server: FedAvg, and when each round was over."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """All rounds; the times when they began and ended go into the file named in the configuration, with the last head's mean."""
    config = context.run_config
    clients = int(config["clients"])
    while len(list(grid.get_node_ids())) < clients:
        time.sleep(0.1)
    ends: list[float] = []

    def ended(number: int, arrays: ArrayRecord) -> MetricRecord | None:
        ends.append(time.monotonic())
        return None

    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=clients, min_evaluate_nodes=0, min_available_nodes=clients)
    head = ArrayRecord([np.zeros(int(config["length"]), np.float32)])
    result = strategy.start(grid=grid, initial_arrays=head, num_rounds=int(config["rounds"]), evaluate_fn=ended, timeout=600)
    (last,) = result.arrays.to_numpy_ndarrays()
    report = Path(str(config["report"]))
    written = report.with_suffix(".part")
    written.write_text(json.dumps({"ends": ends, "mean": float(last.mean())}), encoding="utf-8")
    written.rename(report)
