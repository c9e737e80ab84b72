"""Between a record of an import and its dataclass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.ingestion.domain import UNFINISHED, Counts, Failure, Import, ImportOptions, ImportStage, ImportState, Progress
from services.kit.errors import FieldError

COLUMNS = """
    id, user_id, request_id, request_hash, state, attempt, file_name, file_format, file_hash, account_id, row_count, inserted_count,
    duplicate_count, suspected_duplicate_count, zero_amount_count, rejected_count, detected, same_file_as, failure, created_at,
    completed_at, currency, options, object_key, begun, tries, progress,
    state IN ('pending', 'running') AND lease_expires_at < now() AND object_key = '' AS abandoned
"""


def json_of(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """As jsonb takes it, which knows no NUL."""
    return json.dumps(value, ensure_ascii=True, default=str).replace("\\u0000", "\\ufffd")


def options_of(options: ImportOptions) -> dict[str, Any]:
    """What has no column of its own. Never the password."""
    said = {
        "date_format": options.date_format,
        "columns": dict(options.columns) or None,
        "file_format": options.file_format,
    }
    return {name: value for name, value in said.items() if value}


def failure_of(failure: Failure) -> dict[str, Any]:
    """All of it, for `import_of` to read."""
    return {
        "message": failure.message,
        "reason": failure.reason,
        "retryable": failure.retryable,
        "metadata": dict(failure.metadata),
        "fields": [{"field": found.field, "reason": found.reason, "line": found.line} for found in failure.fields],
    }


def import_of(record: Mapping[str, Any]) -> Import:
    """The import of a record with COLUMNS."""
    failure = json.loads(record["failure"]) if record["failure"] else None
    if failure:
        fields = [FieldError(found["field"], found["reason"], found["line"]) for found in failure["fields"]]
        failure = Failure(failure["message"], failure["reason"], failure["retryable"], failure["metadata"], fields)
    return Import(
        id=record["id"],
        user_id=record["user_id"],
        request_id=record["request_id"],
        request_hash=record["request_hash"],
        state=ImportState(record["state"]),
        attempt=record["attempt"],
        abandoned=record["abandoned"] or False,
        file_name=record["file_name"],
        file_format=record["file_format"],
        file_hash=record["file_hash"],
        account_id=record["account_id"],
        counts=Counts(
            rows=record["row_count"],
            inserted=record["inserted_count"],
            duplicates=record["duplicate_count"],
            suspected_duplicates=record["suspected_duplicate_count"],
            zero_amount=record["zero_amount_count"],
            rejected=record["rejected_count"],
        ),
        detected=json.loads(record["detected"]),
        same_file_as=record["same_file_as"],
        failure=failure,
        created_at=record["created_at"],
        completed_at=record["completed_at"],
        options=_options(record),
        progress=_progress(ImportState(record["state"]), json.loads(record["progress"])),
        object_key=record["object_key"],
        begun=record["begun"],
        tries=record["tries"],
    )


def progress_of(progress: Progress) -> dict[str, Any]:
    """All of it, for `import_of` to read."""
    return {"stage": progress.stage.value, "row_count": progress.row_count, "fraction": progress.fraction}


def _progress(state: ImportState, said: Mapping[str, Any]) -> Progress | None:
    if state not in UNFINISHED:
        return None
    if state is ImportState.PENDING:
        return Progress(ImportStage.WAITING)
    return Progress(ImportStage(said["stage"]), said["row_count"], said["fraction"]) if said else Progress(ImportStage.READING)


def _options(record: Mapping[str, Any]) -> ImportOptions:
    said = json.loads(record["options"])
    return ImportOptions(
        # Until the import is done, the record's account is the one that the caller named.
        account_id=record["account_id"] if record["completed_at"] is None else None,
        currency=record["currency"],
        date_format=said.get("date_format"),
        columns=said.get("columns", {}),
        file_format=said.get("file_format"),
    )
