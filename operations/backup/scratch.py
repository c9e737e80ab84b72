"""A PostgreSQL of its own on a data folder, which only this process reaches: for a replay, and for the copies of a drill."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess  # nosec B404  # no shell is ever used
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

import asyncpg

from operations.backup.problem import BackupProblem
from services.local.home import LocalHome
from services.local.launch import end_orphans
from services.local.postgres import SUPERUSER, binaries, server_user
from services.local.program import Program

_LONGEST_SOCKET_FOLDER = 80
_LAST_COMMIT = re.compile(r"last completed transaction was at log time (.+)")
# Nobody else gets in: there is no port, and the socket lies in a folder of our own.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "ssl": "off",
    "shared_preload_libraries": "",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "20",
    "max_locks_per_transaction": "256",
    "log_destination": "stderr",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
_THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


class ScratchServer:
    """One server. As a context manager it is stopped in order at the end, and killed where that takes too long.

    `settings` are PostgreSQL's own and win over all that the folder brings; `environment` is what its commands find. `durable=False` gives
    up crash safety for speed, for tests.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], environment: Mapping[str, str], *, durable: bool = True) -> None:
        self.folder = folder
        self._settings = _SETTINGS | dict(settings) | ({} if durable else _THROWAWAY)
        self._environment = dict(environment)
        self._work = _work_folder()
        self._socket = self._work / "s"
        self._log = self._work / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ScratchServer:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end(signal.SIGINT, patience_s=120)
        shutil.rmtree(self._work, ignore_errors=True)

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL, patience_s=10)
        end_orphans(str(self.folder), patience_s=0)

    async def wait_until_open(self) -> float:
        """Waits until it takes connections, which after a recovery is its end; returns the seconds. Raises BackupProblem where it ends."""
        assert self._process is not None  # nosec B101  # a mistake of ours
        started = time.monotonic()
        while self._process.poll() is None:
            try:
                opened = await asyncpg.connect(host=str(self._socket), user=SUPERUSER, database="postgres", timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.05)
            else:
                await opened.close()
                return time.monotonic() - started
        raise BackupProblem(self._why_it_ended())

    @asynccontextmanager
    async def connect(self, database: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the superuser."""
        opened = await asyncpg.connect(host=str(self._socket), user=SUPERUSER, database=database, timeout=10)
        try:
            yield opened
        finally:
            await opened.close()

    def replication_url(self) -> str:
        """Where pg_basebackup finds it."""
        return f"postgresql://{SUPERUSER}@/postgres?host={self._socket}"

    def log_text(self) -> str:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _start(self) -> None:
        user = server_user()
        home = LocalHome(self._work)
        home.run.mkdir()
        self._socket.mkdir(mode=0o700)
        hba, configuration = self._work / "pg_hba.conf", self._work / "postgresql.conf"
        hba.write_text("local all all trust\nlocal replication all trust\n", encoding="ascii")
        configuration.write_text("", encoding="ascii")
        if user is not None:
            os.chown(self._socket, user, user)
        settings = self._settings | {"hba_file": str(hba), "config_file": str(configuration), "unix_socket_directories": str(self._socket)}
        argv = [str(binaries() / "postgres"), "-D", str(self.folder)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
        environment |= {"LC_ALL": "C", "TZ": "UTC"} | self._environment
        program = Program(name="postgres", argv=argv, environment=environment, stop_signal="INT", user=user)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # nosec B603  # a fixed program, no shell
                program.command(home), cwd=home.path, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _end(self, number: signal.Signals, patience_s: float) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _why_it_ended(self) -> str:
        text = self.log_text()
        if "recovery ended before configured recovery target was reached" in text:
            last = _LAST_COMMIT.findall(text)
            known = f"its last transaction is of {last[-1]}" if last else "it holds no transaction after the base backup"
            return f"The log that is archived ends before that moment: {known}. --time latest restores all there is."
        lines = [line for line in text.splitlines() if re.search(r"FATAL|PANIC|ERROR|HINT|error", line)] or text.splitlines()
        return "PostgreSQL could not be started on what was restored:\n" + "\n".join(lines[-8:])


def _work_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    if len(os.fsencode(folder)) > _LONGEST_SOCKET_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="scale-", dir="/tmp"))  # nosec B108  # mkdtemp makes it for its owner alone
    return folder
