"""`LocalSystem` starts, watches and stops everything on this machine: for the command, tests and benchmarks."""

from __future__ import annotations

import os
import subprocess  # nosec B404  # no shell is ever used
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import psutil

from services.local import readiness
from services.local.environment import (
    BEAT,
    DATABASE_SERVICES,
    backup_environment,
    migration_environment,
    outside_database_urls,
    scheme_of,
    service_environment,
    working_directory,
)
from services.local.home import LOOPBACK, METRICS_OFFSETS, SERVICE_OFFSETS, LocalHome, Ports, is_free
from services.local.leftovers import end_leftovers
from services.local.pgbouncer import PROGRAM_SETTING, EmbeddedPgBouncer
from services.local.postgres import MIGRATOR, SUPERUSER, EmbeddedPostgres
from services.local.problem import LocalProblem
from services.local.program import CALLERS, SERVERS, Program
from services.local.redis import EmbeddedRedis
from services.local.supervise import Supervisor, tail

# In start order.
SERVICES = (
    "accounts",
    "accounts-worker",
    "categorization",
    "categorization-worker",
    "federation",
    "federation-worker",
    "forecasting",
    "forecasting-worker",
    "ingestion",
    "ingestion-worker",
    "training",
    "training-worker",
    BEAT,
    "gateway",
)
# What the clock reads.
SCHEDULES = (
    "services.accounts.schedule",
    "services.categorization.schedule",
    "services.federation.schedule",
    "services.forecasting.schedule",
    "services.ingestion.schedule",
    "services.training.schedule",
)

Report = Callable[[str, float], None]
Server = TypeVar("Server")


class LocalSystem:
    """The whole system, or only its servers, in one SCALE_HOME.

    `port` is the gateway's, the others follow from it. `durable=False` trades crash safety for speed (tests).
    `environment` is where settings and servers of the user's own are looked up. `report` gets each finished step
    and its seconds. Start it from the main thread. Errors: LocalProblem.
    """

    def __init__(
        self,
        home: Path | LocalHome,
        port: int,
        *,
        durable: bool = True,
        environment: Mapping[str, str] = os.environ,
        report: Report | None = None,
    ) -> None:
        self.home = home if isinstance(home, LocalHome) else LocalHome(home)
        self.ports = Ports(port)
        self.environment = environment
        self._report = report or (lambda step, seconds: None)
        self._outside_urls = outside_database_urls(environment)
        self._outside_redis = environment.get("SCALE_REDIS_URL") or None
        backup = backup_environment(environment)
        self.postgres = None if self._outside_urls else EmbeddedPostgres(self.home, self.ports.postgres, durable=durable, backup=backup)
        self.pgbouncer = self._pgbouncer() if environment.get(PROGRAM_SETTING) else None
        self.redis = None if self._outside_redis else EmbeddedRedis(self.home, self.ports.redis, durable=durable)
        self._supervisor: Supervisor | None = None
        self._services: tuple[str, ...] = ()

    # Where things are

    @property
    def gateway_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.service('gateway')}"

    @property
    def redis_url(self) -> str:
        return self._outside_redis or _embedded(self.redis).url

    @property
    def migrator_url(self) -> str:
        """The migration role: owns the tables, not a superuser."""
        return self.environment.get("SCALE_DATABASE_URL") or _embedded(self.postgres).url(MIGRATOR)

    @property
    def superuser_url(self) -> str:
        """For tests and measurements only; raises LocalProblem with a server of the user's own."""
        return _embedded(self.postgres).url(SUPERUSER)

    def service_url(self, service: str) -> str:
        """The database URL of one service's role, past PgBouncer."""
        if self._outside_urls:
            return self._outside_urls[service]
        return _embedded(self.postgres).url(f"scale_{service}")

    def _asked_at(self, service: str) -> str:
        """Where a service's processes find their database: PgBouncer, where there is one."""
        return self.pgbouncer.url(f"scale_{service}") if self.pgbouncer is not None else self.service_url(service)

    def service_address(self, service: str) -> str:
        """host:port of a gRPC service, behind grpcs:// where it has a certificate."""
        return f"{scheme_of(service, self.environment)}{LOOPBACK}:{self.ports.service(service)}"

    def pid(self, name: str) -> int:
        """The pid of postgres, redis, or one of SERVICES as it runs now; 0 while it is down."""
        supervisor = self._supervisor
        return int(supervisor.processes()[name]["pid"]) if supervisor else 0

    @property
    def programs(self) -> list[str]:
        """The names that `pid` takes: every program under the supervisor."""
        return sorted(self._supervisor.processes()) if self._supervisor else []

    @property
    def supervisor_pid(self) -> int:
        return self._supervisor.pid if self._supervisor else 0

    # Life

    def __enter__(self) -> LocalSystem:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self, services: Sequence[str] = SERVICES, *, migrate: bool = True, deadline_s: float = 120) -> None:
        """Starts servers, migrates, starts `services` and waits until all are ready. On any failure stops all again."""
        self._services = tuple(services)
        self.home.create()
        self.home.lock(f"pid {os.getpid()}, {self.gateway_url}")
        try:
            with self._step("Clean up after a killed run") as silent:
                silent.unless(end_leftovers(self.home))
            self.home.clear_temporary()
            self._check_ports()
            self._start(migrate, deadline_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops everything, callers before what they call, and frees the home. Safe to call at any time, and twice."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.stop()
        self.home.unlock()

    def halt(self, name: str) -> None:
        """Stops one program, which stays down until `run`: for tests of what happens meanwhile."""
        _embedded(self._supervisor).halt(name)

    def run(self, name: str) -> None:
        """Starts a program that was halted."""
        _embedded(self._supervisor).run(name)

    def watch(self) -> None:
        """Returns only by an exception (Ctrl-C). supervisord keeps the programs up, this keeps supervisord up."""
        while True:
            time.sleep(0.5)
            if self._supervisor is not None and not self._supervisor.alive():
                self._report("The supervisor died; starting everything again", 0.0)
                self._supervisor.stop()
                end_leftovers(self.home)
                self._start(migrate=False, deadline_s=120)

    def _start(self, migrate: bool, deadline_s: float) -> None:
        servers: list[Program] = []
        if self.postgres is not None:
            with self._step("Make the database cluster") as silent:
                silent.unless(self.postgres.create_cluster())
            self.postgres.end_orphans()
            self.postgres.prepare_archive()
            servers.append(self.postgres.program())
        if self.pgbouncer is not None:
            servers.append(self.pgbouncer.program())
        if self.redis is not None:
            servers.append(self.redis.program())
        self._supervisor = Supervisor(self.home)
        with self._step("Start " + " and ".join(["the supervisor", *(server.name for server in servers)])):
            self._supervisor.start([*servers, *(self._program(service) for service in self._services)])
            for server in servers:
                self._supervisor.run(server.name)
            self._wait_for_servers(time.monotonic() + deadline_s)
        if migrate:
            self._migrate()
        deadline = time.monotonic() + deadline_s
        if self._services:
            with self._step("Start " + ", ".join(self._services)):
                for service in self._services:
                    self._supervisor.run(service)
                readiness.wait_for_services(self._supervisor, self._services, self.ports, deadline, self.environment)

    def _wait_for_servers(self, deadline: float) -> None:
        supervisor = _embedded(self._supervisor)
        if self.postgres is not None:
            if not self.postgres.wait_until_ready(deadline):
                raise LocalProblem(f"PostgreSQL did not start. The end of its log:\n{supervisor.log_tail('postgres')}")
            self.postgres.prepare()
        if self.pgbouncer is not None and not self.pgbouncer.wait_until_ready(deadline):
            raise LocalProblem(f"PgBouncer did not start. The end of its log:\n{supervisor.log_tail('pgbouncer')}")
        if self.redis is not None and not self.redis.wait_until_ready(deadline):
            raise LocalProblem(f"Redis did not start. The end of its log:\n{supervisor.log_tail('redis')}")

    def _migrate(self) -> None:
        log = self.home.logs / "migrations.log"
        with self._step("Migrate the database"), log.open("ab") as output:
            done = subprocess.run(  # nosec B603  # a fixed program, no shell
                check=False,
                args=[sys.executable, "-m", "migrations", "upgrade"],
                cwd=working_directory(),
                env=migration_environment(self.migrator_url, self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            if done.returncode != 0:
                raise LocalProblem(f"The migrations failed (whole log: {log}):\n{tail(log)}")
            if self.postgres is not None:
                for service in DATABASE_SERVICES:
                    self.postgres.set_password(f"scale_{service}")

    def _pgbouncer(self) -> EmbeddedPgBouncer:
        if self.postgres is None:
            raise LocalProblem(f"{PROGRAM_SETTING} goes before the embedded PostgreSQL, and a server of your own is in use.")
        roles = [f"scale_{service}" for service in DATABASE_SERVICES]
        return EmbeddedPgBouncer(
            self.home, self.ports.pgbouncer, postgres_port=self.ports.postgres, roles=roles, environment=self.environment
        )

    def _program(self, process: str) -> Program:
        service, _, role = process.partition("-")
        module = [f"services.{service}.{role}"] if role else [f"services.{service}"]
        if process == BEAT:
            module = ["services.kit.beat", *SCHEDULES]
        return Program(
            name=process,
            argv=[sys.executable, "-m", *module],
            environment=service_environment(
                process,
                home=self.home,
                ports=self.ports,
                database_url=self._asked_at(service) if service in DATABASE_SERVICES else None,
                session_url=self.service_url(service) if self.pgbouncer is not None and service in DATABASE_SERVICES else None,
                redis_url=self.redis_url,
                outer=self.environment,
            ),
            directory=working_directory(),
            stop_stage=CALLERS if role or process in (BEAT, "gateway") else SERVERS,
        )

    def _check_ports(self) -> None:
        wanted = {name: self.ports.service(name) for name in self._services if name in SERVICE_OFFSETS}
        wanted |= {f"metrics of {name}": self.ports.metrics(name) for name in self._services if name in METRICS_OFFSETS}
        if self.postgres is not None:
            wanted["PostgreSQL"] = self.ports.postgres
        if self.pgbouncer is not None:
            wanted["PgBouncer"] = self.ports.pgbouncer
        if self.redis is not None:
            wanted["Redis"] = self.ports.redis
        taken = [f"{port} ({name}{_holder(port)})" for name, port in wanted.items() if not is_free(port)]
        if taken:
            raise LocalProblem(
                f"Already taken on {LOOPBACK}: port {', port '.join(taken)}. Set SCALE_GATEWAY_PORT to another number "
                f"(now {self.ports.base}; every port follows from it), or stop what holds the port."
            )

    @contextmanager
    def _step(self, name: str) -> Iterator[_Silence]:
        started = time.monotonic()
        silence = _Silence()
        yield silence
        if silence.worth_telling:
            self._report(name, time.monotonic() - started)


def _embedded(server: Server | None) -> Server:
    if server is None:
        raise LocalProblem("This needs the embedded server, and a server of your own is in use.")
    return server


class _Silence:
    """Lets a step that found nothing to do stay out of the report."""

    worth_telling = True

    def unless(self, something: object) -> None:
        self.worth_telling = bool(something)


def _holder(port: int) -> str:
    try:
        for found in psutil.net_connections(kind="tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
                return f", held by {psutil.Process(found.pid).name()} pid {found.pid}"
    except (psutil.Error, OSError):
        pass
    return ""
