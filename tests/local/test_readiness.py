"""When a worker, which nobody can call, counts as ready, and a service that is asked over TLS."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.kit.credentials import server_credentials
from services.local.home import Ports
from services.local.problem import LocalProblem
from services.local.readiness import service_is_ready, worker_is_ready
from tests.support.certificates import Authority
from tests.support.ports import free_port


def test_a_worker_is_ready_once_it_has_touched_its_file_itself(tmp_path: Path) -> None:
    heartbeat, now = tmp_path / "ingestion-worker.alive", time.time()
    assert not worker_is_ready(heartbeat, now - 60)
    heartbeat.touch()
    assert worker_is_ready(heartbeat, now - 60)
    # Left by the process before this one.
    assert not worker_is_ready(heartbeat, now + 5)
    # Not touched for long: it is stuck.
    os.utime(heartbeat, (now - 30, now - 30))
    assert not worker_is_ready(heartbeat, now - 60)


def test_a_service_with_a_certificate_is_asked_over_tls(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_secure_port(f"127.0.0.1:{port}", server_credentials(authority.server()))
    server.start()
    ports, mine = Ports(port - 1), {"SCALE_ACCOUNTS_TLS_CERT_FILE": "server.pem"}
    try:
        assert service_is_ready("accounts", ports, {**mine, "SCALE_TLS_CA_FILE": str(authority.ca_file)})
        assert not service_is_ready("accounts", ports, mine), "the world's authorities do not know it"
        assert not service_is_ready("accounts", ports, {})
        with pytest.raises(LocalProblem, match=r"absent\.pem cannot be read"):
            service_is_ready("accounts", ports, {**mine, "SCALE_TLS_CA_FILE": "absent.pem"})
    finally:
        server.stop(None)
