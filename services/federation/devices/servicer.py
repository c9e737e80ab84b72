"""Devices on the wire."""

from __future__ import annotations

from uuid import UUID

import grpc.aio

from scale.federation.v1 import devices_service_pb2 as pb
from scale.federation.v1.devices_service_pb2_grpc import DevicesServiceServicer
from services.federation.devices.budgets import DeviceBudget
from services.federation.devices.credentials import Credentials
from services.federation.devices.domain import Enrollment
from services.federation.devices.service import DevicesService
from services.federation.domain import Device
from services.kit import context
from services.kit.dates import to_timestamp
from services.kit.errors import invalid
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size

_MOST_TEXT = 100
_FILTERS = "devices"


class DevicesServicer(DevicesServiceServicer):
    """`scale.federation.v1.DevicesService`. Whose they are is said by the verified token alone."""

    def __init__(self, service: DevicesService, credentials: Credentials, budget: DeviceBudget, page_tokens: PageTokens) -> None:
        self._service = service
        self._credentials = credentials
        self._budget = budget
        self._page_tokens = page_tokens

    async def EnrollDevice(self, request: pb.EnrollDeviceRequest, _: grpc.aio.ServicerContext) -> pb.EnrollDeviceResponse:
        """A new one, or the same again."""
        if not request.HasField("sign_time"):
            raise invalid("sign_time", "is required")
        new = Enrollment(
            public_key=request.public_key,
            signature=request.signature,
            signed_at=request.sign_time.seconds,
            display_name=text_of("display_name", request.display_name, _MOST_TEXT),
            platform=text_of("platform", request.platform, _MOST_TEXT),
        )
        device = await self._service.enroll_device(context.identity().user_id, new)
        return pb.EnrollDeviceResponse(device=self._message(device), credential=self._credentials.of(device.user_id, device.id))

    async def ListDevices(self, request: pb.ListDevicesRequest, _: grpc.aio.ServicerContext) -> pb.ListDevicesResponse:
        """A page, the newest first."""
        user_id, limit, after = context.identity().user_id, page_size(request.page_size), None
        if request.page_token:
            after = UUID(self._page_tokens.decode(request.page_token, user_id=user_id, filters=_FILTERS)[0])
        found, more = await self._service.list_devices(user_id, limit=limit, after=after)
        response = pb.ListDevicesResponse(devices=map(self._message, found))
        if more:
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=_FILTERS, position=(str(found[-1].id),))
        return response

    async def RevokeDevice(self, request: pb.RevokeDeviceRequest, _: grpc.aio.ServicerContext) -> pb.RevokeDeviceResponse:
        """One of the caller's."""
        device = await self._service.revoke_device(context.identity().user_id, uuid_of("device_id", request.device_id))
        return pb.RevokeDeviceResponse(device=self._message(device))

    def _message(self, device: Device) -> pb.Device:
        return pb.Device(
            device_id=str(device.id),
            public_key=device.public_key,
            display_name=device.display_name,
            platform=device.platform,
            create_time=to_timestamp(device.created_at),
            last_seen_time=to_timestamp(device.last_seen_at) if device.last_seen_at is not None else None,
            revoke_time=to_timestamp(device.revoked_at) if device.revoked_at is not None else None,
            enroll_time=to_timestamp(device.enrolled_at) if device.enrolled_at is not None else None,
            round_count=len(device.noise_multipliers),
            spent_epsilon=self._budget.spent(device.noise_multipliers),
            budget_epsilon=self._budget.limit,
        )
