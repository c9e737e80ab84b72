"""Between the JSON of categorization and the messages of `scale.categorization.v1`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.gateway.accounts_json import CONFIDENCE_DECIMALS, MAX_PAGE_SIZE
from services.gateway.schemas import categorization as schemas
from services.gateway.schemas.fields import PageQuery
from services.gateway.wire import timestamp_text
from services.kit.dates import to_date_proto
from services.kit.money import to_money

_SOURCES = {number: name.removeprefix("CLASSIFICATION_SOURCE_").lower() for name, number in pb.ClassificationSource.items()}
_KINDS = {number: name.removeprefix("CATEGORIZATION_JOB_KIND_").lower() for name, number in pb.CategorizationJobKind.items()}
_STATES = {number: name.removeprefix("CATEGORIZATION_JOB_STATE_").lower() for name, number in pb.CategorizationJobState.items()}
_SUGGESTION_STATES = {number: name.removeprefix("SUGGESTION_STATE_").lower() for name, number in pb.SuggestionState.items()}
_SUGGESTION_STATE_NUMBERS: dict[str, Any] = {name: number for number, name in _SUGGESTION_STATES.items()}


def classify_input(payment: schemas.Payment) -> pb.ClassifyInput:
    """A payment to classify."""
    return pb.ClassifyInput(
        description=payment.description,
        merchant=payment.merchant,
        amount=to_money(Decimal(payment.amount), payment.currency),
        transaction_date=to_date_proto(payment.date) if payment.date is not None else None,
        transaction_id=str(payment.transaction_id) if payment.transaction_id is not None else None,
    )


def classification_json(answer: pb.Classification) -> dict[str, Any]:
    """One answer."""
    return {
        "category": answer.category,
        "primary_category": answer.primary_category,
        "confidence": round(answer.confidence, CONFIDENCE_DECIMALS),
        "abstained": answer.abstained,
        "reasons": list(answer.reasons),
        "alternatives": [
            {"category": one.category, "primary_category": one.primary_category, "confidence": round(one.confidence, CONFIDENCE_DECIMALS)}
            for one in answer.alternatives
        ],
        "model_version": answer.model_version,
        "source": _SOURCES[answer.source],
        "degraded": answer.degraded,
    }


def correction_request(feedback: schemas.Feedback, request_id: str) -> pb.RecordCorrectionRequest:
    """The request to record the user's word."""
    request = pb.RecordCorrectionRequest(request_id=request_id, category=feedback.category)
    if feedback.transaction_id is not None:
        request.transaction_id = str(feedback.transaction_id)
    else:
        # Checked already, by the same fields.
        request.input.CopyFrom(classify_input(schemas.Payment.model_construct(**feedback.model_dump(exclude={"category"}))))
    return request


def correction_json(correction: pb.Correction) -> dict[str, Any]:
    """The user's word on a payment."""
    return {
        "id": correction.correction_id,
        "transaction_id": correction.transaction_id or None,
        "category": correction.category,
        "previous_category": correction.previous_category or None,
        "merchant": correction.merchant_key,
        "created_at": timestamp_text(correction.create_time),
    }


def job_json(job: pb.CategorizationJob) -> dict[str, Any]:
    """Work in the background."""
    return {
        "id": job.job_id,
        "kind": _KINDS[job.kind],
        "state": _STATES[job.state],
        "total": job.input_count if job.input_count or job.HasField("complete_time") else None,
        "done": job.done_count,
        "changed": job.changed_count,
        "failure_reason": job.error_message or None,
        "failure": {"reason": job.error_reason} if job.error_reason else None,
        "model_version": job.model_version or None,
        "created_at": timestamp_text(job.create_time),
        "completed_at": timestamp_text(job.complete_time) if job.HasField("complete_time") else None,
    }


def job_results_request(job_id: UUID, query: PageQuery) -> pb.ListJobResultsRequest:
    """The request for a page of a job's answers."""
    return pb.ListJobResultsRequest(job_id=str(job_id), page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)


def list_suggestions_request(query: schemas.SuggestionQuery) -> pb.ListSuggestionsRequest:
    """The request for a page of suggestions."""
    return pb.ListSuggestionsRequest(
        state=_SUGGESTION_STATE_NUMBERS[query.state], page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token
    )


def accept_suggestion_request(suggestion_id: UUID, acceptance: schemas.Acceptance) -> pb.AcceptSuggestionRequest:
    """The request to take a suggestion up."""
    return pb.AcceptSuggestionRequest(suggestion_id=str(suggestion_id), name=acceptance.name, primary_slug=acceptance.primary_category)


def suggestion_json(suggestion: pb.CategorySuggestion) -> dict[str, Any]:
    """A category that the user's payments suggest."""
    return {
        "id": suggestion.suggestion_id,
        "state": _SUGGESTION_STATES[suggestion.state],
        "name": suggestion.name,
        "primary_category": suggestion.primary_slug,
        "category": suggestion.category or None,
        "score": round(suggestion.score, CONFIDENCE_DECIMALS),
        "transactions": suggestion.transaction_count,
        "transaction_ids": list(suggestion.transaction_ids),
        "examples": list(suggestion.examples),
        "reason": suggestion.reason,
        "created_at": timestamp_text(suggestion.create_time),
    }


def model_json(model: pb.ModelInfo) -> dict[str, Any]:
    """What answers now."""
    return {
        "version": model.version,
        "degraded": model.degraded,
        "reason": model.reason or None,
        "categories": model.category_count,
        "minimum_confidence": round(model.minimum_confidence, CONFIDENCE_DECIMALS),
        "dimension": model.dimension,
        "loaded_at": timestamp_text(model.load_time) if model.HasField("load_time") else None,
        "artifacts": dict(model.artifact_hashes),
        "own_version": model.own_version or None,
    }
