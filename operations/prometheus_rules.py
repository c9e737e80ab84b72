"""`python -m operations.prometheus_rules`: the rules of deploy/monitoring as the objects that a cluster takes.

Prometheus' operator reads rules as PrometheusRule alone, and kustomize can make no such object of a file; so it is made here, and a test
holds it to the files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

_DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
RULES = _DEPLOY / "monitoring" / "rules"
OBJECTS = _DEPLOY / "k8s" / "components" / "monitoring" / "rules.yaml"
_HEADER = "# Made of deploy/monitoring/rules by python -m operations.prometheus_rules: change those, and make this one anew.\n"
_LABELS = {"name": "scale", "part-of": "scale", "component": "monitor"}


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def rule_objects(folder: Path = RULES) -> list[dict[str, Any]]:
    """One PrometheusRule for each file, by its name."""
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": f"scale-{path.stem}",
                "labels": {f"app.kubernetes.io/{key}": value for key, value in _LABELS.items()},
            },
            "spec": yaml.safe_load(path.read_text(encoding="utf-8")),
        }
        for path in sorted(folder.glob("*.yaml"))
    ]


def main() -> int:
    """Writes them."""
    OBJECTS.write_text(_HEADER + yaml.dump_all(rule_objects(), Dumper=_Plain, sort_keys=False, width=140), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
