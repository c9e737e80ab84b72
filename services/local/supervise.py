"""supervisord for one SCALE_HOME: writes its configuration, starts it, asks it, stops it.

Every program restarts without a growing pause (startsecs 0), so a process that dies is back within two seconds
plus its own start, however often it dies.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess  # nosec B404  # no shell is ever used
import sys
import time
import xmlrpc.client  # nosec B411  # a private socket of our own supervisord
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from services.local.home import LocalHome, write_private
from services.local.problem import LocalProblem
from services.local.program import STORES, Program

# Paths are relative to the home, supervisord's working directory: it expands % in some values twice, in others once.
_HEAD = """\
[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
nodaemon=true
silent=true
umask=077
logfile=logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile=run/supervisord.pid
childlogdir=logs
{user}
"""

# The one of the highest priority is stopped first, all its programs at once, also when nobody is left to say so.
_GROUP = """
[group:{name}]
programs={programs}
priority={priority}
"""

_PROGRAM = """
[program:{name}]
command={command}
autostart=false
autorestart=true
startsecs=0
stopsignal={stop_signal}
stopwaitsecs={stop_wait_s}
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


class Supervisor:
    """One supervisord, child of this process; it and its programs end when this process does, however that ends."""

    def __init__(self, home: LocalHome) -> None:
        self.home = home
        self._socket = home.control_socket()
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: dict[str, str] = {}

    def start(self, programs: Sequence[Program]) -> None:
        """Starts supervisord with these programs known but not running.

        Call it from the main thread: the kernel ties supervisord's life to the thread that started it.
        """
        self._groups = {program.name: f"stage{program.stop_stage}" for program in programs}
        configuration = self.home.run / "supervisord.conf"
        write_private(configuration, self._configuration(programs))
        self._socket.unlink(missing_ok=True)
        supervisord = Program(
            name="supervisord",
            argv=[sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            directory=str(self.home.path),
            parent=os.getpid(),
        )
        with (self.home.logs / "supervisord.out").open("ab") as output:
            self._process = subprocess.Popen(  # nosec B603  # a fixed program, no shell
                supervisord.command(self.home),
                cwd=self.home.path,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to hand on, in order
            )
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self._call("supervisor.getState")
                return
            except (OSError, xmlrpc.client.Error):
                time.sleep(0.02)
        raise LocalProblem(f"The supervisor did not start:\n{tail(self.home.logs / 'supervisord.out')}")

    def run(self, name: str) -> None:
        """Starts one program, which is then kept alive."""
        self._call("supervisor.startProcess", f"{self._groups[name]}:{name}", False)

    def halt(self, name: str) -> None:
        """Stops one program as an operator would; it stays down until `run`."""
        self._call("supervisor.stopProcess", f"{self._groups[name]}:{name}", True)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Every program by name, with supervisord's `statename`, `pid` (0: none) and `exitstatus`."""
        found = cast(list[dict[str, Any]], self._call("supervisor.getAllProcessInfo"))
        return {process["name"]: process for process in found}

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The pid of supervisord, 0 where it was not started."""
        return self._process.pid if self._process else 0

    def stop(self) -> None:
        """Stops every program, stage by stage, then supervisord. Safe to call twice."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            # Bounded: supervisord kills each program that outstays its stop_wait_s. It looks around once a second, and
            # whenever it is asked something: asking makes the stop quick.
            while self._process.poll() is None:
                with suppress(OSError, xmlrpc.client.Error, http.client.HTTPException):
                    self._call("supervisor.getState")
                time.sleep(0.05)
        self._process = None
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self.home.run:
            self._socket.parent.rmdir()

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The end of a program's log."""
        return tail(self.home.logs / f"{name}.log", lines)

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        try:
            with xmlrpc.client.ServerProxy("http://127.0.0.1", transport) as server:
                return getattr(server, method)(*arguments)
        finally:
            transport.close()

    def _configuration(self, programs: Sequence[Program]) -> str:
        user = "user=root" if os.geteuid() == 0 else ""
        inside = self._socket.is_relative_to(self.home.path)
        socket = self._socket.relative_to(self.home.path) if inside else self._socket
        text = _HEAD.format(socket=_escaped(str(socket)), user=user)
        for stage in {program.stop_stage for program in programs}:
            names = [program.name for program in programs if program.stop_stage == stage]
            text += _GROUP.format(name=self._groups[names[0]], programs=",".join(names), priority=STORES - stage + 1)
        for program in programs:
            text += _PROGRAM.format(
                name=program.name,
                command=" ".join(_quoted(part) for part in program.command(self.home)),
                stop_signal=program.stop_signal,
                stop_wait_s=program.stop_wait_s,
            )
        return text


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a text file, or a word that there are none."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - 16_384))
            text = handle.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return "(nothing was logged)"
    return "\n".join(text.splitlines()[-lines:]) or "(nothing was logged)"


def _escaped(text: str) -> str:
    # supervisord expands %(name)s, and takes " ;" for the start of a comment.
    if " ;" in text or "\n" in text:
        raise LocalProblem(f"SCALE cannot run from a path that holds ' ;' or a line break: {text}")
    return text.replace("%", "%%")


def _quoted(part: str) -> str:
    escaped = _escaped(part)
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
