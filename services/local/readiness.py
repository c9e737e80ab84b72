"""Whether each part of the local system answers, and if not, which part is at fault and what it said last."""

from __future__ import annotations

import http.client
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from services.local.home import LOOPBACK, SERVICE_OFFSETS, Ports
from services.local.problem import LocalProblem
from services.local.supervise import Supervisor

# So many starts of one service in a row are no accident: give up before the deadline.
_TOO_MANY_STARTS = 4
# Workers touch their file every two seconds; beat when it has looked what is due, at least every ten.
_HEARTBEAT_KEEPS_S = 15


def wait_for_services(supervisor: Supervisor, services: Sequence[str], ports: Ports, deadline: float) -> None:
    """Waits until every service is ready; raises LocalProblem naming the one that is not, with the end of its log."""
    starts: dict[str, set[int]] = defaultdict(set)
    waiting = list(services)
    while waiting:
        processes = supervisor.processes()
        for service in list(waiting):
            starts[service].add(int(processes[service]["pid"]))
            if service in SERVICE_OFFSETS:
                ready = service_is_ready(service, ports)
            else:
                ready = worker_is_ready(supervisor.home.heartbeat(service), processes[service]["start"])
            if ready:
                waiting.remove(service)
            elif len(starts[service] - {0}) >= _TOO_MANY_STARTS:
                raise LocalProblem(f"{service} keeps dying. The end of its log:\n{supervisor.log_tail(service)}")
        if waiting and time.monotonic() > deadline:
            logs = "\n".join(f"The end of the log of {service}:\n{supervisor.log_tail(service)}" for service in waiting)
            raise LocalProblem(f"Not ready in time: {', '.join(waiting)}.\n{logs}")
        time.sleep(0.05 if waiting else 0)


def service_is_ready(service: str, ports: Ports) -> bool:
    """One probe: GET /ready at the gateway, the gRPC health protocol at every other service."""
    if service == "gateway":
        return _http_is_ready(ports.service(service))
    return _grpc_is_serving(f"{LOOPBACK}:{ports.service(service)}")


def worker_is_ready(heartbeat: Path, started: float) -> bool:
    """Whether a worker, or beat, that was started at `started` (Unix seconds) is at work: it says so by touching a file."""
    try:
        touched = heartbeat.stat().st_mtime
    except FileNotFoundError:
        return False
    # What a process that died before has left says nothing.
    return touched > max(started, time.time() - _HEARTBEAT_KEEPS_S)


def _http_is_ready(port: int) -> bool:
    # Not httpx, whose every request without a session loads the certificates of all the world: 20 ms each, twenty times a second.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _grpc_is_serving(address: str) -> bool:
    # Here, because a start of the servers alone need not pay for gRPC's import.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
