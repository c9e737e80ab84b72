"""The whole suite, as `make test` runs it: `python -m tests.suite [ARGUMENTS FOR PYTEST]`.

First, in as many processes as there are processors, all tests that bear company, each process with servers of its own; then, one after the
other, those that are marked `alone`. Coverage is of both together.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

# More would be more servers, not more speed: the longest piece of work then takes as long as all others.
MOST_PROCESSES = 4
# A process that died of a test is not replaced: the test is named, and the run ends.
COMPANY = ("--alone=without", "-n", "logical", "--maxprocesses", str(MOST_PROCESSES), "--max-worker-restart=0", "--cov", "--cov-report=")
ALONE = ("--alone=only", "--cov", "--cov-append", "--cov-report=json", "--cov-report=term:skip-covered")
NO_TESTS = 5


def run(arguments: Sequence[str]) -> int:
    """pytest with these arguments; its exit status."""
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # pytest has heard it, too: it stops its servers and says how far it came


def main(arguments: Sequence[str], pytest: Callable[[Sequence[str]], int] = run) -> int:
    """Both parts, the second though tests of the first failed. 0 where all passed, otherwise the first other exit status of pytest."""
    statuses = {}
    for part, own in (("in company", COMPANY), ("alone", ALONE)):
        statuses[part] = pytest([*own, *arguments])
        if statuses[part] not in (0, 1, NO_TESTS):  # interrupted, or asked for what is not there
            return statuses[part]
    if set(statuses.values()) == {NO_TESTS}:
        return NO_TESTS
    failed = {part: status for part, status in statuses.items() if status not in (0, NO_TESTS)}
    for part in failed:
        sys.stderr.write(f"Tests failed: those that run {part}.\n")
    return next(iter(failed.values()), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
