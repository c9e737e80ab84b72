"""What `kubectl apply -k` of an overlay would send: each overlay rendered once a session, with the look-ups that tests need."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]

K8S = Path(__file__).resolve().parents[2] / "deploy" / "k8s"
OVERLAYS = tuple(sorted(folder.name for folder in (K8S / "overlays").iterdir()))
_POD_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@dataclass(frozen=True)
class FromSecret:
    """The value of an environment variable that the manifests only point at."""

    secret: str
    key: str
    optional: bool = False


Environment = dict[str, "str | FromSecret"]


class Rendered:
    """The objects of one overlay."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def find(self, kind: str, name: str) -> Object | None:
        """That one, or None."""
        return next((item for item in self.all(kind) if item["metadata"]["name"] == name), None)

    def one(self, kind: str, name: str) -> Object:
        """That one; LookupError naming what there is instead."""
        found = self.find(kind, name)
        if found is None:
            raise LookupError(f"no {kind} {name}; there are {sorted(item['metadata']['name'] for item in self.all(kind))}")
        return found

    def workloads(self) -> list[Object]:
        """Everything that starts pods."""
        return [item for item in self.objects if item["kind"] in _POD_TEMPLATES]

    def workload(self, name: str) -> Object:
        """The one of that name; LookupError where there is none."""
        for item in self.workloads():
            if item["metadata"]["name"] == name:
                return item
        raise LookupError(f"no workload {name}; there are {sorted(item['metadata']['name'] for item in self.workloads())}")

    def selected(self, selector: Mapping[str, str]) -> list[Object]:
        """The workloads whose pods, or the one of a StatefulSet that is named, carry all these labels."""
        labels = dict(selector)
        pod = labels.pop("statefulset.kubernetes.io/pod-name", None)
        found = [item for item in self.workloads() if labels.items() <= pod_labels(item).items()]
        return [item for item in found if pod is None or pod.rpartition("-")[0] == item["metadata"]["name"]]

    def environment(self, workload: Object, container: Object | None = None) -> Environment:
        """What the (first) container finds in its environment: ConfigMaps read, Secrets only named, `env` before `envFrom`."""
        container = container or containers(workload)[0]
        found: Environment = {}
        for source in container.get("envFrom", ()):
            if "configMapRef" in source:
                prefix = source.get("prefix", "")
                found |= {prefix + name: value for name, value in self.one("ConfigMap", source["configMapRef"]["name"])["data"].items()}
        for entry in container.get("env", ()):
            found[entry["name"]] = self._value(entry)
        return found

    def secret_sources(self, workload: Object) -> list[str]:
        """The Secrets whose every key becomes a variable."""
        sources = [source for container in containers(workload) for source in container.get("envFrom", ())]
        return [source["secretRef"]["name"] for source in sources if "secretRef" in source]

    def _value(self, entry: Object) -> str | FromSecret:
        if "valueFrom" not in entry:
            return str(entry.get("value", ""))
        source = entry["valueFrom"]
        if "configMapKeyRef" in source:
            reference = source["configMapKeyRef"]
            return str(self.one("ConfigMap", reference["name"])["data"][reference["key"]])
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            return FromSecret(reference["name"], reference["key"], bool(reference.get("optional")))
        return f"<{next(iter(source))}>"


@cache
def render(overlay: str) -> Rendered:
    """One of OVERLAYS. Skips the test where there is no kubectl."""
    return Rendered(kustomize(K8S / "overlays" / overlay))


def kustomize(folder: Path) -> list[Object]:
    """What kubectl makes of a folder with a kustomization.yaml. Skips the test where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on the PATH: it renders the overlays (kubectl kustomize)")
    return build(kubectl, folder)


def build(kubectl: str, folder: Path) -> list[Object]:
    """The same; ValueError with what kubectl has to say of it."""
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ValueError(f"kubectl kustomize {folder.name}: {done.stderr}")
    # In C: ten times as fast.
    return [item for item in yaml.load_all(done.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if item]


def pod_template(workload: Object) -> Object:
    """The template of its pods: metadata and spec."""
    found: Any = workload
    for step in _POD_TEMPLATES[workload["kind"]]:
        found = found[step]
    return dict(found)


def pod_spec(workload: Object) -> Object:
    """How its pods are."""
    return dict(pod_template(workload)["spec"])


def pod_labels(workload: Object) -> dict[str, str]:
    """What its pods are selected by."""
    return dict(pod_template(workload).get("metadata", {}).get("labels", {}))


def containers(workload: Object) -> list[Object]:
    """The containers that its pods run for good; not those that only prepare."""
    return list(pod_spec(workload)["containers"])


def every_container(workload: Object) -> Iterator[Object]:
    """Those that only prepare, too."""
    yield from pod_spec(workload).get("initContainers", ())
    yield from containers(workload)


def ports(workload: Object) -> dict[str, int]:
    """Its containers' ports by name."""
    return {port["name"]: port["containerPort"] for container in containers(workload) for port in container.get("ports", ())}
