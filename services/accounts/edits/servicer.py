"""Edits on the wire."""

from __future__ import annotations

from typing import TypeAlias

import grpc.aio

from scale.accounts.v1 import edits_service_pb2 as pb
from scale.accounts.v1.edits_service_pb2_grpc import EditsServiceServicer
from services.accounts.edits.domain import EditChanges
from services.accounts.edits.messages import to_edit
from services.accounts.edits.service import EditsService
from services.accounts.fields import text_field, uuid_field
from services.accounts.messages import TRANSACTION_STATUSES, from_enum
from services.kit.context import identity

Context: TypeAlias = grpc.aio.ServicerContext


class EditsServicer(EditsServiceServicer):
    """`scale.accounts.v1.EditsService`. Whose rows are meant is said by the verified token alone."""

    def __init__(self, service: EditsService) -> None:
        self._service = service

    async def EditTransactions(self, request: pb.EditTransactionsRequest, context: Context) -> pb.EditTransactionsResponse:
        """Changes all transactions that a filter finds."""
        changes = EditChanges(
            category=text_field(request.category, "category", at_most=100) if request.HasField("category") else None,
            note=text_field(request.note, "note", at_most=2000) if request.HasField("note") else None,
            status=from_enum(request.status, TRANSACTION_STATUSES, "status"),
        )
        edit = await self._service.edit_transactions(
            identity().user_id,
            text_field(request.filter, "filter", at_most=4000, required=True),
            changes,
            text_field(request.request_id, "request_id", at_most=36, required=True),
            dry_run=request.dry_run,
        )
        return pb.EditTransactionsResponse(edit=to_edit(edit))

    async def GetEdit(self, request: pb.GetEditRequest, context: Context) -> pb.GetEditResponse:
        """One edit."""
        found = await self._service.get_edit(identity().user_id, uuid_field(request.edit_id, "edit_id"))
        return pb.GetEditResponse(edit=to_edit(found))

    async def ListEdits(self, request: pb.ListEditsRequest, context: Context) -> pb.ListEditsResponse:
        """One page of the caller's edits, the newest first."""
        edits, token = await self._service.list_edits(identity().user_id, requested_size=request.page_size, token=request.page_token)
        return pb.ListEditsResponse(edits=map(to_edit, edits), next_page_token=token)

    async def UndoEdit(self, request: pb.UndoEditRequest, context: Context) -> pb.UndoEditResponse:
        """Takes an edit back."""
        edit, undone = await self._service.undo_edit(identity().user_id, uuid_field(request.edit_id, "edit_id"))
        return pb.UndoEditResponse(edit=to_edit(edit), restored_count=undone.restored_count, kept_count=undone.kept_count)
