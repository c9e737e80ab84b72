"""Saved filters on the wire: checks the shape of requests, calls the service, puts answers into messages."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

import grpc.aio

from scale.accounts.v1 import saved_filters_service_pb2 as pb
from scale.accounts.v1.saved_filters_service_pb2_grpc import SavedFiltersServiceServicer
from services.accounts.fields import masked_paths, text_field, uuid_field
from services.accounts.saved_filters.domain import NewSavedFilter, SavedFilter, SavedFilterChanges
from services.accounts.saved_filters.service import SavedFiltersService
from services.kit.context import identity
from services.kit.dates import to_timestamp

Context: TypeAlias = grpc.aio.ServicerContext


class SavedFiltersServicer(SavedFiltersServiceServicer):
    """`scale.accounts.v1.SavedFiltersService`. Whose filters are meant is said by the verified token alone."""

    def __init__(self, service: SavedFiltersService) -> None:
        self._service = service

    async def CreateSavedFilter(self, request: pb.CreateSavedFilterRequest, context: Context) -> pb.CreateSavedFilterResponse:
        """Keeps one."""
        new = NewSavedFilter(name=_name(request.name, "name"), filter=request.filter)
        request_id = text_field(request.request_id, "request_id", at_most=36, required=True)
        return pb.CreateSavedFilterResponse(saved_filter=_to_message(await self._service.create_saved_filter(_caller(), new, request_id)))

    async def GetSavedFilter(self, request: pb.GetSavedFilterRequest, context: Context) -> pb.GetSavedFilterResponse:
        """One."""
        found = await self._service.get_saved_filter(_caller(), uuid_field(request.saved_filter_id, "saved_filter_id"))
        return pb.GetSavedFilterResponse(saved_filter=_to_message(found))

    async def ListSavedFilters(self, request: pb.ListSavedFiltersRequest, context: Context) -> pb.ListSavedFiltersResponse:
        """One page of the caller's, by name."""
        found, token = await self._service.list_saved_filters(_caller(), requested_size=request.page_size, token=request.page_token)
        return pb.ListSavedFiltersResponse(saved_filters=map(_to_message, found), next_page_token=token)

    async def UpdateSavedFilter(self, request: pb.UpdateSavedFilterRequest, context: Context) -> pb.UpdateSavedFilterResponse:
        """Name and filter of one."""
        given = request.saved_filter
        paths = masked_paths(request.update_mask, given, ("name", "filter"))
        changes = SavedFilterChanges(
            name=_name(given.name, "saved_filter.name") if "name" in paths else None,
            filter=given.filter if "filter" in paths else None,
        )
        saved_filter_id = uuid_field(given.saved_filter_id, "saved_filter.saved_filter_id")
        changed = await self._service.update_saved_filter(_caller(), saved_filter_id, changes)
        return pb.UpdateSavedFilterResponse(saved_filter=_to_message(changed))

    async def DeleteSavedFilter(self, request: pb.DeleteSavedFilterRequest, context: Context) -> pb.DeleteSavedFilterResponse:
        """Takes one away."""
        await self._service.delete_saved_filter(_caller(), uuid_field(request.saved_filter_id, "saved_filter_id"))
        return pb.DeleteSavedFilterResponse()


def _caller() -> UUID:
    return identity().user_id


def _name(value: str, field: str) -> str:
    return text_field(value, field, at_most=100, required=True).strip()


def _to_message(saved: SavedFilter) -> pb.SavedFilter:
    return pb.SavedFilter(
        saved_filter_id=str(saved.id),
        name=saved.name,
        filter=saved.filter,
        create_time=to_timestamp(saved.created_at),
        update_time=to_timestamp(saved.updated_at),
    )
