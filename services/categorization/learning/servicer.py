"""The wire of learning, and who may ask what."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import grpc.aio

from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2 import ClassifyInput
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceServicer
from services.categorization.acceptance import accepted_ratio
from services.categorization.domain import Anchor
from services.categorization.learning.domain import AcceptanceFigures, CorrectionPosition, MerchantPosition
from services.categorization.learning.service import LearningService
from services.kit import context
from services.kit.dates import to_date_proto, to_timestamp
from services.kit.errors import PermissionDenied, invalid
from services.kit.fields import text_of
from services.kit.money import to_money
from services.kit.pagination import PageTokens, page_size

SERVICE = "scale.categorization.v1.LearningService"
BACKGROUND_METHODS = frozenset(
    f"/{SERVICE}/{method}" for method in ("ListCorrections", "ListAgreedCorrections", "ListLowAcceptance", "GetAcceptance", "SetUserModel")
)
"""What training may ask for a user who is not there, or for nobody in particular."""

_LEAST_AGREEING = 2
_MAX_VERSION_CHARS = 200
_NO_CURRENCY = "XXX"
"""ISO 4217 for none: a correction counts by sign and magnitude, in whatever currency."""


class LearningServicer(LearningServiceServicer):
    """`scale.categorization.v1.LearningService`. Whose words are meant is said by the verified token alone."""

    def __init__(self, service: LearningService, *, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def ListCorrections(self, request: pb.ListCorrectionsRequest, _: grpc.aio.ServicerContext) -> pb.ListCorrectionsResponse:
        """The caller's own."""
        user_id, limit, filters, after = context.identity().user_id, page_size(request.page_size), "corrections", None
        if request.page_token:
            said_at, subject = self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)
            after = CorrectionPosition(datetime.fromisoformat(said_at), subject)
        found, more = await self._service.list_corrections(user_id, limit=limit, after=after)
        response = pb.ListCorrectionsResponse(corrections=map(_correction, found))
        if more:
            position = (found[-1].said_at.isoformat(), found[-1].subject)
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=position)
        return response

    async def ListAgreedCorrections(
        self, request: pb.ListAgreedCorrectionsRequest, _: grpc.aio.ServicerContext
    ) -> pb.ListAgreedCorrectionsResponse:
        """Of all users, for services."""
        user_id, limit = _service_alone(), page_size(request.page_size)
        if request.minimum_user_count < _LEAST_AGREEING:
            raise invalid("minimum_user_count", f"is {request.minimum_user_count}, at least {_LEAST_AGREEING} are needed to agree")
        filters, after = f"agreed {request.minimum_user_count}", None
        if request.page_token:
            merchant_key, credit = self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)
            after = MerchantPosition(merchant_key, credit == "credit")
        found, more = await self._service.list_agreed_corrections(least_users=request.minimum_user_count, limit=limit, after=after)
        response = pb.ListAgreedCorrectionsResponse(
            corrections=[
                pb.AgreedCorrection(merchant_key=one.merchant_key, category=one.category, user_count=one.user_count, credit=one.credit)
                for one in found
            ]
        )
        if more:
            position = (found[-1].merchant_key, "credit" if found[-1].credit else "debit")
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=position)
        return response

    async def ListLowAcceptance(self, request: pb.ListLowAcceptanceRequest, _: grpc.aio.ServicerContext) -> pb.ListLowAcceptanceResponse:
        """Users whose categories are put right too often, for services."""
        user_id, limit, ratio, least = (
            _service_alone(),
            page_size(request.page_size),
            request.maximum_ratio,
            request.minimum_classified_count,
        )
        if not 0 < ratio <= 1:
            raise invalid("maximum_ratio", "must be above 0 and at most 1")
        if least < 1:
            raise invalid("minimum_classified_count", "must be at least 1")
        filters, after = f"low {ratio!r} {least}", None
        if request.page_token:
            after = UUID(self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)[0])
        found, more = await self._service.list_low_acceptance(ratio=ratio, least=least, limit=limit, after=after)
        response = pb.ListLowAcceptanceResponse(
            users=[pb.UserAcceptance(user_id=str(one.user_id), acceptance=_acceptance(one.figures)) for one in found]
        )
        if more:
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=(str(found[-1].user_id),))
        return response

    async def GetAcceptance(self, _request: pb.GetAcceptanceRequest, _: grpc.aio.ServicerContext) -> pb.GetAcceptanceResponse:
        """Of all users, for services."""
        _service_alone()
        return pb.GetAcceptanceResponse(acceptance=_acceptance(await self._service.get_acceptance()))

    async def SetUserModel(self, request: pb.SetUserModelRequest, _: grpc.aio.ServicerContext) -> pb.SetUserModelResponse:
        """For the user whom training works for. Users bring no models of their own: whoever runs weights must know who made them."""
        version = await self._service.set_user_model(
            _service_alone(),
            version=text_of("version", request.version, _MAX_VERSION_CHARS),
            artifact=request.artifact,
            content_hash=request.content_hash,
        )
        return pb.SetUserModelResponse(version=version)


def _service_alone() -> UUID:
    """For whom a service asks. Raises PermissionDenied for people, administrators included."""
    caller = context.identity()
    if caller.role != "service":
        raise PermissionDenied("This call is for services in the background.", reason="ROLE_NOT_ALLOWED")
    return caller.user_id


def _correction(anchor: Anchor) -> pb.CorrectedPayment:
    day = anchor.transaction_date
    return pb.CorrectedPayment(
        input=ClassifyInput(
            description=anchor.description,
            merchant=anchor.merchant,
            amount=to_money(Decimal(anchor.amount), _NO_CURRENCY),
            transaction_date=to_date_proto(day) if day is not None else None,
            transaction_id=_transaction_id(anchor.subject),
        ),
        category=anchor.category,
        merchant_key=anchor.merchant_key,
        correct_time=to_timestamp(anchor.said_at),
    )


def _transaction_id(subject: str) -> str:
    """Empty for a payment that is in no ledger."""
    try:
        return str(UUID(subject)) if len(subject) == 36 else ""
    except ValueError:
        return ""


def _acceptance(figures: AcceptanceFigures) -> pb.Acceptance:
    return pb.Acceptance(
        classified_count=figures.classified,
        corrected_count=figures.corrected,
        accepted_ratio=accepted_ratio(figures.classified, figures.corrected),
    )
