"""Chaos 1: the gateway is killed, and another answers within 30 seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.chaos.experiment import Findings, command, started
from tests.chaos.processes import RESTARTED_WITHIN_S, SERVED_WITHIN_S, kill_and_wait
from tests.chaos.requests import Requests
from tests.support.rest import RestUser

TIMES = 3


def kill_gateway(findings: Findings, folder: Path) -> None:
    """While somebody looks at the ledger."""
    with started(folder, ("accounts", "gateway")) as system:
        user = RestUser(system, timeout_s=10)
        with Requests(lambda: user.http.get("/transactions")) as requests:
            found = [kill_and_wait(system, "gateway") for _ in range(TIMES)]
        findings.measured("restarted_s", max(one.restarted_s for one in found), at_most=RESTARTED_WITHIN_S)
        findings.measured("answers_again_s", max(one.ready_s for one in found), at_most=SERVED_WITHIN_S)
        findings.told(answers=dict(requests.answers))
        findings.failures += requests.wrong
        findings.expect(user.http.get("/transactions").status_code == 200, "the ledger is not shown again")


if __name__ == "__main__":
    sys.exit(command("kill_gateway", ["REL-01", "REL-12"], kill_gateway))
