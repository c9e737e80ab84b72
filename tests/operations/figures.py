"""The names of all figures that Prometheus finds: those that our code registers, and those of others' exporters."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPORTERS = {
    "up": "Prometheus itself",
    "ALERTS": "Prometheus itself",
    "container_cpu_usage_seconds_total": "cAdvisor, in every kubelet",
    "container_memory_working_set_bytes": "cAdvisor, in every kubelet",
    "kube_pod_container_resource_limits": "kube-state-metrics",
    "kubelet_volume_stats_used_bytes": "kubelet",
    "kubelet_volume_stats_capacity_bytes": "kubelet",
    "certmanager_certificate_expiration_timestamp_seconds": "cert-manager",
    "scale_backup_last_success_timestamp_seconds": "operations.backup: its own port, or node_exporter's textfile collector",
    "scale_backup_log_gap": "operations.backup",
    "scale_backup_last_base_bytes": "operations.backup",
    "scale_backup_log_waiting_bytes": "operations.backup",
}
"""Figures that no service exports, with who does."""
_OF_EACH_PROCESS = {
    "scale_db_pool_checked_out",
    "scale_db_pool_overflow",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
}
_KINDS = {
    "Counter": ("",),
    "Gauge": ("",),
    "Histogram": ("_bucket", "_count", "_sum"),
    "GaugeMetricFamily": ("",),
    "CounterMetricFamily": ("_total",),
}
_FUNCTIONS = re.compile(r"\b[a-z_0-9]+(?=\s*\()")
_WORDS = frozenset("by on without unless and or offset ignoring group_left group_right bool vector le".split())


def figures_of_the_code() -> set[str]:
    """The names under which Prometheus stores what the services register."""
    found = set(_OF_EACH_PROCESS)
    for path in (ROOT / "services").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "prometheus_client" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS and node.args:
                found |= {f"{name}{suffix}" for name in _names(node.args[0], text) for suffix in _KINDS[node.func.id]}
    return found


def _names(argument: ast.expr, text: str) -> list[str]:
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    assert isinstance(argument, ast.JoinedStr), ast.dump(argument)
    # One for each of a table's keys, as of scale_db_server_{name}.
    (start, _) = argument.values
    assert isinstance(start, ast.Constant)
    assert isinstance(start.value, str)
    return [f"{start.value}{key}" for key in re.findall(r'^    "(\w+)": f?"', text, re.M)]


def names_in(expression: str) -> set[str]:
    """The figures that an expression names."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\boffset\s+\w+", " ", bare)
    names = set(re.findall(r"[a-zA-Z_:][\w:]*", bare)) - set(_FUNCTIONS.findall(bare)) - _WORDS
    return {name for name in names if not name.startswith("$")}
