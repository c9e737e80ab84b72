"""PgBouncer in transaction mode before the embedded PostgreSQL, where the user names the program: only loopback, only SCRAM passwords."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.home import LOOPBACK, LocalHome, write_private
from services.local.postgres import DATABASE, server_user
from services.local.problem import LocalProblem
from services.local.program import STORES, Program

PROGRAM_SETTING = "SCALE_LOCAL_PGBOUNCER"
"""The program's path, or its name on the PATH; without it services ask PostgreSQL themselves."""
CONSOLE = "pgbouncer"
"""The database that is none: PgBouncer's own figures (SHOW POOLS)."""

# Few servers for many clients, so that each server serves one client after the other.
_CONFIGURATION = """\
[databases]
{database} = host={host} port={postgres_port} dbname={database}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {passwords}
stats_users = {readers}
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
server_login_retry = 1
query_wait_timeout = 30
log_connections = 0
log_disconnections = 0
"""


class EmbeddedPgBouncer:
    """One PgBouncer on one port, which the roles of the services log in to with the passwords that they have at PostgreSQL."""

    def __init__(self, home: LocalHome, port: int, *, postgres_port: int, roles: Sequence[str], environment: Mapping[str, str]) -> None:
        """`environment` names the program, and where the libraries of one that is not installed are (LD_LIBRARY_PATH)."""
        self.home = home
        self.port = port
        self._postgres_port = postgres_port
        self._roles = tuple(roles)
        named = environment[PROGRAM_SETTING]
        found = shutil.which(named, path=environment.get("PATH"))
        if found is None:
            raise LocalProblem(f"{PROGRAM_SETTING} names {named!r}, and no such program is there: install PgBouncer, or leave it unset.")
        self._binary = Path(found).resolve()
        self._environment = {name: environment[name] for name in ("LD_LIBRARY_PATH",) if name in environment}

    def url(self, role: str, database: str = DATABASE) -> str:
        """The connection URL of a role, with its password. CONSOLE as the database: only to look."""
        return f"postgresql://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def program(self) -> Program:
        """Writes the private files and returns what the supervisor runs. SIGINT lets transactions end."""
        passwords, configuration = self.home.run / "pgbouncer.users", self.home.run / "pgbouncer.ini"
        write_private(passwords, "".join(f'"{role}" "{self._password(role)}"\n' for role in self._roles))
        text = _CONFIGURATION.format(
            database=DATABASE,
            host=LOOPBACK,
            port=self.port,
            postgres_port=self._postgres_port,
            passwords=passwords,
            readers=", ".join(self._roles),
        )
        write_private(configuration, text)
        return Program(
            name="pgbouncer",
            argv=[str(self._binary), str(configuration)],
            environment={"LC_ALL": "C"} | self._environment,
            stop_signal="INT",
            stop_stage=STORES,
            user=server_user(),  # it refuses root, as PostgreSQL does
        )

    def wait_until_ready(self, deadline: float) -> bool:
        """Whether it took connections before `deadline` (time.monotonic())."""
        while time.monotonic() < deadline:
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=2).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def _password(self, role: str) -> str:
        return self.home.secret(f"postgres:{role}")
