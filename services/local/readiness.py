"""Whether each part of the local system answers, and if not, which part is at fault and what it said last."""

from __future__ import annotations

import http.client
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.kit.tls import ClientTls
from services.local.environment import client_tls, scheme_of
from services.local.home import LOOPBACK, SERVICE_OFFSETS, Ports
from services.local.problem import LocalProblem
from services.local.supervise import Supervisor

# So many starts of one service in a row are no accident: give up before the deadline.
_TOO_MANY_STARTS = 4
# Workers touch their file every two seconds; beat when it has looked what is due, at least every ten.
_HEARTBEAT_KEEPS_S = 15


def wait_for_services(
    supervisor: Supervisor, services: Sequence[str], ports: Ports, deadline: float, outer: Mapping[str, str] = os.environ
) -> None:
    """Waits until every service is ready; raises LocalProblem naming the one that is not, with the end of its log. `outer` is the user's
    environment. A gateway before a part of the services is ready when it answers: it would wait for the others in vain."""
    whole = set(services) >= set(SERVICE_OFFSETS)
    starts: dict[str, set[int]] = defaultdict(set)
    waiting = list(services)
    while waiting:
        processes = supervisor.processes()
        for service in list(waiting):
            starts[service].add(int(processes[service]["pid"]))
            if service == "gateway" and not whole:
                ready = gateway_answers(ports, "/health")
            elif service in SERVICE_OFFSETS:
                ready = service_is_ready(service, ports, outer)
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


def service_is_ready(service: str, ports: Ports, outer: Mapping[str, str] = os.environ) -> bool:
    """One probe: GET /ready at the gateway, the gRPC health protocol at every other service, over TLS where it has a certificate."""
    if service == "gateway":
        return gateway_answers(ports, "/ready")
    tls = client_tls(outer) if scheme_of(service, outer) else None
    return _grpc_is_serving(f"{LOOPBACK}:{ports.service(service)}", tls)


def worker_is_ready(heartbeat: Path, started: float) -> bool:
    """Whether a worker, or beat, that was started at `started` (Unix seconds) is at work: it says so by touching a file."""
    try:
        touched = heartbeat.stat().st_mtime
    except FileNotFoundError:
        return False
    # What a process that died before has left says nothing.
    return touched > max(started, time.time() - _HEARTBEAT_KEEPS_S)


def gateway_answers(ports: Ports, path: str, *, timeout_s: float = 5) -> bool:
    """Whether the gateway answers 200."""
    # Not httpx, whose every request without a session loads the certificates of all the world: 20 ms each, twenty times a second.
    connection = http.client.HTTPConnection(LOOPBACK, ports.service("gateway"), timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _grpc_is_serving(address: str, tls: ClientTls | None) -> bool:
    # Here, because a start of the servers alone need not pay for gRPC's import.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from services.kit.credentials import channel_credentials

    options = [("grpc.enable_http_proxy", 0)]
    try:
        opened = grpc.insecure_channel(address, options) if tls is None else grpc.secure_channel(address, channel_credentials(tls), options)
    except ValueError as error:
        raise LocalProblem(f"SCALE_TLS_CA_FILE, _CERT_FILE or _KEY_FILE: {error}") from error
    with opened as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
