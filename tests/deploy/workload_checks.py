"""What must hold of every workload of every overlay, as functions that name what does not; tests/deploy/test_k8s_breaks.py breaks each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.deploy.rendered import Object, Rendered, containers, every_container, pod_labels, pod_spec, pod_template, ports

NAME, PART_OF, COMPONENT = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/component")
COMPONENTS = {"api", "worker", "beat", "monitor", "data", "job"}
RUNNING = ("Deployment", "StatefulSet", "DaemonSet")
# Pods that cert-manager starts beside an Ingress to prove that the host is ours.
SOLVER = {"acme.cert-manager.io/http01-solver": "true"}
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def name_of(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def running(rendered: Rendered) -> list[Object]:
    """The workloads that run for good."""
    return [item for item in rendered.workloads() if item["kind"] in RUNNING]


def of_component(rendered: Rendered, *components: str) -> list[Object]:
    return [item for item in running(rendered) if pod_labels(item).get(COMPONENT) in components]


def selectors_that_match_nothing(rendered: Rendered) -> Iterator[str]:
    """Of workloads, Services, budgets, policies and scalers: each must find pods."""
    for item in running(rendered):
        selector = item["spec"]["selector"]["matchLabels"]
        if selector != {NAME: item["metadata"]["name"]} or not selector.items() <= pod_labels(item).items():
            yield f"{name_of(item)} selects {selector}, its pods have {pod_labels(item)}"
    for item in rendered.all("Service"):
        selector = item["spec"].get("selector")
        if selector and not rendered.selected(selector):
            yield f"{name_of(item)} selects {selector}: no pod has that"
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        for item in rendered.all(kind):
            selector = item["spec"][field].get("matchLabels", {})
            if selector != SOLVER and not rendered.selected(selector):
                yield f"{name_of(item)} selects {selector}: no pod has that"
    for kind in SCALERS:
        for item in rendered.all(kind):
            if rendered.find("Deployment", item["spec"]["scaleTargetRef"]["name"]) is None:
                yield f"{name_of(item)} scales {item['spec']['scaleTargetRef']['name']}, which is not there"
    accounts = {item["metadata"]["name"] for item in rendered.all("ServiceAccount")}
    for item in rendered.workloads():
        if pod_spec(item).get("serviceAccountName") not in accounts:
            yield f"{name_of(item)} runs as {pod_spec(item).get('serviceAccountName')}, which is not there"


def ports_that_nobody_has(rendered: Rendered) -> Iterator[str]:
    """Of Services and probes."""
    for service in rendered.all("Service"):
        for item in rendered.selected(service["spec"].get("selector", {})) if service["spec"].get("selector") else ():
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in (ports(item) if isinstance(target, str) else ports(item).values()):
                    yield f"{name_of(service)} leads to port {target}, which {name_of(item)} has not"
    for item in running(rendered):
        for container in containers(item):
            here = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
            for probe in probes(container).values():
                for way in ("grpc", "httpGet", "tcpSocket"):
                    wanted = probe.get(way, {}).get("port")
                    if wanted is not None and wanted not in here and wanted not in here.values():
                        yield f"{name_of(item)} is probed at port {wanted}, which it has not"


def probes(container: Object) -> dict[str, Object]:
    return {kind: container[kind] for kind in ("livenessProbe", "readinessProbe", "startupProbe") if kind in container}


def badly_probed(rendered: Rendered) -> Iterator[str]:
    """Alive and ready are asked every ten seconds; of a service only whether it serves, never what it depends on (C-10)."""
    for item in running(rendered):
        for container in containers(item):
            found = probes(container)
            place = f"{name_of(item)}/{container['name']}"
            # What runs beside another and has no port of its own dies with it or alone; nobody calls it.
            needed = {"livenessProbe", "readinessProbe"} if container.get("ports") or container is containers(item)[0] else set[str]()
            for missing in needed - found.keys():
                yield f"{place} has no {missing}"
            for kind, probe in found.items():
                if probe.get("periodSeconds") != 10:
                    yield f"{place}: {kind} every {probe.get('periodSeconds')} s"
                if probe.get("timeoutSeconds", 1) > 10:
                    yield f"{place}: {kind} waits longer than until the next one"
            start, alive = found.get("startupProbe", {}), found.get("livenessProbe", {})
            if "heartbeat" in str(alive) and (start.get("exec") != alive["exec"] or start.get("initialDelaySeconds", 0) < 30):
                yield f"{place}: its startupProbe takes the heartbeat of the container before for its own"
    for item in of_component(rendered, "api"):
        own = containers(item)[0]
        for kind, probe in probes(own).items():
            if item["metadata"]["name"] == "gateway":
                if probe.get("httpGet") != {"path": "/health", "port": "http"}:
                    yield f"{name_of(item)}: {kind} must ask /health"
            elif probe.get("grpc", {}).get("service") != "" or probe["grpc"]["port"] != ports(item)["health"]:
                yield f"{name_of(item)}: {kind} must ask the health port for the process itself"
        if "startupProbe" not in own:
            yield f"{name_of(item)} has no startupProbe: a slow start would be killed"


def without_bounds(rendered: Rendered) -> Iterator[str]:
    """Requests and limits of processor and memory, on every container."""
    for item in rendered.workloads():
        for container in every_container(item):
            resources = container.get("resources", {})
            for kind in ("requests", "limits"):
                for what in ("cpu", "memory"):
                    if what not in resources.get(kind, {}):
                        yield f"{name_of(item)}/{container['name']} has no {kind} of {what}"


def not_pinned(rendered: Rendered) -> Iterator[str]:
    """Images that could be another one tomorrow."""
    for item in rendered.workloads():
        for container in every_container(item):
            _, _, tag = container["image"].rpartition("/")[2].partition(":")
            if not re.fullmatch(r"v?\d+(\.\d+)+[A-Za-z0-9.-]*", tag):
                yield f"{name_of(item)}/{container['name']}: {container['image']}"


def not_hardened(rendered: Rendered) -> Iterator[str]:
    """Pods that could do more than they need."""
    for item in rendered.workloads():
        pod = pod_spec(item)
        context = pod.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{name_of(item)} may be root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name_of(item)} may make any system call"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name_of(item)} has a token of Kubernetes'"
        if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")) or any("hostPath" in v for v in pod.get("volumes", ())):
            yield f"{name_of(item)} sees its node"
        for container in every_container(item):
            own = container.get("securityContext", {})
            expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
            if {field: own.get(field) for field in expected} != expected or own.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{name_of(item)}/{container['name']}: {own}"


def badly_named(rendered: Rendered) -> Iterator[str]:
    """Names and labels by which operators, and their runbooks, find things."""
    for item in rendered.objects:
        cluster_wide = item["kind"] in ("Namespace", "ClusterIssuer", "PriorityClass", "StorageClass")
        if not cluster_wide and item["metadata"].get("namespace") != "scale":
            yield f"{name_of(item)} is in namespace {item['metadata'].get('namespace')}"
        if item["metadata"].get("labels", {}).get(PART_OF) != "scale":
            yield f"{name_of(item)} is no part of scale"
    for item in rendered.workloads():
        labels = pod_template(item).get("metadata", {}).get("labels", {})
        if labels.get(NAME) != item["metadata"]["name"] or labels.get(PART_OF) != "scale" or labels.get(COMPONENT) not in COMPONENTS:
            yield f"{name_of(item)}: pods have {labels}"
        if len(containers(item)) == 1 and containers(item)[0]["name"] != item["metadata"]["name"]:
            yield f"{name_of(item)}: its container is called {containers(item)[0]['name']}"


def lost_with_a_node(rendered: Rendered) -> Iterator[str]:
    """Where there may be several pods: a budget, which never forbids a drain, and spread over zones and nodes."""
    budgets = {item["metadata"]["name"]: item["spec"] for item in rendered.all("PodDisruptionBudget")}
    for item in running(rendered):
        budget = budgets.get(item["metadata"]["name"])
        if budget is None or budget.get("maxUnavailable") != 1 or budget["selector"] != {"matchLabels": {NAME: item["metadata"]["name"]}}:
            yield f"{name_of(item)} has the budget {budget}"
    for item in of_component(rendered, "api", "worker"):
        spread = {one["topologyKey"]: one for one in pod_spec(item).get("topologySpreadConstraints", ())}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
            if spread.get(key, {}).get("labelSelector") != {"matchLabels": {NAME: item["metadata"]["name"]}}:
                yield f"{name_of(item)} is not spread over {key}"
            elif spread[key]["maxSkew"] != 1 or spread[key].get("nodeTaintsPolicy") != "Honor":
                yield f"{name_of(item)}: {spread[key]}"


def sticky(rendered: Rendered) -> Iterator[str]:
    """What would tie a user to a pod; and Services of gRPC that would tie a connection to one (C-42)."""
    for item in rendered.all("Service"):
        if item["spec"].get("sessionAffinity", "None") != "None":
            yield name_of(item)
        if any(port["name"] == "grpc" for port in item["spec"]["ports"]) and item["spec"].get("clusterIP") != "None":
            yield f"{name_of(item)} has an address of its own, behind which each connection has one pod"
    for item in rendered.all("Ingress"):
        for annotation, value in item["metadata"].get("annotations", {}).items():
            if "affinity" in annotation or "sticky" in annotation or "ip_hash" in str(value):
                yield f"{name_of(item)}: {annotation}"
