"""Log lines on their way out: a line costs a system call here and wakes up whoever collects it, so lines of one moment leave together."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TextIO

_FLUSH_EVERY_S = 0.1


class LineWriter:
    """Writes lines to a stream: warnings and worse at once, the others at most 0.1 s later (that much is lost when the process is killed).

    Safe for threads, and in a fork's child, which leaves the parent's lines to the parent and starts its own timer.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        atexit.register(self.flush)
        # Held at the fork, so that no other thread is in the middle of a line then.
        os.register_at_fork(before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._begin_anew)

    def write(self, line: str, *, at_once: bool) -> None:
        """Adds one line."""
        with self._lock:
            self._lines.append(line)
        if at_once:
            self.flush()
        else:
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._wake.set()

    def flush(self) -> None:
        """Writes what is waiting."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                stream = self._stream or sys.stdout
                stream.write("\n".join(lines) + "\n")
                stream.flush()

    def _begin_anew(self) -> None:
        self._lines = []
        self._wake = threading.Event()
        self._thread = None
        self._lock.release()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._flush_regularly, name="log-lines", daemon=True)
        self._thread.start()

    def _flush_regularly(self) -> None:
        pause = threading.Event()
        while True:
            self._wake.wait()
            self._wake.clear()
            pause.wait(_FLUSH_EVERY_S)
            self.flush()


class LineLogger:
    """structlog's innermost logger."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, message: str) -> None:
        """A line that may wait."""
        self._writer.write(message, at_once=False)

    def urgent(self, message: str) -> None:
        """A line that may not."""
        self._writer.write(message, at_once=True)

    debug = info = msg
    warning = warn = error = critical = fatal = exception = failure = urgent
