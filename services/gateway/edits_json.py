"""Between the JSON of edits and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from typing import Any

from scale.accounts.v1 import edits_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE, STATUS_NUMBERS
from services.gateway.schemas import edits as schemas
from services.gateway.wire import timestamp_text


def edit_request(edit: schemas.TransactionsEdit, request_id: str) -> pb.EditTransactionsRequest:
    """The request for an edit."""
    request = pb.EditTransactionsRequest(
        request_id=request_id, filter=edit.filter, status=STATUS_NUMBERS[edit.status], dry_run=edit.dry_run
    )
    # Null takes away: an empty text on the wire.
    if "category" in edit.model_fields_set:
        request.category = edit.category or ""
    if "note" in edit.model_fields_set:
        request.note = edit.note or ""
    return request


def list_edits_request(query: schemas.EditQuery) -> pb.ListEditsRequest:
    """The request for a page of edits."""
    return pb.ListEditsRequest(page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)


def edit_json(edit: pb.Edit) -> dict[str, Any]:
    """One edit."""
    return {
        "id": edit.edit_id or None,
        "undo_token": edit.edit_id or None,
        "filter": edit.filter,
        "matched": edit.matched_count,
        "changed": edit.changed_count,
        "rule_id": edit.rule_id or None,
        "import_id": edit.import_id or None,
        "created_at": timestamp_text(edit.create_time),
        "expires_at": timestamp_text(edit.expire_time),
        "undone_at": timestamp_text(edit.undo_time) if edit.HasField("undo_time") else None,
    }
