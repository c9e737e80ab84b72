"""The Secrets of a new installation: all that the manifests name, and keys that fit each other."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

from operations.cluster_secrets import main, make_secrets, manifests
from services.kit.service_tokens import ServiceTokens
from services.local.environment import ASKED, CALLED_BY_WORKERS
from tests.deploy.rendered import OVERLAYS, Rendered, every_container, pod_spec, render
from tests.deploy.validation import problems

# From the cloud, or from cert-manager.
ELSEWHERE = {"scale-storage"}


def references(rendered: Rendered) -> Iterator[tuple[str, str]]:
    """The keys of Secrets that pods cannot start without."""
    for item in rendered.workloads():
        for container in every_container(item):
            for entry in container.get("env", ()):
                source = entry.get("valueFrom", {}).get("secretKeyRef")
                if source and not source.get("optional"):
                    yield source["name"], source["key"]
        for volume in pod_spec(item).get("volumes", ()):
            for secret in (volume.get("secret"), *(one.get("secret") for one in volume.get("projected", {}).get("sources", ()))):
                if secret and not secret.get("optional"):
                    for wanted in secret.get("items", ()):
                        yield secret.get("secretName") or secret["name"], wanted["key"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_that_pods_need_is_made(overlay: str) -> None:
    made = make_secrets()
    certificates = {item["spec"]["secretName"] for item in render(overlay).all("Certificate")}
    missing = {
        (name, key) for name, key in references(render(overlay)) if name not in ELSEWHERE | certificates and key not in made.get(name, {})
    }
    assert missing == set()


def test_who_is_believed_signs_with_the_key_that_is_known() -> None:
    made = make_secrets()
    for service, callers in (*CALLED_BY_WORKERS.items(), *ASKED.items()):
        known = made[f"{service}-secrets"]["SCALE_SERVICE_PUBLIC_KEYS"].split(",")
        for caller in callers:
            owner = caller.removesuffix("_models")
            place, kind = (f"{owner}-secrets", "REGISTRY") if caller != owner else (f"{owner}-worker-secrets", "SERVICE")
            assert ServiceTokens(caller, made[place][f"SCALE_{owner.upper()}_{kind}_KEY"]).public_key in known
    assert make_secrets()["scale-secrets"] != made["scale-secrets"]


def test_pgbouncer_and_postgresql_know_the_same_verifiers_and_no_password() -> None:
    made = make_secrets("db.example.com:5432")
    kept = made["pgbouncer-secrets"]
    for line in kept["userlist.txt"].splitlines():
        role, verifier = (part.strip('"') for part in line.split(" "))
        assert f"ALTER ROLE {role} LOGIN PASSWORD '{verifier}';" in kept["roles.sql"]
        service = role.removeprefix("scale_")
        password = made[f"{service}-secrets"][f"SCALE_{service.upper()}_DATABASE_URL"].split(":")[2].split("@")[0]
        assert password not in "".join(kept.values())
    assert "@db.example.com:5432/scale" in made["federation-secrets"]["SCALE_FEDERATION_LEADER_DATABASE_URL"]


def test_the_command_writes_what_kubernetes_takes() -> None:
    with redirect_stdout(io.StringIO()) as written:
        assert main([]) == 0
    objects = list(yaml.safe_load_all(written.getvalue()))
    assert list(problems(objects)) == []
    assert len(objects) == len(manifests(make_secrets()))


def test_nothing_is_written_to_a_screen() -> None:
    program = "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'operations.cluster_secrets']) >> 8)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2
    assert "stringData" not in done.stdout
