"""How each overlay grows: pools of nodes, replicas by processor and by queue, processes of the gateway, GPUs."""

from __future__ import annotations

import pytest

from services.gateway.app import build_app
from services.gateway.settings import GatewaySettings
from services.kit.queue import rules_of
from services.kit.queue_lengths import QueueLengths
from services.local.system import SERVICES
from tests.deploy.dockerfile import ROOT
from tests.deploy.processes import callees, module_of
from tests.deploy.rendered import OVERLAYS, Object, Rendered, containers, pod_labels, pod_spec, render
from tests.deploy.workload_checks import COMPONENT, NAME, running
from tests.support.upstream_fakes import SECRET

PEOPLE_WAIT_FOR = {"gateway", "accounts", "ingestion", "categorization", "forecasting", "training"}
GPUS = {"categorization-gpu", "forecasting-gpu"}
SCALED = [overlay for overlay in OVERLAYS if not overlay.startswith("p1")]
ON_GPUS = [overlay for overlay in OVERLAYS if "gpu" in overlay or "keda" in overlay]
QUEUES = {
    "ingestion-worker": "ingest",
    "categorization-worker": "inference-categorization",
    "forecasting-worker": "inference-forecasting",
    "training-worker": "training",
}


def scalers(rendered: Rendered) -> dict[str, Object]:
    """The HorizontalPodAutoscalers by what they scale."""
    return {item["spec"]["scaleTargetRef"]["name"]: item["spec"] for item in rendered.all("HorizontalPodAutoscaler")}


@pytest.mark.requirement("K8S-02")
@pytest.mark.parametrize("overlay", SCALED)
def test_each_workload_is_in_its_pool(overlay: str) -> None:
    pools = {"api": "standard", "monitor": "standard", "worker": "worker", "beat": "worker"}
    for item in running(render(overlay)):
        name, component = item["metadata"]["name"], pod_labels(item)[COMPONENT]
        expected = "gpu" if name in GPUS else pools.get(component)
        pod = pod_spec(item)
        tolerated = {(one["key"], one.get("value")) for one in pod.get("tolerations", ())}
        if expected is not None:
            assert pod["nodeSelector"] == {"scale/pool": expected}, name
        # Data and jobs say nothing, and so stay out of the two pools that are tainted.
        assert (("scale/pool", expected) in tolerated) == (expected in ("worker", "gpu")), name


@pytest.mark.requirement("K8S-02", "C-57")
@pytest.mark.parametrize("overlay", ["p1"])
def test_in_phase_one_everything_fits_on_one_host(overlay: str) -> None:
    for item in running(render(overlay)):
        assert "nodeSelector" not in pod_spec(item)
        assert item["spec"].get("replicas", 1) == 1
    assert not scalers(render(overlay))


@pytest.mark.requirement("K8S-03", "K8S-08", "K8S-11")
@pytest.mark.parametrize("overlay", SCALED)
def test_what_people_wait_for_grows_with_its_processors(overlay: str) -> None:
    found = scalers(render(overlay))
    assert found.keys() >= PEOPLE_WAIT_FOR
    for name in PEOPLE_WAIT_FOR:
        assert (found[name]["minReplicas"], found[name]["maxReplicas"]) == (2, 10 if overlay.startswith("p2") else 20)
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
        assert found[name]["metrics"] == [{"type": "Resource", "resource": cpu}]


@pytest.mark.requirement("K8S-13")
@pytest.mark.parametrize("overlay", SCALED)
def test_replicas_come_after_five_minutes_and_go_after_fifteen(overlay: str) -> None:
    for name in PEOPLE_WAIT_FOR:
        behavior = scalers(render(overlay))[name]["behavior"]
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 300
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 900


@pytest.mark.requirement("K8S-03", "K8S-08", "OBS-23", "TRN-08")
@pytest.mark.parametrize("overlay", [overlay for overlay in SCALED if "keda" not in overlay])
def test_workers_grow_with_what_waits_for_them(overlay: str) -> None:
    found = scalers(render(overlay))
    assert found.keys() - PEOPLE_WAIT_FOR == QUEUES.keys()
    (exported,) = QueueLengths("redis://nowhere", []).describe()
    for name, queue in QUEUES.items():
        rules_of(queue)  # KeyError: no queue of ours
        external = found[name]["metrics"][0]["external"]
        assert external["metric"] == {"name": exported.name, "selector": {"matchLabels": {"queue": queue}}}
        assert external["target"]["type"] == "AverageValue"
        assert found[name]["minReplicas"] == 1


@pytest.mark.requirement("K8S-03", "K8S-08", "OBS-23")
def test_keda_does_the_same_in_their_place() -> None:
    rendered = render("p3-keda")
    assert scalers(rendered).keys() == PEOPLE_WAIT_FOR
    objects = {item["spec"]["scaleTargetRef"]["name"]: item["spec"] for item in rendered.all("ScaledObject")}
    assert objects.keys() == QUEUES.keys() | GPUS
    for name, queue in QUEUES.items():
        assert objects[name]["minReplicaCount"] == 1
        assert f'scale_queue_length{{namespace="scale", queue="{queue}"}}' in objects[name]["triggers"][0]["metadata"]["query"]
    for name in GPUS:
        assert objects[name]["minReplicaCount"] == 0


@pytest.mark.requirement("K8S-11")
def test_what_keda_counts_are_routes_of_the_gateway() -> None:
    rendered = render("p3-keda")
    query = rendered.one("ScaledObject", "categorization-gpu")["spec"]["triggers"][0]["metadata"]["query"]
    routes = {getattr(route, "path", "") for route in build_app(GatewaySettings(auth_secret=SECRET, environment="development")).routes}
    route = query.split('route="')[1].split('"')[0]
    assert route in routes


@pytest.mark.parametrize("overlay", SCALED)
def test_whoever_is_scaled_has_no_number_of_replicas_that_an_apply_would_restore(overlay: str) -> None:
    rendered = render(overlay)
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for item in rendered.all(kind):
            assert "replicas" not in rendered.one("Deployment", item["spec"]["scaleTargetRef"]["name"])["spec"]


@pytest.mark.requirement("K8S-08")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_of_everything_is_always_there(overlay: str) -> None:
    rendered = render(overlay)
    for process in SERVICES:
        assert rendered.one("Deployment", process)["spec"].get("replicas", 1) >= 1
    for kind, field in (("HorizontalPodAutoscaler", "minReplicas"), ("ScaledObject", "minReplicaCount")):
        for item in rendered.all(kind):
            if item["spec"]["scaleTargetRef"]["name"] not in GPUS:
                assert item["spec"][field] >= 1


@pytest.mark.requirement("K8S-10")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_gateway_has_the_processes_of_its_phase_and_a_core_for_each(overlay: str) -> None:
    gateway = render(overlay).one("Deployment", "gateway")
    processes = int(str(render(overlay).environment(gateway)["WEB_CONCURRENCY"]))
    assert processes == {"p1": 1, "p2": 2, "p3": 4}[overlay[:2]]
    assert int(containers(gateway)[0]["resources"]["limits"]["cpu"]) == processes


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_uploads_of_all_processes_of_a_gateway_fit_onto_its_volume(overlay: str) -> None:
    gateway = render(overlay).one("Deployment", "gateway")
    environment = {name: str(value) for name, value in render(overlay).environment(gateway).items()}
    most = int(environment["WEB_CONCURRENCY"]) * int(environment["SCALE_GATEWAY_MAX_SPOOL_BYTES"])
    (volume,) = [one["emptyDir"]["sizeLimit"] for one in pod_spec(gateway)["volumes"] if one["name"] == "tmp"]
    assert most <= int(volume.removesuffix("Gi")) * 1024**3 * 0.75
    assert int(environment["SCALE_GATEWAY_MAX_SPOOL_BYTES"]) >= 2 * GatewaySettings.model_fields["max_file_bytes"].default


@pytest.mark.requirement("K8S-12")
def test_workers_share_their_services_image_in_phase_one_and_have_their_own_afterwards() -> None:
    def images(overlay: str) -> dict[str, str]:
        return {item["metadata"]["name"]: containers(item)[0]["image"] for item in running(render(overlay))}

    for service in ("accounts", "categorization", "forecasting", "ingestion", "training"):
        assert images("p1")[f"{service}-worker"] == images("p1")[service]
        for overlay in ("p2", "p3"):
            assert images(overlay)[f"{service}-worker"].startswith(f"scale/{service}-worker:")


@pytest.mark.requirement("ARC-06", "K8S-06", "K8S-17")
@pytest.mark.parametrize("overlay", ON_GPUS)
def test_gpu_deployments_ask_for_one_gpu_on_nodes_that_have_some(overlay: str) -> None:
    rendered = render(overlay)
    for name in GPUS:
        item = rendered.one("Deployment", name)
        resources = containers(item)[0]["resources"]
        assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == 1
        assert pod_spec(item)["nodeSelector"] == {"scale/pool": "gpu"}
        assert {("scale/pool", "gpu"), ("nvidia.com/gpu", None)} <= {(t["key"], t.get("value")) for t in pod_spec(item)["tolerations"]}
        service = name.removesuffix("-gpu").upper()
        assert rendered.environment(item)[f"SCALE_{service}_DEVICE"] == "cuda"
        assert "replicas" not in item["spec"], "kubectl scale --replicas=0 must outlive the next apply"


def test_the_images_with_cuda_are_those_that_are_built() -> None:
    wanted = {one["image"] for overlay in ON_GPUS for item in render(overlay).workloads() for one in containers(item)}
    names = sorted(image.removeprefix("scale/").partition(":")[0] for image in wanted if image.endswith("-cuda"))
    assert names == ["categorization", "forecasting"]
    assert f"for target in {' '.join(names)}; do" in (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")
    assert " and ".join(f"`{name}`" for name in names) + ", built with" in (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")


@pytest.mark.requirement("CAT-18", "FCT-08", "K8S-06")
@pytest.mark.parametrize("overlay", ON_GPUS)
def test_batches_go_to_the_gpus_by_the_gateway_and_forecasts_by_the_queue(overlay: str) -> None:
    rendered = render(overlay)
    assert "categorization-gpu" in callees(rendered, rendered.one("Deployment", "gateway"))
    assert rendered.one("Service", "categorization-gpu")["spec"]["selector"] == {NAME: "categorization-gpu"}
    # Forecasts are computed by workers, whoever asks: one that has a GPU takes from the same queue.
    assert module_of(rendered.one("Deployment", "forecasting-gpu")) == module_of(rendered.one("Deployment", "forecasting-worker"))


@pytest.mark.requirement("K8S-17", "C-57", "ARC-19")
@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if overlay not in ON_GPUS])
def test_without_gpus_nothing_asks_for_one(overlay: str) -> None:
    rendered = render(overlay)
    for item in rendered.workloads():
        assert "gpu" not in item["metadata"]["name"]
        assert not [one for one in containers(item) if "nvidia.com/gpu" in str(one.get("resources"))]
        assert not [value for name, value in rendered.environment(item).items() if name.endswith("_DEVICE") and value != "cpu"]
    assert not [name for name in callees(rendered, rendered.one("Deployment", "gateway")) if name.endswith("-gpu")]
