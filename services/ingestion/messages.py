"""Between ingestion's nouns and the contract's messages."""

from __future__ import annotations

from google.protobuf import json_format, struct_pb2

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.ingestion.domain import CsvProfile, Failure, Import, ImportRow, ImportStage, ImportState, Progress, RowOutcome
from services.kit.dates import to_timestamp
from services.kit.errors import invalid

_STATES = {
    ImportState.PENDING: pb.IMPORT_STATE_PENDING,
    ImportState.RUNNING: pb.IMPORT_STATE_RUNNING,
    ImportState.SUCCEEDED: pb.IMPORT_STATE_SUCCEEDED,
    ImportState.FAILED: pb.IMPORT_STATE_FAILED,
    ImportState.UNDONE: pb.IMPORT_STATE_UNDONE,
}
_OUTCOMES = {
    RowOutcome.INSERTED: pb.ROW_OUTCOME_INSERTED,
    RowOutcome.DUPLICATE: pb.ROW_OUTCOME_DUPLICATE,
    RowOutcome.SUSPECTED_DUPLICATE: pb.ROW_OUTCOME_SUSPECTED_DUPLICATE,
    RowOutcome.ZERO_AMOUNT: pb.ROW_OUTCOME_ZERO_AMOUNT,
    RowOutcome.REJECTED: pb.ROW_OUTCOME_REJECTED,
}
_OUTCOME_OF = {number: outcome for outcome, number in _OUTCOMES.items()}
_STAGES = {
    ImportStage.WAITING: pb.IMPORT_STAGE_WAITING,
    ImportStage.READING: pb.IMPORT_STAGE_READING,
    ImportStage.STORING: pb.IMPORT_STAGE_STORING,
}
_ABANDONED = Failure(
    "The import was interrupted. Send the file again with the same Idempotency-Key: no row is doubled.", "INTERRUPTED", True
)


def outcome_of(number: pb.RowOutcome) -> RowOutcome | None:
    """None for any. Raises InvalidArgument for a number without a meaning."""
    if number == pb.ROW_OUTCOME_UNSPECIFIED:
        return None
    outcome = _OUTCOME_OF.get(number)
    if outcome is None:
        raise invalid("outcome", f"{number} is not one that there is")
    return outcome


def import_message(found: Import) -> pb.Import:
    """One import."""
    # One whose process died is not running any more, whatever its record says.
    state = ImportState.FAILED if found.abandoned else found.state
    failure = _ABANDONED if found.abandoned else found.failure
    counts = found.counts
    return pb.Import(
        import_id=str(found.id),
        account_id=str(found.account_id or ""),
        state=_STATES[state],
        file_name=found.file_name,
        file_format=found.file_format,
        file_hash=found.file_hash,
        row_count=counts.rows,
        inserted_count=counts.inserted,
        duplicate_count=counts.duplicates,
        suspected_duplicate_count=counts.suspected_duplicates,
        zero_amount_count=counts.zero_amount,
        rejected_count=counts.rejected,
        detected=json_format.ParseDict(dict(found.detected), struct_pb2.Struct()),
        same_file_as=str(found.same_file_as or ""),
        failure_reason=failure.message if failure else "",
        create_time=to_timestamp(found.created_at),
        complete_time=to_timestamp(found.completed_at) if found.completed_at else None,
        progress=_progress(found.progress) if found.progress is not None and not found.abandoned else None,
        failure=_failure(failure),
    )


def _progress(progress: Progress) -> pb.ImportProgress:
    return pb.ImportProgress(stage=_STAGES[progress.stage], row_count=progress.row_count, fraction=progress.fraction)


def _failure(failure: Failure | None) -> pb.ImportFailure | None:
    if failure is None:
        return None
    return pb.ImportFailure(
        reason=failure.reason,
        retryable=failure.retryable,
        problems=[pb.ImportProblem(line=found.line or 0, field=found.field, reason=found.reason) for found in failure.fields],
        metadata=dict(failure.metadata),
    )


def profile_message(found: CsvProfile) -> pb.CsvProfile:
    """What was once said of a header."""
    return pb.CsvProfile(
        header_hash=found.layout.header_hash,
        header=found.layout.header,
        columns=found.layout.columns,
        date_format=found.layout.date_format or "",
        import_id=str(found.import_id),
        update_time=to_timestamp(found.updated_at),
    )


def row_message(row: ImportRow) -> pb.ImportRow:
    """What became of one row."""
    reason = f"{row.field}: {row.reason}" if row.field and row.reason else row.reason
    return pb.ImportRow(
        line=row.line,
        outcome=_OUTCOMES[row.outcome],
        reason=reason,
        transaction_id=str(row.transaction_id or ""),
        duplicate_of=str(row.duplicate_of or ""),
    )
