"""PostgreSQL is stopped for a while, as for an upgrade. Calls that need it are told 503 and when to come back; when it is back, so is
everything, without a restart of anything."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.chaos.experiment import Findings, command, started, wait_until
from tests.chaos.processes import SERVED_WITHIN_S, answers
from tests.chaos.redis_unreachable import pids_of, statement
from tests.chaos.requests import Requests
from tests.support.rest import RestUser

AWAY_S = 15.0


def postgres_restart(findings: Findings, folder: Path) -> None:
    """In order: what it has promised is on the disk."""
    with started(folder) as system:
        user = RestUser(system, timeout_s=30)
        user.imported(statement(0, 40))
        pids = pids_of(system)
        system.halt("postgres")
        time.sleep(2)  # every service has looked
        with Requests(lambda: user.http.get("/transactions")) as lists:
            ready = user.http.get("/health/ready")
            findings.expect(
                (ready.status_code, ready.json().get("rung")) == (503, "maintenance"), f"readiness without a database: {ready.text[:300]}"
            )
            time.sleep(AWAY_S)
        findings.told(answers_meanwhile=dict(lists.answers))
        findings.expect(set(lists.answers) == {"503"}, f"not all were told 503: {dict(lists.answers)}")
        findings.measured("slowest_s_meanwhile", lists.slowest_s)
        findings.failures += lists.wrong
        system.run("postgres")
        findings.measured("lists_again_s", wait_until(lambda: user.http.get("/transactions").status_code == 200, 60, "no list again"))
        back_s = wait_until(lambda: answers(system, "/ready"), 60, "not ready again")
        findings.measured("ready_again_s", back_s, at_most=SERVED_WITHIN_S)
        findings.expect(len(user.transactions()) == 40, "rows are lost")
        user.imported(statement(1, 40))
        findings.expect(len(user.transactions()) == 80, "an import afterwards is not whole")
        restarted = [name for name, pid in pids_of(system).items() if pids.get(name, pid) != pid]
        findings.expect(not restarted, f"restarted on the way: {restarted}")


if __name__ == "__main__":
    sys.exit(command("postgres_restart", ["REL-04"], postgres_restart))
