"""Ways in, TLS, migrations, backups and monitoring of the overlays."""

from __future__ import annotations

import re
from typing import Any

import pytest

from operations.backup.commands import build_parser
from scale.federation.v1 import devices_service_pb2, participation_service_pb2
from services.gateway.settings import MEBIBYTE, GatewaySettings
from tests.deploy.rendered import OVERLAYS, FromSecret, Object, Rendered, containers, pod_spec, ports, render
from tests.deploy.workload_checks import SOLVER

SERVICES = ("accounts", "categorization", "federation", "forecasting", "ingestion", "training")
INGRESS = {"kubernetes.io/metadata.name": "ingress-nginx"}
P3 = [name for name in OVERLAYS if name.startswith("p3")]


def nginx_annotations(ingress: Object) -> dict[str, str]:
    """Those of ingress-nginx, without its prefix."""
    found = ingress["metadata"]["annotations"]
    return {name.partition("/")[2]: value for name, value in found.items() if name.startswith("nginx.ingress.kubernetes.io/")}


@pytest.mark.requirement("GW-19", "K8S-04", "K8S-09", "SEC-22", "SEC-28")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_gateway_is_reached_over_tls_with_room_for_the_largest_file_and_a_limit(overlay: str) -> None:
    rendered = render(overlay)
    ingress = rendered.one("Ingress", "gateway")
    spec, found = ingress["spec"], nginx_annotations(ingress)
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"][0]["hosts"] == [rule["host"] for rule in spec["rules"]]
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
    (path,) = spec["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "gateway", "port": {"name": "http"}}
    assert "http" in {port["name"] for port in rendered.one("Service", "gateway")["spec"]["ports"]}
    largest = GatewaySettings.model_fields["max_file_bytes"].default
    assert int(found["proxy-body-size"].removesuffix("m")) * MEBIBYTE > largest
    assert found["force-ssl-redirect"] == "true"
    assert found["proxy-buffering"] == found["proxy-request-buffering"] == "off"
    assert int(found["limit-rps"]) > 0
    assert int(found["limit-connections"]) > 0
    assert not any("affinity" in name for name in found)


@pytest.mark.requirement("K8S-04", "FED-15")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_of_the_coordinator_only_what_devices_call_is_reached(overlay: str) -> None:
    rendered = render(overlay)
    ingress = rendered.one("Ingress", "federation-devices")
    found = nginx_annotations(ingress)
    assert (found["backend-protocol"], found["proxy-ssl-verify"]) == ("GRPCS", "on")
    certificate = rendered.one("Certificate", "federation-tls")["spec"]
    assert found["proxy-ssl-name"] in certificate["dnsNames"]
    assert found["proxy-ssl-secret"] == f"scale/{rendered.one('Certificate', 'federation-ingress-tls')['spec']['secretName']}"
    paths = [(path["path"], path["pathType"]) for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    participation = participation_service_pb2.DESCRIPTOR.services_by_name["ParticipationService"].full_name
    enrolment = devices_service_pb2.DESCRIPTOR.services_by_name["DevicesService"].methods_by_name["EnrollDevice"]
    assert [path for path, _ in paths] == [f"/{participation}/", f"/{enrolment.containing_service.full_name}/{enrolment.name}"]
    assert rendered.one("Service", "federation")["spec"]["ports"][0]["name"] == "grpc"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_controller_takes_every_path_and_lets_certificates_be_asked_for(overlay: str) -> None:
    """Its admission webhook refuses all but these characters under Prefix and Exact: dots, which names of gRPC have."""
    rendered = render(overlay)
    for item in rendered.all("Ingress"):
        for path in (one for rule in item["spec"]["rules"] for one in rule["http"]["paths"]):
            assert path["pathType"] == "ImplementationSpecific" or re.fullmatch(r"/[A-Za-z0-9/_-]*", path["path"])
    (policy,) = [item["spec"] for item in rendered.all("NetworkPolicy") if item["spec"]["podSelector"].get("matchLabels") == SOLVER]
    assert policy["ingress"] == [{"from": [{"namespaceSelector": {"matchLabels": INGRESS}}], "ports": [{"port": 8089}]}]


@pytest.mark.requirement("K8S-18", "SEC-23")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_from_the_ingress_only_the_gateway_and_the_devices_port_are_reached(overlay: str) -> None:
    rendered = render(overlay)
    reached = set()
    for policy in rendered.all("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            if not rule.get("from"):
                pytest.fail(f"{policy['metadata']['name']} lets everybody in")
            if any(peer.get("namespaceSelector", {}).get("matchLabels") == INGRESS for peer in rule["from"]):
                for workload in rendered.selected(policy["spec"]["podSelector"]["matchLabels"]):
                    reached |= {(workload["metadata"]["name"], port["port"]) for port in rule["ports"]}
    assert reached == {("gateway", "http"), ("federation", "grpc")}
    behind = {
        path["backend"]["service"]["name"]
        for item in rendered.all("Ingress")
        for rule in item["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert behind == {"gateway", "federation"}
    assert {item["spec"].get("type", "ClusterIP") for item in rendered.all("Service")} == {"ClusterIP"}


@pytest.mark.requirement("K8S-18")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whoever_asks_a_store_is_let_in_and_out(overlay: str) -> None:
    """Both ends say so: the egress of the caller names who, the ingress of the store names the caller."""
    rendered = render(overlay)
    for store in ("pgbouncer", "redis-broker", "redis-cache"):
        asking = {item["metadata"]["name"] for item in rendered.workloads() if _goes_out(rendered, item["metadata"]["name"], store)}
        let_in = set(_values(rendered.one("NetworkPolicy", store)))
        there = {item["metadata"]["name"] for item in rendered.workloads()}
        assert asking, store
        assert asking == let_in & there, store


def _values(policy: Object) -> list[str]:
    return [
        value
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
        for expression in peer["podSelector"]["matchExpressions"]
        for value in expression["values"]
    ]


def _goes_out(rendered: Rendered, workload: str, store: str) -> bool:
    policy = rendered.find("NetworkPolicy", workload)
    peers = [peer for rule in policy["spec"].get("egress", ()) for peer in rule.get("to", ())] if policy else []
    return any(peer.get("podSelector", {}).get("matchLabels") == {"app.kubernetes.io/name": store} for peer in peers)


def files_of(rendered: Rendered, workload: str, prefix: str) -> dict[str, Any]:
    """Where certificate, key and authority are, by the variables of that prefix."""
    environment = rendered.environment(rendered.workload(workload))
    return {name: environment.get(f"{prefix}_{name}_FILE") for name in ("CERT", "KEY", "CA", "CLIENT_CA")}


def mounted(workload: Object) -> dict[str, str]:
    """Secrets by where they are mounted."""
    volumes = {volume["name"]: volume["secret"]["secretName"] for volume in pod_spec(workload)["volumes"] if "secret" in volume}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in containers(workload)[0]["volumeMounts"] if mount["name"] in volumes}


@pytest.mark.requirement("K8S-16", "SEC-22")
@pytest.mark.parametrize("overlay", P3)
def test_in_phase_three_every_call_is_over_mutual_tls(overlay: str) -> None:
    rendered = render(overlay)
    settings = rendered.environment(rendered.workload("gateway"))
    servers = (*SERVICES, *(("categorization-gpu",) if rendered.find("Deployment", "categorization-gpu") else ()))
    for service in SERVICES:
        assert settings[f"SCALE_{service.upper()}_ADDRESS"] == f"grpcs://dns:///{service}:50051"
    for server in servers:
        workload = rendered.workload(server)
        own = files_of(rendered, server, f"SCALE_{server.removesuffix('-gpu').upper()}_TLS")
        folder = own["CERT"].rpartition("/")[0]
        assert own == {"CERT": f"{folder}/tls.crt", "KEY": f"{folder}/tls.key", "CA": None, "CLIENT_CA": f"{folder}/ca.crt"}
        certificate = next(item["spec"] for item in rendered.all("Certificate") if item["spec"]["secretName"] == mounted(workload)[folder])
        assert server in certificate["dnsNames"], "what stands in the address"
        assert {"server auth", "client auth"} <= set(certificate["usages"])
        # Kubernetes' probes speak no TLS.
        assert containers(workload)[0]["readinessProbe"]["grpc"]["port"] == ports(workload)["health"]
    for item in rendered.workloads():
        name = item["metadata"]["name"]
        policy = rendered.find("NetworkPolicy", name)
        asks = policy and any(port.get("port") == "grpc" for rule in policy["spec"].get("egress", ()) for port in rule.get("ports", ()))
        if asks:
            shown = files_of(rendered, name, "SCALE_TLS")
            assert all((shown["CERT"], shown["KEY"], shown["CA"])), f"{name} asks others and shows no certificate"
            assert shown["CERT"].rpartition("/")[0] in mounted(item), name


@pytest.mark.requirement("SEC-22")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_certificate_is_issued_and_renewed_by_the_clusters_own_authority(overlay: str) -> None:
    rendered = render(overlay)
    authority = rendered.one("Certificate", "scale-ca")
    assert authority["spec"]["isCA"]
    assert rendered.one("Issuer", "scale-ca")["spec"]["ca"]["secretName"] == authority["spec"]["secretName"]
    for certificate in rendered.all("Certificate"):
        spec = certificate["spec"]
        assert rendered.find("Issuer", spec["issuerRef"]["name"]), certificate["metadata"]["name"]
        assert int(spec["renewBefore"].removesuffix("h")) >= 720
    issued = {item["spec"]["secretName"] for item in rendered.all("Certificate")}
    wanted = {secret for item in rendered.workloads() for secret in mounted(item).values() if secret.endswith("-tls")}
    assert wanted <= issued


@pytest.mark.requirement("Q-31")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_migrations_are_a_job_past_pgbouncer(overlay: str) -> None:
    rendered = render(overlay)
    job = rendered.one("Job", "migrate")
    (container,) = containers(job)
    assert container["command"][:4] == ["python", "-m", "migrations", "upgrade"]
    assert rendered.environment(job) == {"SCALE_DATABASE_URL": FromSecret("migrate-secrets", "SCALE_DATABASE_URL")}
    assert job["spec"]["ttlSecondsAfterFinished"] <= 3600, "the next release's may come under the same name"
    others = [rendered.environment(item) for item in rendered.workloads() if item["metadata"]["name"] != "migrate"]
    assert not any("SCALE_DATABASE_URL" in environment for environment in others), "only migrations act as the tables' owner"


@pytest.mark.requirement("DB-66", "DB-67", "C-31")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_backups_are_made_within_their_window_and_kept_for_thirty_days(overlay: str) -> None:
    rendered = render(overlay)
    jobs = {name: rendered.one("CronJob", name) for name in ("backup-base", "backup-prune", "restore-drill")}
    for name in ("backup-base", "backup-prune"):
        minute, hour, *days = jobs[name]["spec"]["schedule"].split()
        assert (hour, days) == ("3", ["*", "*", "*"]), "each night between 03:00 and 04:00"
        assert 0 <= int(minute) < 60
    for name, job in jobs.items():
        assert job["spec"]["timeZone"] == "Etc/UTC"
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        environment = rendered.environment(job)
        assert environment["SCALE_BACKUP_RETENTION_DAYS"] == "30"
        assert environment["SCALE_BACKUP_URL"]
        assert environment["SCALE_BACKUP_DATABASE_URL"] == FromSecret("backup-secrets", "SCALE_BACKUP_DATABASE_URL")
        (container,) = containers(job)
        assert container["command"][:3] == ["python", "-m", "operations.backup"], name
        build_parser().parse_args(container["command"][3:])


@pytest.mark.requirement("DB-67", "OBS-11")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_age_of_the_log_is_told_where_we_archive_it(overlay: str) -> None:
    """Where a managed server does, its age would be that of nothing, and an alert for ever."""
    rendered = render(overlay)
    told = rendered.environment(rendered.one("Deployment", "backup-status")).get("SCALE_BACKUP_LOG_HERE", "true")
    assert (told == "true") == (rendered.find("StatefulSet", "postgres") is not None)


@pytest.mark.requirement("DB-66", "DB-67")
def test_the_database_in_the_cluster_archives_its_log_each_minute() -> None:
    rendered = render("p1")
    server = rendered.one("StatefulSet", "postgres")
    (settings,) = [item["data"] for item in rendered.all("ConfigMap") if "postgresql.conf" in item["data"]]
    conf = dict(re.findall(r"^(\w+) = (.*)$", settings["postgresql.conf"], re.MULTILINE))
    assert (conf["wal_level"], conf["archive_mode"], conf["archive_timeout"]) == ("replica", "on", "60")
    assert conf["archive_command"].endswith("&& sync /archive'"), "a name that is lost with the power is a gap"
    archiving = next(one for one in containers(server) if one["name"] == "archive")
    assert archiving["command"][:3] == ["python", "-m", "operations.backup"]
    build_parser().parse_args(archiving["command"][3:])
    shared = {mount["mountPath"] for one in containers(server) for mount in one["volumeMounts"] if mount["name"] == "archive"}
    assert shared == {"/archive"}
    assert archiving["command"][4] == "/archive"
    assert all(rendered.find("StatefulSet", "postgres") is None for rendered in map(render, ("p2", "p3")))


@pytest.mark.requirement("K8S-01")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_asks_each_pod_that_has_figures(overlay: str) -> None:
    rendered = render(overlay)
    monitor = rendered.one("PodMonitor", "scale")
    assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]
    selected = {item["metadata"]["name"] for item in rendered.selected(monitor["spec"]["selector"]["matchLabels"])}
    assert {item["metadata"]["name"] for item in rendered.workloads() if "metrics" in ports(item)} <= selected
