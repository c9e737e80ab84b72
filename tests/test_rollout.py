"""deploy/rollout, with a kubectl that notes what it is asked and answers what the test says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RENDERED = """
        image: scale/gateway:0.1.0
        image: scale/forecasting:0.1.0-cuda
        image: redis:7.4.2
"""
KUBECTL = """#!/bin/sh
echo "$*" >> "$NOTES/asked"
case "$*" in
  kustomize*) cat "$NOTES/rendered" ;;
  *"get deployments"*scale/pool=gpu*) cat "$NOTES/gpu" ;;
  *"get deployments"*) cat "$NOTES/running" ;;
  *apply*) cat > "$NOTES/applied"; printf 'deployment.apps/gateway\\ndeployment.apps/accounts\\n' > "$NOTES/running" ;;
  *"$FAILS"*) exit 1 ;;
esac
"""


class Cluster:
    """What deploy/rollout meets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "kubectl").write_text(KUBECTL, encoding="utf-8")
        (folder / "kubectl").chmod(0o755)
        self.write("rendered", RENDERED)
        self.write("running", "deployment.apps/gateway\ndeployment.apps/accounts\n")
        self.write("gpu", "")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def roll_out(self, fails: str = "nothing fails", **more: str) -> tuple[int, list[str], str]:
        """Exit status, what kubectl was asked, and what was said."""
        given = {"IMAGE_REGISTRY": "registry.example/team", "IMAGE_TAG": "abc", "NOTES": str(self.folder), "FAILS": fails, **more}
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", **given}
        done = subprocess.run([ROOT / "deploy/rollout", "overlays/p2"], env=environment, capture_output=True, text=True, check=False)
        asked = self.folder / "asked"
        return done.returncode, asked.read_text(encoding="utf-8").splitlines() if asked.exists() else [], done.stdout + done.stderr


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def place(asked: list[str], what: str) -> int:
    return next(number for number, line in enumerate(asked) if what in line)


@pytest.mark.requirement("CI-02", "CI-14")
def test_the_schema_comes_first_and_images_are_those_of_the_registry(cluster: Cluster) -> None:
    code, asked, said = cluster.roll_out()
    assert (code, said.splitlines()[-1]) == (0, "abc runs.")
    order = ("delete job migrate", "apply --selector app.kubernetes.io/name=migrate", "wait --for=condition=complete", "apply --filename")
    places = [place(asked, what) for what in order]
    assert places == sorted(places)
    assert sum("rollout status" in line for line in asked) == 2
    applied = (cluster.folder / "applied").read_text(encoding="utf-8")
    assert "image: registry.example/team/gateway:abc\n" in applied
    assert "image: registry.example/team/forecasting:abc-cuda\n" in applied
    assert "image: redis:7.4.2" in applied


@pytest.mark.requirement("CI-02", "REL-23")
def test_what_does_not_come_up_goes_back(cluster: Cluster) -> None:
    code, asked, said = cluster.roll_out(fails="rollout status deployment.apps/accounts")
    assert code == 1
    assert "deployment.apps/accounts did not come up" in said
    assert [line.split()[-1] for line in asked if "rollout undo" in line] == ["deployment.apps/gateway", "deployment.apps/accounts"]


def test_going_back_awaits_no_gpu(cluster: Cluster) -> None:
    cluster.write("gpu", "deployment.apps/forecasting-gpu\n")
    code, asked, _ = cluster.roll_out(fails="rollout status deployment.apps/accounts")
    assert code == 1
    assert not any("status deployment.apps/forecasting-gpu" in line for line in asked)


@pytest.mark.requirement("CI-02", "K8S-17")
def test_a_gpu_that_is_not_to_be_had_takes_nothing_back(cluster: Cluster) -> None:
    cluster.write("gpu", "deployment.apps/forecasting-gpu\n")
    code, asked, said = cluster.roll_out(fails="rollout status deployment.apps/forecasting-gpu")
    assert code == 0
    assert "deployment.apps/forecasting-gpu is not up yet" in said
    assert place(asked, "status deployment.apps/accounts") < place(asked, "status deployment.apps/forecasting-gpu")
    assert not any("undo" in line for line in asked)
    assert any("scale/pool!=gpu" in line for line in asked)


def test_a_schema_that_cannot_be_migrated_changes_nothing_else(cluster: Cluster) -> None:
    code, asked, said = cluster.roll_out(fails="wait --for=condition=complete")
    assert code == 1
    assert "nothing else was changed" in said
    assert not any("apply --filename" in line or "rollout" in line for line in asked)


def test_the_first_time_the_database_may_be_part_of_it(cluster: Cluster) -> None:
    cluster.write("running", "")
    code, asked, _ = cluster.roll_out()
    assert code == 0
    assert place(asked, "apply --filename") < place(asked, "wait --for=condition=complete")


def test_an_image_of_another_form_is_refused_before_anything_is_changed(cluster: Cluster) -> None:
    cluster.write("rendered", "image: scale/gateway:latest\n")
    code, asked, said = cluster.roll_out()
    assert code == 1
    assert "scale/gateway:latest" in said
    assert len(asked) == 1


@pytest.mark.parametrize("missing", ["IMAGE_REGISTRY", "IMAGE_TAG"])
def test_it_says_what_it_lacks(cluster: Cluster, missing: str) -> None:
    code, asked, said = cluster.roll_out(**{missing: ""})
    assert (code, asked) == (1, [])
    assert missing in said
