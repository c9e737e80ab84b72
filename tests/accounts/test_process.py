"""The service as its own process: `python -m services.accounts`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from services.accounts.app import SERVICE_NAME
from services.kit.auth import mint_token
from services.local import LocalSystem
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a signing secret for the tests alone, long enough"


@pytest.fixture
def environment(servers: LocalSystem) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'protos' / 'gen'}",
        "SCALE_ENVIRONMENT": "development",
        "SCALE_AUTH_SECRET": SECRET,
        "SCALE_ACCOUNTS_PORT": str(free_port()),
        "SCALE_ACCOUNTS_METRICS_PORT": str(free_port()),
        "SCALE_ACCOUNTS_DATABASE_URL": servers.service_url("accounts"),
        "DB_POOL_SIZE": "1",
    }


@pytest.fixture
def process(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen([sys.executable, "-m", "services.accounts"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.wait()


def wait_until_serving(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(service=SERVICE_NAME), wait_for_ready=True, timeout=30)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
        except grpc.RpcError:
            pass
        assert time.monotonic() < deadline, "not serving within 30 s"
        time.sleep(0.05)


@pytest.mark.requirement("ARC-03", "REL-25")
def test_serves_alone_and_drains_on_sigterm(process: subprocess.Popen[str], environment: dict[str, str], user_id: UUID) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{environment['SCALE_ACCOUNTS_PORT']}") as channel:
        wait_until_serving(channel)
        token = mint_token(SECRET, user_id=user_id)
        answer = AccountsServiceStub(channel).GetProfile(
            pb.GetProfileRequest(), metadata=(("authorization", f"Bearer {token}"),), timeout=10
        )
        assert answer.profile.user_id == str(user_id)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(output.splitlines()[-1])["event"] == "stopped"


@pytest.mark.requirement("ARC-11")
def test_says_which_setting_is_wrong(environment: dict[str, str]) -> None:
    del environment["SCALE_ACCOUNTS_DATABASE_URL"]
    environment["SCALE_ACCOUNTS_IMPORT_IDLE_TIMEOUT_S"] = "0"
    done = subprocess.run(
        [sys.executable, "-m", "services.accounts"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "SCALE_ACCOUNTS_DATABASE_URL: " in done.stderr
    assert "SCALE_ACCOUNTS_IMPORT_IDLE_TIMEOUT_S: " in done.stderr
