"""Every process is killed in turn, PostgreSQL and Redis included, again and again under mixed load; then all is counted.

`python -m tests.chaos.kill_everything --times 20`. Nothing may be lost, doubled or stuck, and each process is back within its target.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

from services.local import LocalSystem
from tests.chaos.clients import PATIENCE_S, Classifier, Client, Importer, Learner, Lister
from tests.chaos.experiment import Findings, add_budget, report, started, wait_until
from tests.chaos.processes import RESTARTED_WITHIN_S, Recovery, answers, kill_and_wait, left_behind

NAME = "kill_everything"
REQUIREMENTS = ("REL-01", "REL-02", "REL-03", "REL-04", "TRN-19", "TRN-20")
_QUEUE_ABOVE_BYTES = 20_000


def everything(findings: Findings, folder: Path, *, times: int, minutes: float) -> None:
    """Kills each process `times` times, or for so long; either way all is counted."""
    until = time.monotonic() + minutes * 60
    with started(folder, SCALE_INGESTION_QUEUE_ABOVE_BYTES=_QUEUE_ABOVE_BYTES) as system:
        importers = [Importer(system) for _ in range(3)]
        learners = [Learner(system) for _ in range(2)]
        clients: list[Client] = [*importers, *(Lister(system, one) for one in importers[:2]), Classifier(system), *learners]
        for client in clients:
            client.start()
        killed: defaultdict[str, list[Recovery]] = defaultdict(list)
        victims = system.programs
        for round_ in range(times):
            for victim in victims:
                if time.monotonic() > until:
                    break
                killed[victim].append(kill_and_wait(system, victim))
                if dead := [client.problems for client in clients if not client.is_alive()]:
                    findings.failures.append(f"after {victim} in round {round_ + 1} a client gave up: {dead}")
                    break
                time.sleep(0.5)
            else:
                sys.stderr.write(f"round {round_ + 1} of {times}: {sum(client.done for client in clients)} pieces of work so far\n")
                continue
            break
        begun = time.monotonic()
        for client in clients:
            client.stop()
        for client in clients:
            client.join(PATIENCE_S + 60)
        findings.measured("last_work_ended_after_s", time.monotonic() - begun, at_most=PATIENCE_S)
        _count_up(findings, system, importers, learners, clients)
        _tell_recoveries(findings, killed)


def _count_up(
    findings: Findings, system: LocalSystem, importers: Sequence[Importer], learners: Sequence[Learner], clients: Sequence[Client]
) -> None:
    findings.measured("ready_again_after_s", wait_until(lambda: answers(system, "/ready"), 60, "not everything is ready again"), at_most=60)
    for client in clients:
        findings.expect(not client.is_alive(), f"a {type(client).__name__} never came to its end")
        findings.failures += client.problems
    for problems in [*(one.reconciled() for one in importers), *(one.reconciled() for one in learners)]:
        findings.failures += problems
    findings.failures += _left_over(system)
    statuses: dict[str, int] = defaultdict(int)
    for client in clients:
        for status, count in client.statuses.items():
            statuses[status] += count
    findings.told(
        imports=sum(one.done for one in importers),
        imports_of_a_worker=sum(one.queued for one in importers),
        rows=sum(one.told["rows"] for one in importers),
        inserted=sum(one.told["inserted"] for one in importers),
        duplicates=sum(one.told["duplicates"] for one in importers),
        lists=sum(one.done for one in clients if isinstance(one, Lister)),
        classified=sum(one.done for one in clients if isinstance(one, Classifier)),
        trainings={status: sum(list(one.ended.values()).count(status) for one in learners) for status in Learner.ENDED},
        answers=dict(sorted(statuses.items())),
    )
    for client in clients:
        findings.expect(client.done, f"a {type(client).__name__} did nothing")
    findings.measured("longest_import_s", max(one.longest_s for one in importers))
    findings.measured("longest_training_s", max(one.longest_s for one in learners))


def _left_over(system: LocalSystem) -> list[str]:
    """Messages and uploads of imports that have ended."""
    problems = []

    queues = ("ingest:3", "training:9")
    try:
        wait_until(lambda: not left_behind(system, queues), 90, "")
    except TimeoutError:
        problems.append(f"left lying about: {left_behind(system, queues)}")
    return problems


def _tell_recoveries(findings: Findings, killed: dict[str, list[Recovery]]) -> None:
    kills = sum(len(recoveries) for recoveries in killed.values())
    findings.told(kills=kills)
    findings.expect(kills, "nothing was killed")
    for name, recoveries in killed.items():
        findings.measured(f"{name}_restarted_s", max(one.restarted_s for one in recoveries), at_most=RESTARTED_WITHIN_S)
        findings.told(**{f"{name}_ready_median_s": round(median(one.ready_s for one in recoveries), 3)})
        findings.measured(f"{name}_ready_s", max(one.ready_s for one in recoveries), at_most=recoveries[0].target_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.chaos.{NAME}")
    parser.add_argument("--times", type=int, default=1, help="how often each process is killed (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no more is killed, and all is counted (default: none)")
    add_budget(parser)
    chosen = parser.parse_args(arguments)
    return report(NAME, REQUIREMENTS, partial(everything, times=chosen.times, minutes=chosen.minutes), error_budget=chosen.error_budget)


if __name__ == "__main__":
    sys.exit(main())
