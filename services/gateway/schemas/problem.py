"""The shape of every error."""

from __future__ import annotations

from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Output

NEEDS = "What a file cannot be read without: each option, with the values to choose from. Absent when no answer would help."
Needs = dict[str, list[str]]


class FieldProblem(Output):
    """One thing wrong in a request."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"line": 17, "field": "transaction_date", "reason": "'31/02/2026' is not a day"}]}
    )

    line: int | None = Field(None, description="1-based line, where a file is at fault.")
    field: str = Field(description="Which field, parameter, header or column.")
    reason: str = Field(description="Why it was refused.")


class Problem(Output):
    """An RFC 7807 problem."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:scale:problem:invalid-argument",
                    "title": "Invalid argument",
                    "status": 422,
                    "detail": "date_from: must be a day such as 2026-01-31",
                    "instance": "/api/v1/transactions",
                    "request_id": "019b76da-a800-7000-8000-000000000001",
                    "reason": "INVALID_ARGUMENT",
                    "errors": [{"field": "date_from", "reason": "must be a day such as 2026-01-31"}],
                }
            ]
        },
    )

    type: str = Field(description="URI of the kind of problem, one per `reason`.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status again.")
    detail: str = Field(description="What happened this time, and what to do.")
    instance: str = Field(description="The path that was asked for.")
    request_id: str = Field(description="Also in X-Request-ID; name it in a report.")
    reason: str = Field(description="Stable, in upper case: programs decide by it.")
    errors: list[FieldProblem] = Field(default=[], description="What is wrong where; absent when nothing can be pointed at.")
    transaction_id: UUID | None = Field(None, description="Of TRANSACTION_EXISTS: the transaction that is there.")
    job_id: UUID | None = Field(None, description="Of JOB_OPEN and TRAINING_JOB_OPEN: the job that is at it.")
    needs: Needs | None = Field(None, description=NEEDS)
