"""What Prometheus' operator is given is what promtool has read."""

from __future__ import annotations

import pytest
import yaml

from operations.prometheus_rules import OBJECTS, RULES, rule_objects
from tests.deploy.rendered import OVERLAYS, render


def test_the_cluster_has_the_rules_as_they_are_now() -> None:
    written = list(yaml.safe_load_all(OBJECTS.read_text(encoding="utf-8")))
    assert written == rule_objects(), "python -m operations.prometheus_rules"
    assert len(written) == len(list(RULES.glob("*.yaml"))) > 0


@pytest.mark.requirement("K8S-01")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_brings_every_group_of_rules(overlay: str) -> None:
    brought = [group["name"] for item in render(overlay).all("PrometheusRule") for group in item["spec"]["groups"]]
    assert sorted(brought) == sorted(group["name"] for item in rule_objects() for group in item["spec"]["groups"])


@pytest.mark.requirement("K8S-01")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_brings_every_dashboard_where_grafana_looks(overlay: str) -> None:
    brought = render(overlay).one("ConfigMap", "grafana-dashboards")
    assert brought["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = {path.name: path.read_text(encoding="utf-8") for path in RULES.parent.glob("dashboards/*.json")}
    assert brought["data"] == files
    assert sum(map(len, files.values())) < 900_000, "a ConfigMap holds a mebibyte"
