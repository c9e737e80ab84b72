"""What must hold of the environment of every process, and of the calls that are let through, as functions that name what does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.kit.settings import SettingsError, WorkerSettings
from services.local.environment import BEAT
from services.local.system import SCHEDULES, SERVICES
from tests.deploy.network import allows
from tests.deploy.processes import callees, has_database, module_of, names_of, processes, read, read_by, secrets_of
from tests.deploy.rendered import Object, Rendered, containers, pod_spec, ports
from tests.deploy.workload_checks import name_of

GRPC, PGBOUNCER, POSTGRES, REDIS = 50051, 6432, 5432, 6379


def processes_without_workload(rendered: Rendered) -> Iterator[str]:
    """Of those that the system on one machine has."""
    for process in SERVICES:
        service, _, role = process.partition("-")
        command = [f"services.{service}.{role}"] if role else [f"services.{service}"]
        if process == BEAT:
            command = ["services.kit.beat", *SCHEDULES]
        workload = rendered.find("Deployment", process)
        if workload is None:
            yield f"nothing runs {process}"
        elif containers(workload)[0].get("command") != ["python", "-m", *command]:
            yield f"{name_of(workload)} runs {containers(workload)[0].get('command')}"


def variables_that_nobody_reads(rendered: Rendered) -> Iterator[str]:
    """A misspelt name would leave a default in its place. Its own variables a process must read; of shared ones some process must."""
    shared: dict[str, set[str]] = {}
    for item, settings in processes(rendered):
        container = containers(item)[0]
        for entry in container.get("env", ()):
            if entry["name"] not in read_by(settings):
                yield f"{name_of(item)} does not read {entry['name']}"
        for source in container.get("envFrom", ()):
            shared.setdefault(source["configMapRef"]["name"], set()).update(read_by(settings))
    for name, read_there in shared.items():
        for variable in rendered.one("ConfigMap", name)["data"].keys() - read_there:
            yield f"ConfigMap {name}: nobody reads {variable}"


def settings_that_do_not_load(rendered: Rendered, folder: Path) -> Iterator[str]:
    """With its environment, and its Secrets filled, each process starts; and it listens where it is asked and measured."""
    for item, _ in processes(rendered):
        try:
            settings = read(rendered, item, folder)
        except SettingsError as error:
            yield f"{name_of(item)}: {error}"
            continue
        assert isinstance(settings, WorkerSettings)
        here = ports(item)
        expected = {"metrics": settings.metrics_port, "health": getattr(settings, "health_port", None)}
        expected["http" if "http" in here else "grpc"] = getattr(settings, "port", None)
        for name, port in expected.items():
            if here.get(name) != port:
                yield f"{name_of(item)} has the port {name} {here.get(name)} and listens on {port}"
        if settings.host != "0.0.0.0":  # nosec B104  # a pod's own network
            yield f"{name_of(item)} listens on {settings.host} alone"
        if settings.environment != "production":
            yield f"{name_of(item)} runs for {settings.environment}"
        if ".worker" in module_of(item) and settings.heartbeat_file is None:
            yield f"{name_of(item)} shows nobody that it is at work"


def files_not_mounted(rendered: Rendered) -> Iterator[str]:
    """Files and folders of settings, and those that would be written to a root that is read-only."""
    for item, settings in processes(rendered):
        mounts = [mount["mountPath"] for mount in containers(item)[0].get("volumeMounts", ())]
        volumes = {volume["name"] for volume in pod_spec(item).get("volumes", ())}
        for name, value in rendered.environment(item).items():
            path = value.removeprefix("file://") if isinstance(value, str) else ""
            own = {one for field in names_of(settings).values() for one in field} | {"PROMETHEUS_MULTIPROC_DIR"}
            is_read = name in own or name.startswith("SCALE_TLS_")
            if is_read and path.startswith("/") and not any(path == mount or path.startswith(f"{mount}/") for mount in mounts):
                yield f"{name_of(item)}: {name}={value} is on no volume"
        for mount in containers(item)[0].get("volumeMounts", ()):
            if mount["name"] not in volumes:
                yield f"{name_of(item)} mounts {mount['name']}, which it has not"


def keys_of_others(rendered: Rendered) -> Iterator[str]:
    """Who may sign for whom is kept apart: a process has the keys of its own service and the shared ones, and no other's."""
    for item, _ in processes(rendered):
        service = module_of(item).split(".")[1]
        own = {"scale-secrets", "scale-storage", f"{service}-secrets", f"{service}-worker-secrets", "celery-flower-secrets"}
        if service != "kit":
            own.remove("celery-flower-secrets")
        for name, source in secrets_of(rendered, item).items():
            if source.secret not in own:
                yield f"{name_of(item)} gets {name} from {source.secret}"
        if rendered.secret_sources(item):
            yield f"{name_of(item)} gets every key of {rendered.secret_sources(item)}"


def too_little_time_to_end(rendered: Rendered) -> Iterator[str]:
    """SIGKILL must not come before drain, grace and ten seconds for what is open."""
    for item, settings in processes(rendered):
        environment = rendered.environment(item)
        if "drain_s" in settings.model_fields:
            needed = sum(float(str(environment.get(name, 0))) for name in ("SCALE_DRAIN_S", "SCALE_GRACE_S"))
        elif "worker_grace_s" in settings.model_fields:
            name = names_of(settings)["worker_grace_s"][0]
            needed = float(str(environment.get(name, settings.model_fields["worker_grace_s"].default)))
        else:
            needed = 0
        if pod_spec(item)["terminationGracePeriodSeconds"] < needed + 10:
            yield f"{name_of(item)} needs {needed + 10} s, and has {pod_spec(item)['terminationGracePeriodSeconds']}"


def calls_let_through(rendered: Rendered) -> Iterator[str]:
    """Between services exactly those that happen, and each of them to a Service that is there."""
    running = dict(_by_name(rendered))
    for name, item in running.items():
        try:
            happen = callees(rendered, item)
        except ValueError as error:
            yield f"{name_of(item)}: {error}"
            continue
        for callee in happen.keys() - running.keys():
            yield f"{name_of(item)} calls {callee}, which is not there"
        for other, target in running.items():
            if "grpc" not in ports(target) or other == name:
                continue
            if allows(rendered, item, target, GRPC) != (other in happen):
                yield f"{name} -> {other}: {'happens, and is kept away' if other in happen else 'is let through, and never happens'}"


def data_let_through(rendered: Rendered) -> Iterator[str]:
    """PgBouncer for who has a database, Redis for who has one, and nobody else's."""
    for item, settings in processes(rendered):
        reads = {name for names in names_of(settings).values() for name in names}
        environment = rendered.environment(item).keys()
        wanted = {
            ("pgbouncer", PGBOUNCER): has_database(settings),
            ("redis-broker", REDIS): "SCALE_REDIS_URL" in environment & reads,
            ("redis-cache", REDIS): "SCALE_CACHE_URL" in environment & reads
            and module_of(item) not in ("services.kit.beat", "services.kit.monitor"),
        }
        for (name, port), needed in wanted.items():
            target = next((one for one in rendered.workloads() if one["metadata"]["name"] == name), None)
            if target is not None and allows(rendered, item, target, port) != needed:
                yield f"{name_of(item)} -> {name}: {'kept away' if needed else 'let through'}"


def _by_name(rendered: Rendered) -> Iterator[tuple[str, Object]]:
    for item, _ in processes(rendered):
        yield item["metadata"]["name"], item
