"""The `scale` command in a terminal, as a person has it: with progress bars, and questions."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable


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


def interrupted(url: str, ready: Callable[[], bool], *arguments: str) -> str:
    """What `scale` says on stderr when Ctrl-C comes once `ready`. It must end as shells expect."""
    command = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from clients.cli.__main__ import main; main()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "SCALE_URL": url, "SCALE_TOKEN": "t"}
    with subprocess.Popen([sys.executable, "-c", command, *arguments], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 30
            while not ready():
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    return said


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:  # nobody is left at the other end
        return ""
