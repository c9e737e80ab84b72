"""One process that the local system runs: what to execute, as whom, and how it is stopped."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from services.local.home import LocalHome, write_private

# First who only calls: the gateway, the workers and their clock; then who answers; then what keeps the data.
CALLERS, SERVERS, STORES = 1, 2, 3


@dataclass(frozen=True)
class Program:
    """A process and its whole environment: nothing is inherited, so no service sees another's password.

    `user` is a numeric uid to drop to (None: stay), `clear_orphans_of` a PostgreSQL data directory whose orphaned
    processes are ended before each start. `parent` is the pid without which it shall not run (None: whoever starts it).
    Programs of one `stop_stage` are stopped at once, CALLERS first, each later stage when all of the earlier have ended.
    """

    name: str
    argv: list[str]
    environment: dict[str, str]
    directory: str = "/"
    stop_signal: str = "TERM"
    stop_wait_s: int = 10
    stop_stage: int = SERVERS
    user: int | None = None
    clear_orphans_of: str | None = None
    parent: int | None = None

    def command(self, home: LocalHome) -> list[str]:
        """Writes the private file that launch.py reads; returns the command line, to be run from the home's folder."""
        specification = home.run / f"{self.name}.json"
        content = asdict(self) | {"death_signal": f"SIG{self.stop_signal}"}
        write_private(specification, json.dumps(content, indent=2) + "\n")
        return [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(specification.relative_to(home.path))]
