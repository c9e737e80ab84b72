"""`python -m services.local`, that is `make run` and `scale up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from types import FrameType

from rich.console import Console

from services.local import demo
from services.local.home import default_home, port_base
from services.local.problem import LocalProblem
from services.local.system import LocalSystem

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopAsked(BaseException):
    """Somebody asked for the end. Not an Exception, so that nothing on the way swallows it."""


def main() -> int:
    """Starts, says how to use it, waits and stops. Returns the exit code: 0 after a stop asked for, 1 on a problem."""
    # No highlighting and no folding: people copy tokens and commands from here.
    console = Console(highlight=False, soft_wrap=True)
    for number in _STOP_SIGNALS:
        signal.signal(number, _ask_to_stop)
    system: LocalSystem | None = None
    code = 0
    try:
        if os.environ.get("SCALE_ENVIRONMENT", "development") != "development":
            raise LocalProblem("`make run` is for development; in production each service starts by itself.")
        system = LocalSystem(default_home(), port_base(), report=lambda step, s: _report(console, step, s))
        _start(system, console)
        system.watch()
    except LocalProblem as problem:
        console.print(str(problem), style="red", markup=False)
        code = 1
    except _StopAsked:
        pass
    finally:
        # A second Ctrl-C must not cut the stop short: every step of it has its own time limit.
        for number in _STOP_SIGNALS:
            signal.signal(number, lambda *_: console.print("Already stopping; a moment."))
        if system is not None and system.supervisor_pid:
            console.print("Stopping everything ...")
            started = time.monotonic()
            system.stop()
            _report(console, "Stopped", time.monotonic() - started)
    return code


def _start(system: LocalSystem, console: Console) -> None:
    started = time.monotonic()
    console.print(f"SCALE starts in {system.home.path}", markup=False)
    system.start()
    token = demo.write_token(system.home)
    importing = time.monotonic()
    try:
        rows = demo.import_sample(system.gateway_url, token)
        if rows is not None:
            _report(console, f"Import the sample statement ({rows} transactions)", time.monotonic() - importing)
    except LocalProblem as problem:
        # No reason to take away a system that serves.
        console.print(str(problem), style="red", markup=False)
    _report(console, "Ready", time.monotonic() - started)
    url = system.gateway_url
    authorized = f'-H "Authorization: Bearer $(cat {shlex.quote(str(system.home.token_file))})"'
    json = "-H 'Content-Type: application/json'"
    payment = '{"description":"REWE SAGT DANKE 4711","amount":"-12.30","currency":"EUR"}'
    console.print(
        f"""
SCALE answers at {url} (description: {url}/docs). Ctrl-C stops it.

Token of the demo user, valid 12 hours (also in {system.home.token_file}):
{token}

Try:
  curl -s {authorized} '{url}/api/v1/transactions?page_size=5'
  curl -s {authorized} -F file=@statement.csv {url}/api/v1/imports
  curl -s {authorized} {json} -d '{payment}' {url}/api/v1/classify
""",
        markup=False,
    )


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    raise _StopAsked


def _report(console: Console, step: str, seconds: float) -> None:
    console.print(f"  {seconds:5.1f} s  {step}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
