"""CI-07: the whole system on one host, with separate targets, env_file and limits; every variable is known, and every process could start.

`docker compose config` needs a plugin that this machine need not have: what it would say of the form is looked at here.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from operations import compose_secrets
from operations.backup.settings import BackupSettings
from services.kit.beat import BeatSettings
from services.kit.monitor import MonitorSettings
from services.kit.settings import read_settings
from services.local.system import SERVICES
from tests.deploy.dockerfile import ROOT, targets
from tests.test_env_example import documented, variables

pytestmark = pytest.mark.requirement("CI-07")

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
ALL: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in ALL.items() if "build" in service}
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
# Of the Compose Specification, what is used here.
SERVICE_KEYS = {
    "build", "cap_add", "cap_drop", "command", "cpus", "depends_on", "entrypoint", "env_file", "environment", "healthcheck", "hostname",
    "image", "init", "logging", "mem_limit", "networks", "pids_limit", "ports", "profiles", "read_only", "restart", "security_opt",
    "shm_size", "stop_grace_period", "stop_signal", "tmpfs", "user", "volumes",
}  # fmt: skip
# What libraries and other people's images read.
NOT_OURS = {"TMPDIR", "PROMETHEUS_MULTIPROC_DIR", "POSTGRES_INITDB_ARGS"}
_VARIABLE = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")


def given(value: object) -> str:
    """A value as a container finds it where the host sets nothing."""
    return _VARIABLE.sub(r"\2", str(value))


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What lies where: source by target."""
    return {text.split(":")[1]: text.split(":")[0] for text in service.get("volumes", ())}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    compose_secrets.write(folder, ["federation", "localhost"])
    return folder


def secret_variables(secrets: Path, name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (secrets / f"{name}.env").read_text(encoding="utf-8").splitlines())


def environment(secrets: Path, name: str) -> dict[str, str]:
    """Everything that a container has: the image's, the file's, the compose file's."""
    service = ALL[name]
    [file] = service["env_file"]
    assert file == f"secrets/{name}.env"
    said = {key: given(value) for key, value in service.get("environment", {}).items()}
    for target, source in mounts(service).items():
        if source.startswith("./secrets/"):
            said = {key: str(secrets / Path(source).name) if value == target else value for key, value in said.items()}
    return targets()[service["build"]["target"]].environment | secret_variables(secrets, name) | said


def settings_of(name: str) -> type[BaseSettings] | None:
    """What the process of a service reads; None for migrations, which read one variable."""
    others = {"beat": BeatSettings, "celery-flower": MonitorSettings, "backup": BackupSettings, "migrate": None}
    if name in others:
        return others[name]
    service, _, role = name.partition("-")
    found: type[BaseSettings] = getattr(
        importlib.import_module(f"services.{service}.settings"), f"{service.capitalize()}{role.capitalize()}Settings"
    )
    return found


def test_the_file_has_the_form_that_compose_reads() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "networks", "volumes"}
    for name, service in ALL.items():
        assert service.keys() <= SERVICE_KEYS, name
        assert {"image", "networks", "mem_limit"} <= service.keys(), name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] in ("service_healthy", "service_completed_successfully"), name
            waited_for = ALL[other]
            assert not waited_for.get("profiles"), f"{name} waits for {other}, which is not always there"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in waited_for or targets()[other].last("HEALTHCHECK") != "NONE", f"{other} never says that it is well"
        for target, source in mounts(service).items():
            assert target.startswith("/")
            if source.startswith("./k8s/"):
                assert (ROOT / "deploy" / source).is_file()
            elif not source.startswith("./secrets/"):
                assert source in COMPOSE["volumes"]
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
    mounted = {source for service in ALL.values() for source in mounts(service).values()}
    assert COMPOSE["volumes"].keys() <= mounted


def test_every_process_of_the_system_is_there_from_its_own_target() -> None:
    assert set(SERVICES) | {"postgres", "redis-broker", "redis-cache", "migrate", "celery-flower", "pgbouncer", "backup"} <= ALL.keys()
    assert VERSION
    for name, service in OURS.items():
        assert service["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile", "target": name}
        assert name in targets()
        assert service["image"] == f"scale/{name}:${{SCALE_VERSION:-{VERSION[1]}}}"
    assert targets().keys() == OURS.keys()
    always = {name for name, service in ALL.items() if not service.get("profiles")}
    assert ALL.keys() - always == {"celery-flower", "pgbouncer", "backup"}


@pytest.mark.requirement("CI-15")
def test_images_of_others_are_pinned() -> None:
    others = [service["image"] for service in ALL.values() if "build" not in service]
    assert [image for image in others if not re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)+(-p\d+)?", image)] == []
    assert "latest" not in (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(ALL))
def test_a_container_has_limits_and_few_rights(name: str) -> None:
    service = ALL[name]
    assert re.fullmatch(r"\d+[mg]", str(service["mem_limit"]))
    assert 0 < service["cpus"] <= 2
    assert 0 < service["pids_limit"] <= 512
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    # PostgreSQL's image changes to its own user once its folder is that one's.
    assert name == "postgres" or "cap_add" not in service
    assert name == "postgres" or "user" in service or "build" in service


def test_the_gateway_alone_is_reached_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in ALL.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:${SCALE_GATEWAY_PORT:-8080}:8080"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, service in ALL.items() if "outside" in service["networks"]} == {"gateway"}


def test_what_is_set_is_a_setting() -> None:
    known = documented().keys() | NOT_OURS
    said = {key for service in ALL.values() for key in service.get("environment", {})}
    assert said - known == set()
    asked = set(_VARIABLE.findall((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")))
    assert {name for name, _ in asked} - documented().keys() == {"SCALE_VERSION"}
    # The same default wherever a variable is asked for.
    assert len({name for name, _ in asked}) == len(asked)


@pytest.mark.parametrize("name", list(OURS))
@pytest.mark.requirement("SEC-29")
def test_each_process_has_the_settings_that_it_needs_and_nobody_elses_secrets(
    name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, settings = environment(secrets, name), settings_of(name)
    if settings is None:
        assert found["SCALE_DATABASE_URL"].startswith("postgresql://scale_migrator:")
        return
    for variable in found:
        monkeypatch.setenv(variable, found[variable])
    read = read_settings(settings)
    assert getattr(read, "environment", "production") == "production"
    mine = {variable for variable, _ in variables(settings)} | {"SCALE_TLS_CA_FILE"}
    assert secret_variables(secrets, name).keys() - mine == set()
    for variable in ("SCALE_STORAGE_URL", "SCALE_BACKUP_URL"):
        if variable in found:
            folder = Path(found[variable].removeprefix("file://")).parent
            assert str(folder) in mounts(ALL[name]), f"{name} writes to a file system that is read-only"
    for variable, value in found.items():
        if value.startswith("/var/"):
            assert any(Path(value).is_relative_to(target) for target in mounts(ALL[name])), f"{name} cannot write to {variable}"


def test_processes_have_the_time_to_end() -> None:
    defaults = documented()
    grace = float(defaults["SCALE_DRAIN_S"].value) + float(defaults["SCALE_GRACE_S"].value)
    workers = [float(entry.value) for name, entry in defaults.items() if name.endswith("_WORKER_GRACE_S")]
    for name in OURS:
        assert int(ALL[name]["stop_grace_period"].removesuffix("s")) >= max(grace, *workers) + 5, name
