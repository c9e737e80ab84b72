"""Every overlay renders, and holds no object twice."""

from __future__ import annotations

import pytest

from tests.deploy.rendered import OVERLAYS, render


@pytest.mark.requirement("K8S-17")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_renders_each_object_once(overlay: str) -> None:
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in render(overlay).objects]
    assert names
    assert len(names) == len(set(names))


@pytest.mark.requirement("K8S-17")
def test_each_phase_renders_with_and_without_gpus() -> None:
    assert {"p1", "p1-gpu", "p2", "p2-gpu", "p3", "p3-gpu"} <= set(OVERLAYS)
