"""Metrics of a process, and tracing only where somebody wants it."""

from __future__ import annotations

import httpx
from prometheus_client import REGISTRY

from services.kit.telemetry import HTTP_LATENCY, LATENCY_BUCKETS_S, RPC_LATENCY, export_pool, serve_metrics
from tests.support.ports import free_port


def test_metrics_are_served() -> None:
    RPC_LATENCY.labels("/probe/Call", "OK").observe(0.01)
    HTTP_LATENCY.labels("/probe", "GET", "200").observe(0.01)
    export_pool(lambda: {"checked_out": 3, "ok": True, "pool_class": "Pool"})
    port = free_port()
    serve_metrics("127.0.0.1", port)
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    for signal in ("scale_rpc_duration_seconds_count", "scale_rpc_running", "scale_http_duration_seconds_bucket", "scale_http_running"):
        assert signal in text
    assert "scale_db_pool_checked_out 3.0" in text
    assert "scale_db_pool_ok" not in text
    assert "scale_db_pool_pool_class" not in text
    for collector in list(REGISTRY._collector_to_names):
        if type(collector).__name__ == "_PoolCollector":
            REGISTRY.unregister(collector)


def test_slo_thresholds_are_bucket_bounds() -> None:
    assert 0.5 in LATENCY_BUCKETS_S


def test_without_a_port_nothing_is_served() -> None:
    serve_metrics("127.0.0.1", None)
