"""A service takes far longer than anybody waits. Its callers wait until their deadline, five times; then nobody waits any more until it
answers again. All others are as quick as ever, and an import goes on without it, and says so."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from services.local import free_port_base
from services.local.home import Ports
from services.local.system import LocalSystem
from tests.chaos.experiment import Findings, command, user_environment, wait_until
from tests.chaos.proxies import proxied
from tests.chaos.redis_unreachable import classified, statement
from tests.chaos.requests import Requests
from tests.support.rest import RestUser

SERVICES = ("accounts", "categorization", "ingestion", "gateway")
DEADLINE_S = 2.0
OPEN_S = 30.0
SLOW_S = 60.0


def slow_service(findings: Findings, folder: Path) -> None:
    """Behind a proxy that is in no hurry."""
    port = free_port_base()
    with proxied(Ports(port).service("categorization")) as proxy:
        own = {"SCALE_CATEGORIZATION_ADDRESS": f"127.0.0.1:{proxy.port}", "SCALE_GATEWAY_TIMEOUT_S": DEADLINE_S}
        system = LocalSystem(folder / "home", port, environment=user_environment(**own))
        with system:
            system.start(SERVICES, deadline_s=240)
            user = RestUser(system, timeout_s=60)
            wait_until(lambda: classified(user).status_code == 200, 60, "nothing is classified")
            proxy.delay_s = SLOW_S
            other = RestUser(system, timeout_s=30)
            with Requests(lambda: other.http.get("/transactions")) as lists:
                waited = [_classified(user) for _ in range(5)]
                refused = [_classified(user) for _ in range(20)]
                begun = time.monotonic()
                told = user.imported(statement(0, 40))
                findings.measured("import_s", time.monotonic() - begun)
            findings.told(
                categorization_of_the_import=told["detected"].get("categorization"), while_it_waited=waited, lists=dict(lists.answers)
            )
            findings.expect({status for status, _, _ in waited} == {504}, f"not 504 at the deadline: {waited}")
            findings.measured("slowest_at_the_deadline_s", max(seconds for *_, seconds in waited), at_most=DEADLINE_S + 2)
            reasons = {(status, reason) for status, reason, _ in refused}
            findings.expect(reasons == {(503, "CIRCUIT_OPEN")}, f"the circuit is not open: {reasons}")
            findings.measured("slowest_while_open_s", max(seconds for *_, seconds in refused), at_most=1)
            findings.measured("lists_failed", lists.failed, at_most=0)
            findings.measured("lists_slowest_s", lists.slowest_s, at_most=DEADLINE_S)
            findings.expect(told["counts"]["inserted"] == 40, f"the import without it: {told['counts']}")
            proxy.delay_s = 0
            healed = wait_until(lambda: classified(user).status_code == 200, 120, "nothing is classified again")
            findings.measured("classified_again_s", healed, at_most=OPEN_S + 5)


def _classified(user: RestUser) -> tuple[int, str | None, float]:
    begun = time.monotonic()
    response = classified(user)
    return response.status_code, response.json().get("reason"), round(time.monotonic() - begun, 3)


if __name__ == "__main__":
    sys.exit(command("slow_service", ["REL-10"], slow_service))
