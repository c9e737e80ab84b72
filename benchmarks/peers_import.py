"""One statement into SCALE, hledger, Actual Budget and beancount in the same run: a fresh ledger, then the same file again.

    python -m benchmarks.peers_import [--rounds 3] [--limit 300] [--actual FOLDER] [--beancount PYTHON]

Every peer takes the same rows in the same CSV file and keeps duplicates out in its own way; docs/benchmarks.md says how to install them
(outside of this repository: they are run as programs, never imported). What is not found is named and left out.

What is counted: for SCALE the request to running services, with every row stored; for hledger and beancount the whole command, as their
users run it; for Actual reading the file and importing it, without the start of node and the opening of the budget. A pass that
takes longer than `--limit` seconds is ended and counts as that long. The order rotates from round to round; medians count.
Prints one line of JSON. Exits with 1 when a lead is smaller than wanted, or SCALE did not add every row once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers.programs import Actual, Beancount, Hledger, Pass, Peer
from benchmarks.peers.scale import Scale
from benchmarks.running import note, running_system, statement_csv

CARDS = 4
"""Of one household: Actual keeps a payee for each different description."""
WANTED = {("hledger", "first"): 2.5, ("actual", "first"): 8.0, ("actual", "again"): 50.0}
"""How many times as fast as a peer SCALE has to be, at the smaller size."""
PASSES = ("first", "again")


def measure(peers: list[Peer], rows: int, rounds: int) -> dict[str, dict[str, list[Pass]]]:
    """Each peer's passes, round by round."""
    content = statement_csv(rows, cards=CARDS)
    found: dict[str, dict[str, list[Pass]]] = {peer.name: {name: [] for name in PASSES} for peer in peers}
    for number in range(rounds):
        turn = number % len(peers)
        for peer in peers[turn:] + peers[:turn]:
            with tempfile.TemporaryDirectory(prefix="scale-peers-") as name:
                folder = Path(name)
                statement = folder / "statement.csv"
                statement.write_bytes(content)
                peer.open_ledger(folder)
                for step in PASSES:
                    done = peer.import_statement(folder, statement)
                    found[peer.name][step].append(done)
                    note(f"{rows} rows, {peer.name}, {step}: {done}")
                    if done.over_limit:
                        break
    return found


def summary(found: dict[str, dict[str, list[Pass]]], rows: int) -> dict[str, Any]:
    """Medians, and for each peer how many times as long as SCALE it takes."""
    medians = {
        name: {step: statistics.median(done.seconds for done in passes[step]) for step in PASSES if passes[step]}
        for name, passes in found.items()
    }
    result: dict[str, Any] = {}
    for name, passes in found.items():
        result[name] = {f"{step}_s": round(seconds, 3) for step, seconds in medians[name].items()}
        result[name] |= {f"{step}_added": sorted({one.added for one in passes[step] if one.added is not None}) for step in medians[name]}
        if over := [step for step in medians[name] if any(one.over_limit for one in passes[step])]:
            result[name]["over_limit"] = over
        if name != "scale":
            result[name] |= {f"{step}_lead": round(medians[name][step] / medians["scale"][step], 2) for step in medians[name]}
    scale = found["scale"]
    if any(one.added != rows for one in scale["first"]) or any(one.added for one in scale["again"]):
        raise SystemExit(f"SCALE did not add every row once: {result['scale']}")
    return result


def shortfalls(result: dict[str, Any]) -> list[str]:
    """The leads that are smaller than wanted, of peers that were found."""
    return [
        f"{name}, {step}: {result[name][f'{step}_lead']} instead of {wanted}"
        for (name, step), wanted in WANTED.items()
        if name in result and result[name].get(f"{step}_lead", wanted) < wanted
    ]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3, help="of the first size; the others are measured once")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one pass of a peer")
    parser.add_argument(
        "--actual", type=Path, default=os.environ.get("SCALE_BENCH_ACTUAL"), help="folder with @actual-app/api in node_modules"
    )
    parser.add_argument(
        "--beancount", type=Path, default=os.environ.get("SCALE_BENCH_BEANCOUNT"), help="a Python that has beancount and beangulp"
    )
    options = parser.parse_args()
    programs: list[Peer] = [
        Hledger(shutil.which("hledger"), options.limit),
        Actual(shutil.which("node"), options.actual, options.limit),
        Beancount(options.beancount, options.limit),
    ]
    missing = {peer.name: peer.missing() for peer in programs if peer.missing()}
    for name, reason in missing.items():
        note(f"{name} is left out: {reason}")
    sizes: dict[str, Any] = {}
    with running_system() as system:
        scale = Scale(system)
        scale.warm_up()
        peers = [scale, *(peer for peer in programs if peer.name not in missing)]
        for number, rows in enumerate(options.rows):
            sizes[str(rows)] = summary(measure(peers, rows, options.rounds if number == 0 else 1), rows)
    short = shortfalls(sizes[str(options.rows[0])])
    result = {
        "benchmark": "peers_import",
        "rows": sizes,
        "wanted_leads": {f"{name}_{step}": wanted for (name, step), wanted in WANTED.items() if name not in missing},
        "short_of": short,
        "versions": {peer.name: peer.version() for peer in peers},
        "left_out": missing,
        "limit_s": options.limit,
        "cores": os.cpu_count(),
    }
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
