"""Categories of transactions on the wire: methods of `scale.accounts.v1.AccountsService`."""

from __future__ import annotations

import grpc.aio

from scale.accounts.v1 import accounts_service_pb2 as pb
from services.accounts.categorizing.domain import WorkedOutCategory
from services.accounts.categorizing.service import CategorizingService
from services.accounts.domain import UNCATEGORIZED
from services.accounts.fields import text_field, uuid_field
from services.accounts.messages import CATEGORY_SOURCES, from_enum, to_category_source, to_transaction
from services.kit.context import identity
from services.kit.errors import invalid

_MAX_SLUG = 100


class CategorizingMethods:
    """What AccountsServicer answers about categories of transactions."""

    _categorizing: CategorizingService

    async def SetCategory(self, request: pb.SetCategoryRequest, context: grpc.aio.ServicerContext) -> pb.SetCategoryResponse:
        """The user's own word on one transaction."""
        category = text_field(request.category, "category", at_most=_MAX_SLUG, required=True)
        changed = await self._categorizing.set_category(
            identity().user_id,
            uuid_field(request.transaction_id, "transaction_id"),
            None if category == UNCATEGORIZED else category,
        )
        return pb.SetCategoryResponse(
            transaction=to_transaction(changed.transaction),
            previous_category=changed.previous_category or "",
            previous_source=to_category_source(changed.previous_source),
        )

    async def SetCategories(self, request: pb.SetCategoriesRequest, context: grpc.aio.ServicerContext) -> pb.SetCategoriesResponse:
        """Categories that were worked out."""
        categories = [_worked_out(one, f"categories[{place}]") for place, one in enumerate(request.categories)]
        done = await self._categorizing.set_categories(identity().user_id, categories)
        return pb.SetCategoriesResponse(changed_count=done.changed_count, kept_count=done.kept_count)

    async def BatchGetUserCategories(
        self, request: pb.BatchGetUserCategoriesRequest, context: grpc.aio.ServicerContext
    ) -> pb.BatchGetUserCategoriesResponse:
        """What the caller has said by hand."""
        ids = [uuid_field(one, f"transaction_ids[{place}]") for place, one in enumerate(request.transaction_ids)]
        found = await self._categorizing.user_categories(identity().user_id, ids)
        return pb.BatchGetUserCategoriesResponse(
            user_categories=[pb.UserCategory(transaction_id=str(one), category=category or "") for one, category in found.items()]
        )


def _worked_out(one: pb.WorkedOutCategory, field: str) -> WorkedOutCategory:
    source = from_enum(one.source, CATEGORY_SOURCES, f"{field}.source")
    if source is None:
        raise invalid(f"{field}.source", "is required")
    category = text_field(one.category, f"{field}.category", at_most=_MAX_SLUG)
    return WorkedOutCategory(
        transaction_id=uuid_field(one.transaction_id, f"{field}.transaction_id"),
        category=None if category in ("", UNCATEGORIZED) else category,
        confidence=one.confidence if one.HasField("confidence") else None,
        source=source,
    )
