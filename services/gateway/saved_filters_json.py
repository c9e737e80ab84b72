"""Between the JSON of saved filters and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from scale.accounts.v1 import saved_filters_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import saved_filters as schemas
from services.gateway.wire import timestamp_text


def create_saved_filter_request(new: schemas.NewSavedFilter, request_id: str) -> pb.CreateSavedFilterRequest:
    """The request to keep one."""
    return pb.CreateSavedFilterRequest(request_id=request_id, name=new.name, filter=new.filter)


def list_saved_filters_request(query: schemas.SavedFilterQuery) -> pb.ListSavedFiltersRequest:
    """The request for a page of them."""
    return pb.ListSavedFiltersRequest(page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)


def update_saved_filter_request(saved_filter_id: UUID, change: schemas.SavedFilterChange) -> pb.UpdateSavedFilterRequest:
    """The request to change one."""
    return pb.UpdateSavedFilterRequest(
        saved_filter=pb.SavedFilter(saved_filter_id=str(saved_filter_id), name=change.name, filter=change.filter),
        update_mask=FieldMask(paths=sorted(change.model_fields_set)),
    )


def saved_filter_json(saved: pb.SavedFilter) -> dict[str, Any]:
    """One saved filter."""
    return {
        "id": saved.saved_filter_id,
        "name": saved.name,
        "filter": saved.filter,
        "created_at": timestamp_text(saved.create_time),
        "updated_at": timestamp_text(saved.update_time),
    }
