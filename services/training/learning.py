"""How users take the categories that they are given, as the categorization service counts it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceStub
from services.kit.client import ServiceClient
from services.training.accuracy import Acceptance

_PAGE = 1000


class GrpcAcceptance:
    """`AcceptanceSource` on the categorization service. It is asked in the background, with a token for services."""

    def __init__(self, address: str) -> None:
        self._client = ServiceClient(
            LearningServiceStub,
            address,
            service="scale.categorization.v1.LearningService",
            idempotent=("GetAcceptance", "ListLowAcceptance"),
        )

    async def total(self) -> Acceptance:
        """See `AcceptanceSource`."""
        return _acceptance((await self._client.unary("GetAcceptance", pb.GetAcceptanceRequest())).acceptance)

    async def low(self, *, maximum_ratio: float, minimum_classified: int) -> AsyncIterator[tuple[UUID, Acceptance]]:
        """See `AcceptanceSource`."""
        token = ""  # nosec B105  # the first page
        while True:
            request = pb.ListLowAcceptanceRequest(
                maximum_ratio=maximum_ratio, minimum_classified_count=minimum_classified, page_size=_PAGE, page_token=token
            )
            page = await self._client.unary("ListLowAcceptance", request)
            for one in page.users:
                yield UUID(one.user_id), _acceptance(one.acceptance)
            token = page.next_page_token
            if not token:
                return

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()


def _acceptance(message: pb.Acceptance) -> Acceptance:
    return Acceptance(message.classified_count, message.corrected_count)
