"""Which calls NetworkPolicies let through, in every overlay: those that happen by the settings of each process, and no others."""

from __future__ import annotations

import pytest

from tests.deploy import process_checks
from tests.deploy.network import allows, reached_from_namespaces
from tests.deploy.processes import callees, processes, secrets
from tests.deploy.rendered import OVERLAYS, containers, ports, render

pytestmark = pytest.mark.requirement("K8S-18")
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@each_overlay
def test_between_services_exactly_the_calls_that_happen_are_let_through(overlay: str) -> None:
    assert list(process_checks.calls_let_through(render(overlay))) == []


@each_overlay
def test_data_is_reached_by_those_who_have_some(overlay: str) -> None:
    assert list(process_checks.data_let_through(render(overlay))) == []


@pytest.mark.parametrize("overlay", ["p1", "p1-gpu"])
def test_the_database_itself_is_reached_by_pgbouncer_and_by_whoever_has_its_address(overlay: str) -> None:
    rendered = render(overlay)
    database = rendered.one("StatefulSet", "postgres")
    asking = {"pgbouncer"}
    for item in rendered.workloads():
        sources = [entry["valueFrom"]["secretKeyRef"] for one in containers(item) for entry in one.get("env", ()) if "valueFrom" in entry]
        if any("@postgres:5432/" in secrets().get(source["name"], {}).get(source["key"], "") for source in sources):
            asking.add(item["metadata"]["name"])
    assert {"migrate", "federation", "backup-base", "restore-drill", "postgres"} <= asking
    assert {
        item["metadata"]["name"] for item in rendered.workloads() if allows(rendered, item, database, process_checks.POSTGRES)
    } == asking


@each_overlay
def test_keys_storage_and_reports_of_errors_are_reached_wherever_they_are(overlay: str) -> None:
    rendered = render(overlay)
    for item in rendered.workloads():
        if containers(item)[0].get("command", [])[:2] == ["python", "-m"] and item["metadata"]["name"] != "migrate":
            policy = rendered.one("NetworkPolicy", item["metadata"]["name"])
            assert {"ports": [{"port": 443}]} in policy["spec"]["egress"], item["metadata"]["name"]


def test_nothing_is_let_through_by_default() -> None:
    assert render("p1").one("NetworkPolicy", "default-deny")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@each_overlay
def test_the_ingress_controller_reaches_the_gateway_and_what_devices_ask(overlay: str) -> None:
    rendered = render(overlay)
    reached = {
        item["metadata"]["name"]: reached_from_namespaces(rendered, item)["ingress-nginx"]
        for item in rendered.workloads()
        if "ingress-nginx" in reached_from_namespaces(rendered, item)
    }
    assert reached.pop("gateway") == {"http"}
    # Devices train at home: the coordinator's calls for them, each named, have a way in of their own (components/ingress).
    assert set(reached) <= {"federation"}
    backends = {
        path["backend"]["service"]["name"]: path["path"]
        for item in rendered.all("Ingress")
        for rule in item["spec"]["rules"]
        for path in rule["http"]["paths"]
        if path["path"] == "/"
    }
    assert backends == {"gateway": "/"}


@pytest.mark.requirement("SEC-23")
@each_overlay
def test_the_monitor_is_reached_by_nobody_and_asks_for_a_password(overlay: str) -> None:
    rendered = render(overlay)
    monitor = rendered.one("Deployment", "celery-flower")
    assert rendered.one("NetworkPolicy", "celery-flower")["spec"]["ingress"] == []
    assert {port for reached in reached_from_namespaces(rendered, monitor).values() for port in reached} <= {"metrics"}
    password = next(entry for entry in containers(monitor)[0]["env"] if entry["name"] == "SCALE_MONITOR_BASIC_AUTH")
    assert password["valueFrom"]["secretKeyRef"] == {"name": "celery-flower-secrets", "key": "SCALE_MONITOR_BASIC_AUTH"}
    assert rendered.one("Service", "celery-flower")["spec"].get("type", "ClusterIP") == "ClusterIP"
    leads_there = [item for item in rendered.all("Ingress") if "celery-flower" in str(item["spec"])]
    assert leads_there == []


@each_overlay
def test_metrics_are_for_the_namespace_of_prometheus(overlay: str) -> None:
    rendered = render(overlay)
    for item, _ in processes(rendered):
        if "metrics" in ports(item):
            assert "metrics" in reached_from_namespaces(rendered, item)["monitoring"]


@pytest.mark.requirement("K8S-16")
@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if overlay.startswith("p3")])
def test_in_phase_three_every_call_is_over_tls(overlay: str) -> None:
    rendered = render(overlay)
    in_plain = {
        (item["metadata"]["name"], callee) for item, _ in processes(rendered) for callee, tls in callees(rendered, item).items() if not tls
    }
    assert in_plain == set()
