"""Every workload of every overlay: what it runs, how it is watched and bounded, and that all parts of the system are there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from services.local.system import SERVICES
from tests.deploy import process_checks, workload_checks
from tests.deploy.processes import write_certificates
from tests.deploy.rendered import K8S, OVERLAYS, Rendered, containers, pod_spec, render
from tests.deploy.validation import problems

Check = Callable[[Rendered], Iterable[str]]

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def found(check: Check, overlay: str) -> list[str]:
    return list(check(render(overlay)))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


@pytest.mark.requirement("K8S-01", "TRN-08")
@each_overlay
def test_every_process_has_a_workload_that_runs_the_same_command(overlay: str) -> None:
    assert found(process_checks.processes_without_workload, overlay) == []


@pytest.mark.requirement("K8S-01")
@each_overlay
def test_what_stands_around_the_services_is_there_too(overlay: str) -> None:
    names = {item["metadata"]["name"] for item in render(overlay).workloads()}
    assert names >= {*SERVICES, "celery-flower", "pgbouncer", "redis-broker", "redis-cache"}
    assert any(name.startswith("migrate") for name in names)
    assert any(name.startswith("backup") for name in names)
    assert render(overlay).all("Ingress")


@pytest.mark.requirement("K8S-01")
def test_each_service_has_one_file_with_all_that_belongs_to_it() -> None:
    for process in (*SERVICES, "celery-flower"):
        objects = list(yaml.safe_load_all((K8S / "base" / f"{process}.yaml").read_text(encoding="utf-8")))
        kinds = {item["kind"] for item in objects}
        assert kinds >= {"Deployment", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"}
        assert {item["metadata"]["name"] for item in objects} == {process}
        assert ("Service" in kinds) == ("ports" in str(objects) and not process.endswith("-worker") and process != "beat")


@pytest.mark.requirement("K8S-01")
def test_objects_are_what_kubernetes_takes() -> None:
    # All overlays, against two versions of Kubernetes: make check-deploy. Here the largest, so that the command is seen to work.
    assert list(problems(render("p3-keda").objects)) == []


@pytest.mark.requirement("K8S-01", "K8S-19")
@each_overlay
def test_selectors_and_accounts_find_what_they_name(overlay: str) -> None:
    assert found(workload_checks.selectors_that_match_nothing, overlay) == []


@pytest.mark.requirement("K8S-01")
@each_overlay
def test_services_and_probes_lead_to_ports_that_are_there(overlay: str) -> None:
    assert found(workload_checks.ports_that_nobody_has, overlay) == []


@pytest.mark.requirement("K8S-07", "C-10")
@each_overlay
def test_health_is_asked_every_ten_seconds_and_of_the_process_alone(overlay: str) -> None:
    assert found(workload_checks.badly_probed, overlay) == []


@pytest.mark.requirement("K8S-07")
def test_a_worker_is_alive_while_its_heartbeat_is_fresh(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    command = containers(render("p1").one("Deployment", "ingestion-worker"))[0]["livenessProbe"]["exec"]["command"]
    command = [part.replace("/tmp/heartbeat", str(file)) for part in command]  # nosec B108  # the manifest's path

    def alive() -> bool:
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0

    assert not alive()
    file.touch()
    assert alive()
    os.utime(file, (time.time() - 60, time.time() - 60))
    assert not alive()


@pytest.mark.requirement("K8S-14")
@each_overlay
def test_every_container_has_requests_and_limits(overlay: str) -> None:
    assert found(workload_checks.without_bounds, overlay) == []


@pytest.mark.requirement("K8S-01", "DB-40")
@each_overlay
def test_no_image_is_the_latest(overlay: str) -> None:
    assert found(workload_checks.not_pinned, overlay) == []


@each_overlay
def test_pods_may_do_no_more_than_they_need(overlay: str) -> None:
    assert found(workload_checks.not_hardened, overlay) == []


@pytest.mark.requirement("K8S-19")
@each_overlay
def test_names_labels_and_namespace_are_the_same_everywhere(overlay: str) -> None:
    assert found(workload_checks.badly_named, overlay) == []


@pytest.mark.requirement("REL-22")
@each_overlay
def test_a_node_or_a_zone_may_go(overlay: str) -> None:
    assert found(workload_checks.lost_with_a_node, overlay) == []


@pytest.mark.requirement("REL-22")
def test_in_phase_three_no_zone_has_two_pods_more_than_another() -> None:
    for item in workload_checks.of_component(render("p3"), "api"):
        if item["metadata"]["name"] == "federation":
            continue  # there is one
        zone = next(one for one in pod_spec(item)["topologySpreadConstraints"] if one["topologyKey"] == "topology.kubernetes.io/zone")
        assert zone["whenUnsatisfiable"] == "DoNotSchedule"


@pytest.mark.requirement("K8S-09", "K8S-05", "C-42")
@each_overlay
def test_no_call_is_tied_to_a_pod(overlay: str) -> None:
    assert found(workload_checks.sticky, overlay) == []


@each_overlay
def test_every_variable_is_one_that_its_process_reads(overlay: str) -> None:
    assert found(process_checks.variables_that_nobody_reads, overlay) == []


@each_overlay
def test_every_process_starts_with_its_environment_and_listens_where_it_is_asked(overlay: str, certificates: Path) -> None:
    assert list(process_checks.settings_that_do_not_load(render(overlay), certificates)) == []


@each_overlay
def test_files_lie_on_volumes(overlay: str) -> None:
    assert found(process_checks.files_not_mounted, overlay) == []


@each_overlay
def test_no_process_has_anothers_keys(overlay: str) -> None:
    assert found(process_checks.keys_of_others, overlay) == []


@each_overlay
def test_pods_are_given_the_time_that_they_take_to_end(overlay: str) -> None:
    assert found(process_checks.too_little_time_to_end, overlay) == []


@pytest.mark.requirement("ARC-05", "FED-17")
@each_overlay
def test_the_coordinator_is_one_and_its_superlink_is_nobodys(overlay: str) -> None:
    rendered = render(overlay)
    coordinator = rendered.one("Deployment", "federation")
    assert coordinator["spec"]["replicas"] == 1
    assert coordinator["spec"]["strategy"] == {"type": "Recreate"}
    assert not [item for kind in workload_checks.SCALERS for item in rendered.all(kind) if item["metadata"]["name"] == "federation"]
    exposed = [item for kind in ("Service", "NetworkPolicy", "Ingress") for item in rendered.all(kind)]
    assert not [item for item in exposed if "8096" in yaml.safe_dump(item["spec"])]
    assert 8096 not in [port["containerPort"] for port in containers(coordinator)[0]["ports"]]
