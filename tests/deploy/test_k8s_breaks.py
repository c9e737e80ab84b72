"""The checks themselves: each is shown a rendered overlay with one thing broken, and must name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import process_checks, workload_checks
from tests.deploy.processes import write_certificates
from tests.deploy.rendered import Object, Rendered, containers, pod_spec, render
from tests.deploy.validation import problems

Break = Callable[[Rendered], Any]
Check = Callable[[Rendered], Iterable[str]]


def deployment(rendered: Rendered, name: str = "accounts") -> Object:
    return rendered.one("Deployment", name)


def container(rendered: Rendered, name: str = "accounts") -> Object:
    return containers(deployment(rendered, name))[0]


def variable(rendered: Rendered, name: str, workload: str = "accounts") -> Object:
    found: Object = next(entry for entry in container(rendered, workload)["env"] if entry["name"] == name)
    return found


def spec(rendered: Rendered, kind: str, name: str) -> Object:
    found: Object = rendered.one(kind, name)["spec"]
    return found


def settings_of(rendered: Rendered, beginning: str) -> dict[str, str]:
    found: dict[str, str] = next(one["data"] for one in rendered.all("ConfigMap") if one["metadata"]["name"].startswith(beginning))
    return found


def caller(name: str) -> Object:
    return {"podSelector": {"matchLabels": {workload_checks.NAME: name}}}


BREAKS: list[tuple[str, Break, Check | str]] = [
    (
        "a Service selects nothing",
        lambda r: spec(r, "Service", "accounts")["selector"].update({"app": "x"}),
        workload_checks.selectors_that_match_nothing,
    ),
    (
        "a scaler scales nothing",
        lambda r: spec(r, "HorizontalPodAutoscaler", "accounts")["scaleTargetRef"].update(name="acounts"),
        workload_checks.selectors_that_match_nothing,
    ),
    (
        "an account is missing",
        lambda r: r.objects.remove(r.one("ServiceAccount", "accounts")),
        workload_checks.selectors_that_match_nothing,
    ),
    (
        "a Service leads to no port",
        lambda r: spec(r, "Service", "accounts")["ports"][0].update(targetPort="rpc"),
        workload_checks.ports_that_nobody_has,
    ),
    (
        "a probe asks a closed port",
        lambda r: container(r)["livenessProbe"]["grpc"].update(port=50053),
        workload_checks.ports_that_nobody_has,
    ),
    ("a probe asks every minute", lambda r: container(r)["readinessProbe"].update(periodSeconds=60), workload_checks.badly_probed),
    (
        "a probe asks for what a service depends on",
        lambda r: container(r)["readinessProbe"]["grpc"].update(service="scale.accounts.v1.AccountsService"),
        workload_checks.badly_probed,
    ),
    (
        "the gateway is asked whether all is up",
        lambda r: container(r, "gateway")["readinessProbe"]["httpGet"].update(path="/ready"),
        workload_checks.badly_probed,
    ),
    ("nothing says whether it is alive", lambda r: container(r, "training-worker").pop("livenessProbe"), workload_checks.badly_probed),
    (
        "a start is told by a file that an earlier container left",
        lambda r: container(r, "training-worker")["startupProbe"].update(exec={"command": ["test", "-f", "/tmp/heartbeat"]}),
        workload_checks.badly_probed,
    ),
    (
        "a start is looked for while what an earlier container left is fresh",
        lambda r: container(r, "beat")["startupProbe"].pop("initialDelaySeconds"),
        workload_checks.badly_probed,
    ),
    ("memory without a limit", lambda r: container(r)["resources"]["limits"].pop("memory"), workload_checks.without_bounds),
    ("the latest image", lambda r: container(r).update(image="scale/accounts:latest"), workload_checks.not_pinned),
    ("an image without a tag", lambda r: container(r).update(image="registry.test:5000/scale/accounts"), workload_checks.not_pinned),
    ("a root that can be written", lambda r: container(r)["securityContext"].pop("readOnlyRootFilesystem"), workload_checks.not_hardened),
    ("a pod of root", lambda r: pod_spec(deployment(r))["securityContext"].update(runAsUser=0), workload_checks.not_hardened),
    (
        "a folder of the node",
        lambda r: pod_spec(deployment(r))["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        workload_checks.not_hardened,
    ),
    ("another namespace", lambda r: r.one("Service", "accounts")["metadata"].update(namespace="default"), workload_checks.badly_named),
    (
        "a label of another",
        lambda r: deployment(r)["spec"]["template"]["metadata"]["labels"].update({workload_checks.COMPONENT: "web"}),
        workload_checks.badly_named,
    ),
    ("no budget", lambda r: r.objects.remove(r.one("PodDisruptionBudget", "gateway")), workload_checks.lost_with_a_node),
    (
        "a budget that forbids drains",
        lambda r: spec(r, "PodDisruptionBudget", "beat").update(maxUnavailable=0),
        workload_checks.lost_with_a_node,
    ),
    ("all in one zone", lambda r: pod_spec(deployment(r))["topologySpreadConstraints"].pop(0), workload_checks.lost_with_a_node),
    ("a sticky Service", lambda r: spec(r, "Service", "gateway").update(sessionAffinity="ClientIP"), workload_checks.sticky),
    ("an address for all pods of a gRPC service", lambda r: spec(r, "Service", "training").pop("clusterIP"), workload_checks.sticky),
    ("no clock", lambda r: r.objects.remove(deployment(r, "beat")), process_checks.processes_without_workload),
    ("a clock without a schedule", lambda r: container(r, "beat")["command"].pop(), process_checks.processes_without_workload),
    (
        "a misspelt variable",
        lambda r: variable(r, "SCALE_ACCOUNTS_HOST").update(name="SCALE_ACCOUNT_HOST"),
        process_checks.variables_that_nobody_reads,
    ),
    (
        "a misspelt shared variable",
        lambda r: settings_of(r, "scale-database").update(DB_POOLSIZE="3"),
        process_checks.variables_that_nobody_reads,
    ),
    ("a setting that is no number", lambda r: settings_of(r, "scale-database").update(DB_POOL_SIZE="many"), "settings"),
    ("no database", lambda r: container(r)["env"].remove(variable(r, "SCALE_ACCOUNTS_DATABASE_URL")), "settings"),
    ("no issuer", lambda r: settings_of(r, "scale-settings").pop("SCALE_AUTH_ISSUER"), "settings"),
    ("another port than the one that is asked", lambda r: variable(r, "SCALE_ACCOUNTS_PORT").update(value="8081"), "settings"),
    ("a service on its pod's loopback", lambda r: container(r)["env"].remove(variable(r, "SCALE_ACCOUNTS_HOST")), "settings"),
    (
        "a worker without a heartbeat",
        lambda r: container(r, "ingestion-worker")["env"].remove(variable(r, "SCALE_HEARTBEAT_FILE", "ingestion-worker")),
        "settings",
    ),
    ("a certificate that is not mounted", lambda r: container(r, "federation")["volumeMounts"].clear(), process_checks.files_not_mounted),
    (
        "another's key",
        lambda r: variable(r, "SCALE_ACCOUNTS_DATABASE_URL")["valueFrom"]["secretKeyRef"].update(name="training-secrets"),
        process_checks.keys_of_others,
    ),
    (
        "too little time to drain",
        lambda r: settings_of(r, "scale-settings").update(SCALE_GRACE_S="60"),
        process_checks.too_little_time_to_end,
    ),
    (
        "a call that is kept away",
        lambda r: spec(r, "NetworkPolicy", "accounts")["ingress"][0]["from"].remove(caller("gateway")),
        process_checks.calls_let_through,
    ),
    (
        "a call that never happens",
        lambda r: (
            spec(r, "NetworkPolicy", "federation")["ingress"][0]["from"].append(caller("ingestion")),
            spec(r, "NetworkPolicy", "ingestion")["egress"][0]["to"].append(caller("federation")),
        ),
        process_checks.calls_let_through,
    ),
    (
        "an address of one pod",
        lambda r: settings_of(r, "scale-settings").update(SCALE_ACCOUNTS_ADDRESS="accounts:50051"),
        process_checks.calls_let_through,
    ),
    (
        "an address of nobody",
        lambda r: settings_of(r, "scale-settings").update(SCALE_ACCOUNTS_ADDRESS="dns:///ledger:50051"),
        process_checks.calls_let_through,
    ),
    ("no way to the database", lambda r: spec(r, "NetworkPolicy", "accounts")["egress"].pop(0), process_checks.data_let_through),
    ("a field that Kubernetes does not know", lambda r: deployment(r)["spec"].update(replica=3), lambda r: problems(r.objects)),
    (
        "a text where a number must be",
        lambda r: spec(r, "HorizontalPodAutoscaler", "accounts").update(maxReplicas="20"),
        lambda r: problems(r.objects),
    ),
    (
        "an operator's field that is none",
        lambda r: spec(r, "ScaledObject", "training-worker").update(maxReplicas=3),
        lambda r: problems(r.objects),
    ),
    (
        "an object of nobody's",
        lambda r: r.objects.append({"apiVersion": "x.test/v1", "kind": "X", "metadata": {"name": "x"}}),
        lambda r: problems(r.objects),
    ),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


@pytest.mark.parametrize(("what", "broken", "check"), BREAKS, ids=[what for what, _, _ in BREAKS])
def test_a_check_names_what_is_broken(what: str, broken: Break, check: Check | str, certificates: Path) -> None:
    rendered = Rendered(deepcopy(render("p3-keda").objects))
    if check == "settings":
        check = lambda one: process_checks.settings_that_do_not_load(one, certificates)  # noqa: E731
    assert not isinstance(check, str)
    broken(rendered)
    assert list(check(rendered)), what
