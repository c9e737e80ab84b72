"""Several processes that answer on one port (WEB_CONCURRENCY): a parent that listens, starts them, and starts another when one dies.

They share the socket, so that whoever is free takes the next connection, and nothing else: what must be the same in all of them is in Redis
or in settings.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any

import structlog

from services.gateway.app import build_app
from services.gateway.server import serve
from services.gateway.settings import GatewaySettings
from services.kit.server import run, set_up_process
from services.kit.settings import load_settings

log = structlog.get_logger()

_BACKLOG = 2048
_LOOK_S = 0.5
# One that dies at its start would do so again at once.
_PAUSE_S = 1.0
# Beyond what the children give themselves, to close what is open.
_LAST_S = 10.0


def serve_in_processes(settings: GatewaySettings) -> None:
    """Serves until SIGTERM or SIGINT, with `settings.processes` children. Each drains as a gateway alone does."""
    with tempfile.TemporaryDirectory(prefix="scale-gateway-") as folder:
        # They count there, /metrics of this process adds up. Read where prometheus_client is imported: by the children, that is.
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
        set_up_process("gateway", settings)
        with _listen(settings) as listener:
            _Processes(listener, settings).run()
    log.info("stopped")


class _Processes:
    """The children, from their start to their end."""

    def __init__(self, listener: socket.socket, settings: GatewaySettings) -> None:
        self._listener = listener
        self._settings = settings
        # Not forked: gRPC and the event loop do not survive that.
        self._context = multiprocessing.get_context("spawn")
        self._children: list[SpawnProcess] = []
        self._not_before = 0.0
        self._stopping = threading.Event()

    def run(self) -> None:
        """Returns when all have ended after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping.is_set():
            if len(self._children) < self._settings.processes:
                self._start()
            else:
                self._look(_LOOK_S)
        self._listener.close()
        self._end()

    def _start(self) -> None:
        time.sleep(max(0.0, self._not_before - time.monotonic()))
        if self._stopping.is_set():
            return
        child = self._context.Process(target=_answer, args=(self._listener,), name="gateway")
        child.start()
        self._children.append(child)
        if self._stopping.is_set():
            # The signal came in between, and did not reach it.
            child.terminate()

    def _look(self, seconds: float) -> None:
        """Waits so long for one of them to end, and forgets those that have."""
        wait([child.sentinel for child in self._children], timeout=seconds)
        for child in [child for child in self._children if not child.is_alive()]:
            self._children.remove(child)
            if not self._stopping.is_set():
                self._not_before = time.monotonic() + _PAUSE_S
                log.warning("a process of the gateway died; another takes its place", pid=child.pid, exit_code=child.exitcode)
            child.close()

    def _stop(self, *_: Any) -> None:
        self._stopping.set()
        for child in self._children:
            child.terminate()

    def _end(self) -> None:
        until = time.monotonic() + self._settings.drain_s + self._settings.grace_s + _LAST_S
        while self._children and time.monotonic() < until:
            self._look(_LOOK_S)
        for child in self._children:
            child.kill()


def _listen(settings: GatewaySettings) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(_BACKLOG)
    return listener


def _answer(listener: socket.socket) -> None:
    """A child: a gateway as alone, on a socket that is there, whose figures its parent tells."""
    settings = load_settings(GatewaySettings).model_copy(update={"metrics_port": None})
    set_up_process("gateway", settings)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run(lambda: serve(build_app(settings), settings, listener))


def _end_with_parent() -> None:
    """A parent that was killed told nobody; its children would hold the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
