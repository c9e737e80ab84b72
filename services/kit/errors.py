"""The errors that a service may raise. One interceptor turns them into `google.rpc.Status`; nothing else does.

ScaleError
├── InvalidArgument      the request is wrong whatever the state
├── Unauthenticated      no valid token
├── PermissionDenied     a valid token that may not do this
├── NotFound             unknown, or somebody else's
├── AlreadyExists        a natural key is taken
├── FailedPrecondition   right request, wrong state
├── Aborted              lost a race; repeat the whole unit
├── ResourceExhausted    a quota is used up; later
├── Unavailable          something behind us is down; soon again
└── DeadlineExceeded     too slow
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

ERASED = ("ERASURE_IN_PROGRESS", "USER_ERASED")
"""Reasons of those whose user wants nothing of it any more: whatever was under way ends."""


@dataclass(frozen=True)
class FieldError:
    """One thing wrong in a request: which field, why, and for a file on which 1-based line."""

    field: str
    reason: str
    line: int | None = None


class ScaleError(Exception):
    """What went wrong, in words for the caller.

    `reason` is UPPER_SNAKE, at most 63 characters, stable: programs decide by it. `metadata` repeats the values that the message
    mentions. `retry_after_s` says when another try makes sense.
    """

    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        fields: Sequence[FieldError] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata = dict(metadata or {})
        self.fields = tuple(fields)
        self.retry_after_s = retry_after_s


class InvalidArgument(ScaleError):
    """The request is wrong whatever the state."""

    default_reason = "INVALID_ARGUMENT"


class Unauthenticated(ScaleError):
    """No valid token."""

    default_reason = "UNAUTHENTICATED"


class PermissionDenied(ScaleError):
    """A valid token that may not do this."""

    default_reason = "PERMISSION_DENIED"


class NotFound(ScaleError):
    """Unknown, or somebody else's: the caller cannot tell which."""

    default_reason = "NOT_FOUND"


class AlreadyExists(ScaleError):
    """A natural key is taken."""

    default_reason = "ALREADY_EXISTS"


class FailedPrecondition(ScaleError):
    """The request is right, the state is not."""

    default_reason = "FAILED_PRECONDITION"


class Aborted(ScaleError):
    """Lost a race; the caller repeats the whole unit."""

    default_reason = "ABORTED"


class ResourceExhausted(ScaleError):
    """A quota is used up."""

    default_reason = "RESOURCE_EXHAUSTED"


class Unavailable(ScaleError):
    """Something that we need is down."""

    default_reason = "UNAVAILABLE"


class DeadlineExceeded(ScaleError):
    """Too slow."""

    default_reason = "DEADLINE_EXCEEDED"


def invalid(field: str, reason: str, *, line: int | None = None) -> InvalidArgument:
    """An InvalidArgument about one field."""
    where = f"line {line}: {field}" if line is not None else field
    return InvalidArgument(f"{where}: {reason}", fields=[FieldError(field, reason, line)])
