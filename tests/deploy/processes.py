"""Which process of SCALE a workload runs, what that reads from its environment, and whom it therefore calls."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from unittest import mock

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from operations.cluster_secrets import Secrets, make_secrets
from services.accounts.settings import AccountsSettings, AccountsWorkerSettings
from services.categorization.settings import CategorizationSettings, CategorizationWorkerSettings
from services.federation.settings import FederationSettings, FederationWorkerSettings
from services.forecasting.settings import ForecastingSettings, ForecastingWorkerSettings
from services.gateway.settings import GatewaySettings
from services.ingestion.settings import IngestionSettings, IngestionWorkerSettings
from services.kit.beat import BeatSettings
from services.kit.monitor import MonitorSettings
from services.kit.settings import ClientTlsSettings, DatabaseSettings, read_settings
from services.training.settings import TrainingSettings, TrainingWorkerSettings
from tests.deploy.rendered import FromSecret, Object, Rendered, containers
from tests.support.certificates import Authority

SETTINGS: dict[str, type[BaseSettings]] = {
    "services.accounts": AccountsSettings,
    "services.accounts.worker": AccountsWorkerSettings,
    "services.categorization": CategorizationSettings,
    "services.categorization.worker": CategorizationWorkerSettings,
    "services.federation": FederationSettings,
    "services.federation.worker": FederationWorkerSettings,
    "services.forecasting": ForecastingSettings,
    "services.forecasting.worker": ForecastingWorkerSettings,
    "services.gateway": GatewaySettings,
    "services.ingestion": IngestionSettings,
    "services.ingestion.worker": IngestionWorkerSettings,
    "services.kit.beat": BeatSettings,
    "services.kit.monitor": MonitorSettings,
    "services.training": TrainingSettings,
    "services.training.worker": TrainingWorkerSettings,
}
# Read by libraries, and by our metrics, past the settings.
LIBRARIES = {"PROMETHEUS_MULTIPROC_DIR", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL", "TMPDIR", "HOME"}
_TARGET = re.compile(r"^(?P<scheme>grpcs://)?dns:///(?P<name>[a-z-]+):(?P<port>\d+)$")


def module_of(workload: Object) -> str:
    """What it runs: services.accounts. Empty where that is no process of SCALE's."""
    command = containers(workload)[0].get("command", [])
    return str(command[2]) if command[:2] == ["python", "-m"] and len(command) > 2 else ""


def processes(rendered: Rendered) -> Iterator[tuple[Object, type[BaseSettings]]]:
    """The workloads that run services, and what each reads."""
    for item in rendered.workloads():
        if module_of(item).startswith("services."):
            yield item, SETTINGS[module_of(item)]


def names_of(settings: type[BaseSettings]) -> dict[str, tuple[str, ...]]:
    """The variables of each field, the first of which is the documented one."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    found: dict[str, tuple[str, ...]] = {}
    for field, info in settings.model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias or f"{prefix}{field}".upper()]
        found[field] = tuple(str(choice) for choice in choices)
    return found


def read_by(settings: type[BaseSettings]) -> set[str]:
    """Every variable that such a process looks at; whoever calls others looks at its own certificates as well."""
    found = {name for names in names_of(settings).values() for name in names} | LIBRARIES
    return found | {name for names in names_of(ClientTlsSettings).values() for name in names}


def read(rendered: Rendered, workload: Object, folder: Path) -> BaseSettings:
    """Its settings, as the process makes them of exactly its environment. Secrets hold what operations.cluster_secrets
    makes, and nothing optional; each file mounted from one lies in `folder`. Raises SettingsError."""
    given = {
        name: value if isinstance(value, str) else secrets()[value.secret][value.key]
        for name, value in rendered.environment(workload).items()
        if isinstance(value, str) or not value.optional
    }
    files = {name: str(folder / Path(value).name) if value.startswith("/etc/scale/") else value for name, value in given.items()}
    # No GPU here: that a process refuses to start without is tested where the setting is.
    files |= {name: "cpu" for name, value in files.items() if value == "cuda"}
    with mock.patch.dict(os.environ, files, clear=True):
        settings = read_settings(SETTINGS[module_of(workload)])
        if any(name.startswith("SCALE_TLS_") for name in files):
            read_settings(ClientTlsSettings)
    return settings


@cache
def secrets() -> Secrets:
    """As an operator makes them."""
    return make_secrets()


def write_certificates(folder: Path) -> None:
    """The files that Secrets with certificates are mounted as."""
    authority = Authority(folder)
    issued = authority.issue("federation")
    for name, made in (("ca.crt", authority.ca_file), ("tls.crt", issued.cert_file), ("tls.key", issued.key_file)):
        (folder / name).write_bytes(made.read_bytes())


def callees(rendered: Rendered, workload: Object) -> dict[str, bool]:
    """The Services that it calls by its settings, and whether over TLS. ValueError for an address that no gRPC client shares out."""
    environment = rendered.environment(workload)
    found: dict[str, bool] = {}
    for field, names in names_of(SETTINGS[module_of(workload)]).items():
        if field != "address" and not field.endswith("_address"):
            continue
        value = next((environment[name] for name in names if name in environment), None)
        if value is None:
            continue
        match = _TARGET.match(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"{names[0]}={value}")
        found[match["name"]] = bool(match["scheme"])
    return found


def has_database(settings: type[BaseSettings]) -> bool:
    return issubclass(settings, DatabaseSettings)


def secrets_of(rendered: Rendered, workload: Object) -> Mapping[str, FromSecret]:
    """The variables that come from Secrets."""
    return {name: value for name, value in rendered.environment(workload).items() if isinstance(value, FromSecret)}
