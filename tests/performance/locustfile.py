"""Virtual users of the REST API, for locust: `python -m benchmarks.load` starts it, or by hand

    locust -f tests/performance/locustfile.py --headless --host URL --step p1 --seconds 60

Each virtual user has a token of their own, a line each of the file that TOKENS_FILE names (they begin anew at its end); TEST_JWT is one for
all where there is no file, which a limit of requests per user then notices.
"""

from __future__ import annotations

import itertools
import os
from argparse import ArgumentParser
from pathlib import Path

from locust import FastHttpUser, LoadTestShape, User, between, constant, events, task
from locust.exception import StopTest

from benchmarks.load_profiles import PROFILES, RAMP_S, WAIT_S, users_at


@events.init_command_line_parser.add_listener
def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--step", choices=sorted(PROFILES), default="p1", env_var="LOAD_STEP", help="how many ask")
    parser.add_argument("--seconds", type=int, default=60, env_var="LOAD_SECONDS", help="for which all of them ask")
    parser.add_argument("--ramp", type=int, default=RAMP_S, env_var="LOAD_RAMP", help="seconds before, in which they become so many")


def read_tokens() -> list[str]:
    """What virtual users show, one each."""
    if file := os.environ.get("TOKENS_FILE"):
        return Path(file).read_text(encoding="utf-8").split()
    return [token] if (token := os.environ.get("TEST_JWT")) else []


_TOKENS = itertools.cycle(read_tokens())


class _User(FastHttpUser):
    abstract = True

    def on_start(self) -> None:
        """Takes the next token."""
        token = next(_TOKENS, None)
        if token is None:
            raise StopTest("There is no token: set TOKENS_FILE (one a line) or TEST_JWT.")
        self.headers = {"Authorization": f"Bearer {token}"}


class Reader(_User):
    """Looks at the ledger, and twice as often at what each category comes to."""

    wait_time = between(*WAIT_S)

    @task(1)
    def list_transactions(self) -> None:
        """The newest page."""
        self.client.get("/api/v1/transactions?page_size=50", headers=self.headers, name="GET /api/v1/transactions")

    @task(2)
    def list_category_statistics(self) -> None:
        """All categories."""
        self.client.get("/api/v1/transactions/stats", headers=self.headers, name="GET /api/v1/transactions/stats")


class Checker(_User):
    """As load_test.js: asks whether the gateway is there, then for the newest page."""

    wait_time = constant(1)

    @task
    def check(self) -> None:
        """One round."""
        self.client.get("/api/v1/health")
        self.client.get("/api/v1/accounts/transactions", headers=self.headers)


class Steps(LoadTestShape):
    """As many users as the profile has at this moment. What was measured while they became so many does not count."""

    _counts = False

    def tick(self) -> tuple[int, float, list[type[User]] | None] | None:
        """See `LoadTestShape`."""
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        profile, elapsed_s = PROFILES[options.step], self.get_run_time()
        if not self._counts and profile.steady and elapsed_s >= options.ramp:
            self._counts = True
            self.runner.stats.reset_all()
        users = users_at(profile.stages(options.seconds, ramp_s=options.ramp), elapsed_s)
        kinds: dict[str, type[User]] = {"Reader": Reader, "Checker": Checker}
        return None if users is None else (users, float(profile.users), [kinds[profile.kind]])
