"""Connections to PostgreSQL, added up from the manifests with as many replicas as each overlay allows (C-61)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from services.kit.settings import DatabaseSettings
from tests.deploy.processes import SETTINGS, has_database, module_of, names_of, processes
from tests.deploy.rendered import K8S, OVERLAYS, Object, Rendered, render
from tests.support.sources import worker_pools

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
# What a task of a worker holds at once: its own statements', and that of the lease.
HELD_BY_A_TASK = 2
# Beside PgBouncer's: the coordinator's lock, migrations, backups, operators, and what PostgreSQL keeps for superusers.
RESERVE = 30
SCALING = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"


class PgBouncer(NamedTuple):
    """What one overlay's says."""

    replicas: int
    clients: int
    transactions: int
    sessions: int

    @property
    def servers(self) -> int:
        """Connections to PostgreSQL of all replicas."""
        return self.replicas * (self.transactions + self.sessions)


def pgbouncer(rendered: Rendered) -> PgBouncer:
    settings = next(item["data"] for item in rendered.all("ConfigMap") if item["metadata"]["name"].startswith("pgbouncer-"))
    # The second file is included at the end of the first: what stands there wins.
    text = settings["pgbouncer.ini"] + settings["phase.ini"]
    clients = int(re.findall(r"^max_client_conn = (\d+)", text, re.MULTILINE)[-1])
    # Not scale_replica, whose connections are to another server.
    entries = re.findall(r"^scale(?:_session)? = .*pool_mode=(\w+) max_db_connections=(\d+)", text, re.MULTILINE)
    pools = {mode: int(size) for mode, size in entries}
    replicas = rendered.one("Deployment", "pgbouncer")["spec"]["replicas"]
    return PgBouncer(replicas, clients, pools["transaction"], pools["session"])


def most_replicas(rendered: Rendered, workload: Object) -> int:
    """By its scaler; a GPU's, which people scale by hand, as KEDA would."""
    name = workload["metadata"]["name"]
    for kind, field in (("HorizontalPodAutoscaler", "maxReplicas"), ("ScaledObject", "maxReplicaCount")):
        scaler = rendered.find(kind, name)
        if scaler is not None:
            return int(scaler["spec"][field])
    return int(workload["spec"].get("replicas", 1))


def pool_of(rendered: Rendered, workload: Object) -> int:
    """What one pod of a service may open: asyncpg's max_size."""
    environment = rendered.environment(workload)
    names = names_of(DatabaseSettings)
    size, overflow = (int(str(environment[names[field][0]])) for field in ("pool_size", "max_overflow"))
    return size + overflow


def services(rendered: Rendered) -> Iterator[tuple[Object, int]]:
    """Those with a database, and what all their replicas together may open."""
    for item, settings in processes(rendered):
        if has_database(settings) and not module_of(item).endswith(".worker"):
            yield item, pool_of(rendered, item) * most_replicas(rendered, item)


def workers(rendered: Rendered) -> Iterator[tuple[str, int, int]]:
    """Those with a database: their name, how many processes they are at most, and what each may open. Their pools are in their code."""
    for item, settings in processes(rendered):
        if has_database(settings) and module_of(item).endswith(".worker"):
            field = settings.model_fields.get("worker_concurrency")
            children = int(field.default) if field is not None else 1
            yield item["metadata"]["name"], children * most_replicas(rendered, item), worker_pools()[module_of(item).split(".")[1]]


@pytest.mark.requirement("DB-39", "K8S-15")
@each_overlay
def test_pgbouncer_has_the_connections_of_its_phase(overlay: str) -> None:
    found = pgbouncer(render(overlay))
    if overlay.startswith("p3"):
        assert found.clients >= 1000, "and queues them for its connections to PostgreSQL"
    else:
        assert found.servers == {"p1": 20, "p2": 200}[overlay[:2]]


@pytest.mark.requirement("DB-39")
@each_overlay
def test_services_share_by_the_transaction_and_prepare_nothing_for_longer(overlay: str) -> None:
    rendered = render(overlay)
    for item, settings in processes(rendered):
        if has_database(settings):
            assert rendered.environment(item)["DB_STATEMENT_CACHE_SIZE"] == "0"


@pytest.mark.requirement("DB-39", "C-61")
@each_overlay
def test_one_pgbouncer_takes_all_clients_at_their_most(overlay: str) -> None:
    rendered = render(overlay)
    clients = sum(most for _, most in services(rendered)) + sum(number * pool for _, number, pool in workers(rendered))
    assert clients <= pgbouncer(rendered).clients


@pytest.mark.requirement("DB-39", "C-61")
@each_overlay
def test_workers_find_a_session_for_all_that_they_hold_at_once(overlay: str) -> None:
    rendered, found = render(overlay), pgbouncer(render(overlay))
    held = sum(number * min(pool, HELD_BY_A_TASK) for _, number, pool in workers(rendered))
    assert held <= found.replicas * found.sessions


@pytest.mark.requirement("C-61")
@pytest.mark.parametrize("overlay", ["p1", "p1-gpu"])
def test_in_phase_one_the_pools_of_services_fit_into_twenty_connections_less_five(overlay: str) -> None:
    rendered = render(overlay)
    each = {pool_of(rendered, item) for item, _ in services(rendered)}
    names = {item["metadata"]["name"] for item, _ in services(rendered)} - {"categorization-gpu"}
    assert each == {(20 - 5) // len(names)}
    assert sum(most for _, most in services(rendered)) <= 20 - 5


@pytest.mark.requirement("C-61")
@each_overlay
def test_postgresql_allows_pgbouncers_connections_and_a_reserve(overlay: str) -> None:
    # In phase 1 it is in the cluster; managed ones must allow as much (docs/scaling.md).
    text = (K8S / "components" / "postgres" / "postgresql.conf").read_text(encoding="utf-8")
    allowed = int(re.findall(r"^max_connections = (\d+)", text, re.MULTILINE)[-1])
    assert allowed >= pgbouncer(render(overlay)).servers + RESERVE


def test_every_worker_with_a_database_is_counted() -> None:
    assert {name for name, settings in SETTINGS.items() if name.endswith(".worker") and has_database(settings)} == {
        f"services.{service}.worker" for service in worker_pools()
    }


@pytest.mark.requirement("DOC-16", "C-61")
@each_overlay
def test_the_scaling_document_has_the_sums_of_the_manifests(overlay: str) -> None:
    rendered, found = render(overlay), pgbouncer(render(overlay))
    (pool,) = {pool_of(rendered, item) for item, _ in services(rendered)}
    sums = [
        pool,
        sum(most for _, most in services(rendered)),
        sum(number * own for _, number, own in workers(rendered)),
        sum(number * min(own, HELD_BY_A_TASK) for _, number, own in workers(rendered)),
        f"{found.replicas} × {found.clients}",
        found.servers,
    ]
    assert f"| `{overlay}` | {' | '.join(str(one) for one in sums)} |" in SCALING.read_text(encoding="utf-8")


@pytest.mark.requirement("DOC-16", "ARC-17")
def test_the_scaling_document_has_the_figures_and_the_first_limit_of_each_phase() -> None:
    rows = {
        cells[0].strip(): [cell.strip() for cell in cells[1:4]]
        for line in SCALING.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and len(cells := line.strip("|").split("|")) == 4
    }

    def phases(value: Callable[[Rendered], object]) -> list[str]:
        return [str(value(render(overlay))) for overlay in ("p1", "p2", "p3")]

    def replicas(workload: str) -> Callable[[Rendered], str]:
        def said(rendered: Rendered) -> str:
            scaler = rendered.find("HorizontalPodAutoscaler", workload)
            return f"{scaler['spec']['minReplicas']} to {scaler['spec']['maxReplicas']}" if scaler else "1"

        return said

    assert rows["pods of what people wait for"] == phases(replicas("gateway"))
    assert rows["pods of a worker"] == phases(replicas("ingestion-worker"))
    processes_of = phases(lambda rendered: rendered.environment(rendered.one("Deployment", "gateway"))["WEB_CONCURRENCY"])
    assert rows["processes of a gateway's pod (`WEB_CONCURRENCY`)"] == processes_of
    assert all(rows["first limit"])
