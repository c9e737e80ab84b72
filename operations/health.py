"""`python -m operations.health grpc accounts | http SCALE_GATEWAY_PORT /health | heartbeat`: whether the process of this container is well.

For container engines that have no probes of their own, as compose; a cluster asks the port itself. Exit status 0 or 1, and one line of why.
It asks what the process says of itself: that Redis or PostgreSQL is away is no reason to end who waits for them.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_S = 5.0
# Workers touch their file every two seconds; beat when it has looked what is due, at least every ten.
HEARTBEAT_KEEPS_S = 30.0
LOOPBACK = "127.0.0.1"


class Unwell(Exception):
    """Why it is."""


def ask(question: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """Raises Unwell, or ValueError for what is no question."""
    match question:
        case ["grpc", service]:
            _grpc(service.upper(), environment)
        case ["http", port, path]:
            _http(int(environment[port]), path)
        case ["heartbeat"]:
            _heartbeat(Path(environment["SCALE_HEARTBEAT_FILE"]))
        case _:
            raise ValueError("usage: python -m operations.health grpc SERVICE | http PORT_VARIABLE PATH | heartbeat")


def _grpc(service: str, environment: Mapping[str, str]) -> None:
    # Half a second of imports, which the other questions do without.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    # The port in plain where there is one: a probe needs no certificate.
    port = environment.get(f"SCALE_{service}_HEALTH_PORT") or environment[f"SCALE_{service}_PORT"]
    with grpc.insecure_channel(f"{LOOPBACK}:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            raise Unwell(f"port {port}: {error.code().name}: {error.details()}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Unwell(f"port {port}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")


def _http(port: int, path: str) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"port {port}: {error!r}") from error
    finally:
        connection.close()
    if status != 200:
        raise Unwell(f"port {port}: {path} answers {status}")


def _heartbeat(file: Path) -> None:
    try:
        age = time.time() - file.stat().st_mtime
    except OSError as error:
        raise Unwell(f"{file}: {error.strerror}") from error
    if age > HEARTBEAT_KEEPS_S:
        raise Unwell(f"{file} was touched {age:.0f} s ago")


def main(question: Sequence[str]) -> int:
    """Returns the exit code."""
    try:
        ask(question)
    except (Unwell, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyError as error:
        sys.stderr.write(f"{error.args[0]} is not set\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
