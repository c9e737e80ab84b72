"""Between categorization's nouns and the contract's messages, and the checks that need nothing but the request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.domain import MOST_INPUTS, Classification, Correction, ModelInfo, Payment, Source
from services.categorization.jobs.domain import Job, JobKind, JobState
from services.kit.dates import from_date_proto, to_timestamp
from services.kit.errors import InvalidArgument, invalid
from services.kit.fields import text_of, uuid_of
from services.kit.money import from_money

MAX_REQUEST_ID_CHARS = 36
_MAX_DESCRIPTION_CHARS = 10_000
_MAX_MERCHANT_CHARS = 500

_SOURCES: dict[Source, Any] = {one: pb.ClassificationSource.Value(f"CLASSIFICATION_SOURCE_{one.name}") for one in Source}
_KINDS: dict[JobKind, Any] = {one: pb.CategorizationJobKind.Value(f"CATEGORIZATION_JOB_KIND_{one.name}") for one in JobKind}
_STATES: dict[JobState, Any] = {one: pb.CategorizationJobState.Value(f"CATEGORIZATION_JOB_STATE_{one.name}") for one in JobState}


def payments_of(inputs: Sequence[pb.ClassifyInput], *, most: int = MOST_INPUTS, first: int = 0) -> list[Payment]:
    """Payments to classify. Raises InvalidArgument, which names the first that is wrong by its number; these begin at `first`."""
    if not 1 <= len(inputs) <= most:
        raise invalid("inputs", f"has {len(inputs)} entries, 1 to {most} are allowed")
    return [payment_of(message, f"inputs[{number}]") for number, message in enumerate(inputs, first)]


def payment_of(message: pb.ClassifyInput, place: str = "input") -> Payment:
    """One payment. Raises InvalidArgument with the field below `place`."""
    description = text_of(f"{place}.description", message.description, _MAX_DESCRIPTION_CHARS)
    merchant = text_of(f"{place}.merchant", message.merchant, _MAX_MERCHANT_CHARS)
    if not description.strip() and not merchant.strip():
        raise invalid(f"{place}.description", "is required where there is no merchant")
    if not message.HasField("amount"):
        raise invalid(f"{place}.amount", "is required")
    try:
        amount, currency = from_money(message.amount)
    except InvalidArgument as error:
        (wrong,) = error.fields
        raise invalid(f"{place}.{'amount.' if wrong.field == 'currency_code' else ''}{wrong.field}", wrong.reason) from error
    day = from_date_proto(message.transaction_date, f"{place}.transaction_date")
    transaction_id = uuid_of(f"{place}.transaction_id", message.transaction_id) if message.transaction_id else None
    return Payment(description, merchant, amount, currency, day, transaction_id)


def classification_message(answer: Classification) -> pb.Classification:
    """An answer."""
    return pb.Classification(
        category=answer.category,
        primary_category=answer.primary_category,
        confidence=answer.confidence,
        abstained=answer.abstained,
        reasons=answer.reasons,
        alternatives=[
            pb.Alternative(category=one.category, primary_category=one.primary_category, confidence=one.confidence)
            for one in answer.alternatives
        ],
        model_version=answer.model_version,
        source=_SOURCES[answer.source],
        degraded=answer.degraded,
    )


def correction_message(correction: Correction) -> pb.Correction:
    """A correction that was stored."""
    transaction_id = correction.payment.transaction_id
    return pb.Correction(
        correction_id=str(correction.id),
        transaction_id=str(transaction_id) if transaction_id is not None else "",
        category=correction.category,
        previous_category=correction.previous_category,
        merchant_key=correction.merchant_key,
        create_time=to_timestamp(correction.created_at) if correction.created_at is not None else None,
    )


def job_message(job: Job) -> pb.CategorizationJob:
    """A job as it stands."""
    return pb.CategorizationJob(
        job_id=str(job.id),
        kind=_KINDS[job.kind],
        state=_STATES[job.state],
        input_count=job.input_count,
        done_count=job.done_count,
        changed_count=job.changed_count,
        error_message=job.error_message,
        error_reason=job.error_reason,
        model_version=job.model_version,
        create_time=to_timestamp(job.created_at),
        complete_time=to_timestamp(job.completed_at) if job.completed_at is not None else None,
    )


def model_message(info: ModelInfo) -> pb.ModelInfo:
    """What answers now."""
    return pb.ModelInfo(
        version=info.version,
        degraded=info.degraded,
        reason=info.reason,
        category_count=info.category_count,
        minimum_confidence=info.minimum_confidence,
        dimension=info.dimension,
        load_time=to_timestamp(info.loaded_at),
        artifact_hashes=dict(info.hashes),
        own_version=info.own_version,
    )
