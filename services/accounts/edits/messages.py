"""Between edits and the contract's messages."""

from __future__ import annotations

from scale.accounts.v1 import edits_service_pb2 as pb
from services.accounts.edits.domain import Edit
from services.kit.dates import to_timestamp


def to_edit(edit: Edit) -> pb.Edit:
    """One edit."""
    return pb.Edit(
        edit_id=str(edit.id) if edit.id else "",
        filter=edit.filter,
        matched_count=edit.matched_count,
        changed_count=edit.changed_count,
        rule_id=str(edit.rule_id) if edit.rule_id else "",
        import_id=str(edit.import_id) if edit.import_id else "",
        create_time=to_timestamp(edit.created_at),
        expire_time=to_timestamp(edit.expires_at),
        undo_time=to_timestamp(edit.undone_at) if edit.undone_at else None,
    )
