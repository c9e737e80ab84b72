"""The administrator of a simulation: starts rounds at the coordinator and waits for their ends."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any
from uuid import UUID, uuid4

import grpc

from clients.device.problem import CoordinatorRefused
from clients.device.transport import Tls, refusal
from scale.federation.v1 import devices_service_pb2, devices_service_pb2_grpc, rounds_service_pb2, rounds_service_pb2_grpc
from scale.federation.v1.round_pb2 import Round

_TIMEOUT_S = 30
_WAIT_S = 1


class Rounds:
    """`RoundsService` with an administrator's token. Every method raises CoordinatorRefused."""

    def __init__(self, address: str, tls: Tls | None, token: str) -> None:
        self._channel = grpc.secure_channel(address, tls.credentials()) if tls else grpc.insecure_channel(address)
        self._stub = rounds_service_pb2_grpc.RoundsServiceStub(self._channel)
        self._devices = devices_service_pb2_grpc.DevicesServiceStub(self._channel)
        self._metadata = _bearer(token)

    def status(self, timeout_s: float = _TIMEOUT_S) -> rounds_service_pb2.GetFederationStatusResponse:
        """How the coordinator is."""
        found: rounds_service_pb2.GetFederationStatusResponse = self._call(
            self._stub.GetFederationStatus, rounds_service_pb2.GetFederationStatusRequest(), timeout_s=timeout_s
        )
        return found

    def start(self, options: rounds_service_pb2.RoundOptions, patience_s: float) -> Round:
        """A new round; one of the clock's that is open is waited for, and a coordinator that is not there yet."""
        until = time.monotonic() + patience_s
        request = rounds_service_pb2.StartRoundRequest(request_id=str(uuid4()), options=options)
        while True:
            try:
                opened: Round = self._call(self._stub.StartRound, request).round
                return opened
            except CoordinatorRefused as error:
                if error.reason not in ("ROUND_OPEN", "STANDBY") or time.monotonic() > until:
                    raise
            time.sleep(1)

    def look(self, round_id: str) -> Round:
        """The round as soon as it has ended, or as it is after a second. A coordinator that dies is waited for: the next one knows."""
        until = time.monotonic() + _TIMEOUT_S
        request = rounds_service_pb2.GetRoundRequest(round_id=round_id, wait_seconds=_WAIT_S)
        while True:
            try:
                found: Round = self._call(self._stub.GetRound, request).round
                return found
            except CoordinatorRefused as error:
                if error.code != "UNAVAILABLE" or time.monotonic() > until:
                    raise
            time.sleep(1)

    def abort(self, round_id: str) -> None:
        """Gives it up."""
        self._call(self._stub.AbortRound, rounds_service_pb2.AbortRoundRequest(round_id=round_id))

    def revoke(self, device_id: UUID | str, token: str) -> None:
        """A device that is no more."""
        request = devices_service_pb2.RevokeDeviceRequest(device_id=str(device_id))
        self._call(self._devices.RevokeDevice, request, _bearer(token))

    def __enter__(self) -> Rounds:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._channel.close()

    def _call(
        self, method: Any, request: Any, metadata: tuple[tuple[str, str], ...] | None = None, *, timeout_s: float = _TIMEOUT_S
    ) -> Any:
        try:
            return method(request, timeout=timeout_s, metadata=metadata or self._metadata, wait_for_ready=True)
        except grpc.RpcError as error:
            raise refusal(error) from error


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)
