"""Between the JSON of imports and the messages of `scale.ingestion.v1`."""

from __future__ import annotations

from typing import Any

import orjson
from sse_starlette import ServerSentEvent

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.gateway.errors import field_json, needs_of, rest_name
from services.gateway.schemas.ingestion import ImportForm
from services.gateway.wire import struct_value, timestamp_text
from services.kit.errors import FieldError

_STATES = {number: name.removeprefix("IMPORT_STATE_").lower() for name, number in pb.ImportState.items()}
_STAGES = {number: name.removeprefix("IMPORT_STAGE_").lower() for name, number in pb.ImportStage.items()}
_OUTCOMES = {number: name.removeprefix("ROW_OUTCOME_").lower() for name, number in pb.RowOutcome.items()}
UNFINISHED = frozenset({pb.IMPORT_STATE_PENDING, pb.IMPORT_STATE_RUNNING})


def import_json(found: pb.Import) -> dict[str, Any]:
    """One import."""
    return {
        "id": found.import_id,
        "state": _STATES[found.state],
        "file_name": found.file_name,
        "file_format": found.file_format,
        "file_hash": found.file_hash,
        "account_id": found.account_id or None,
        "counts": {
            "rows": found.row_count,
            "inserted": found.inserted_count,
            "duplicates": found.duplicate_count,
            "suspected_duplicates": found.suspected_duplicate_count,
            "zero_amount": found.zero_amount_count,
            "rejected": found.rejected_count,
        },
        "progress": _progress_json(found.progress) if found.HasField("progress") else None,
        "detected": struct_value(found.detected),
        "same_file_as": found.same_file_as or None,
        "failure_reason": found.failure_reason or None,
        "failure": _failure_json(found.failure) if found.HasField("failure") else None,
        "created_at": timestamp_text(found.create_time),
        "completed_at": timestamp_text(found.complete_time) if found.HasField("complete_time") else None,
    }


def _progress_json(found: pb.ImportProgress) -> dict[str, Any]:
    return {
        "stage": _STAGES[found.stage],
        "rows": found.row_count,
        "fraction": found.fraction if found.HasField("fraction") else None,
    }


def _failure_json(found: pb.ImportFailure) -> dict[str, Any]:
    errors = [field_json(FieldError(rest_name(one.field), one.reason, one.line or None)) for one in found.problems]
    return {"reason": found.reason, "retryable": found.retryable, "errors": errors, **needs_of(found.metadata)}


def import_event(step: pb.WatchImportResponse) -> ServerSentEvent:
    """One step of an import, for a stream."""
    found = step.statement_import
    name = "progress" if found.state in UNFINISHED else "finished"
    # An empty id would take back the one that the client remembers.
    return ServerSentEvent(orjson.dumps(import_json(found)).decode(), event=name, id=step.event_id or None)


def row_json(row: pb.ImportRow) -> dict[str, Any]:
    """What became of one row."""
    return {
        "line": row.line,
        "outcome": _OUTCOMES[row.outcome],
        "reason": row.reason or None,
        "transaction_id": row.transaction_id or None,
        "duplicate_of": row.duplicate_of or None,
    }


def undone_json(answer: pb.UndoImportResponse) -> dict[str, Any]:
    """What became of an import that was taken back."""
    return {
        "import": import_json(answer.statement_import),
        "removed": answer.removed_count,
        "kept": answer.kept_count,
        "kept_rows": [{"transaction_id": one.transaction_id, "reason": one.reason} for one in answer.kept_rows],
    }


def csv_profile_json(profile: pb.CsvProfile) -> dict[str, Any]:
    """What is remembered for one header."""
    return {
        "header_hash": profile.header_hash,
        "header": list(profile.header),
        "columns": dict(profile.columns),
        "date_format": profile.date_format or None,
        "import_id": profile.import_id,
        "updated_at": timestamp_text(profile.update_time),
    }


def import_metadata(form: ImportForm, *, file_name: str, size_bytes: int, request_id: str) -> pb.ImportMetadata:
    """What the caller knows about the file."""
    return pb.ImportMetadata(
        request_id=request_id,
        account_id=str(form.account_id) if form.account_id else "",
        file_name=file_name,
        currency=form.currency,
        date_format=form.date_format,
        columns=form.columns,
        password=form.password,
        file_format=form.file_format,
        size_bytes=size_bytes,
    )


def outcome_number(name: str | None) -> Any:
    """The wire's number of an outcome; 0 for any."""
    return pb.RowOutcome.Value(f"ROW_OUTCOME_{name.upper()}") if name else pb.ROW_OUTCOME_UNSPECIFIED
