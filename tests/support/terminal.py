"""The `scale` command in a terminal, as a person has it: with progress bars, and questions."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Iterable


def in_a_terminal(arguments: Iterable[str], environment: dict[str, str], typed: str = "", prompt: str = "", timeout_s: float = 60) -> str:
    """What a person sees who runs `scale` and types once the prompt is there. It must end with status 0."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "clients.cli", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TERM": "xterm", "COLUMNS": "120"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    screen, deadline = "", time.monotonic() + timeout_s
    try:
        while typed and (prompt not in screen or termios.tcgetattr(theirs)[3] & termios.ECHO):
            assert time.monotonic() < deadline, screen
            if prompt not in screen:
                screen += os.read(ours, 4096).decode()
        os.write(ours, typed.encode())
        os.close(theirs)
        while block := _read(ours):
            screen += block
        assert process.wait(10) == 0, screen
    finally:
        process.kill()
        os.close(ours)
    return screen


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:  # nobody is left at the other end
        return ""
