"""Errors to `google.rpc.Status` and back, and that they fit into trailers."""

from __future__ import annotations

import json

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from services.kit import errors
from services.kit.status import code_of, from_rpc_error, to_status

CLASSES = [
    (errors.InvalidArgument, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (errors.FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Aborted, grpc.StatusCode.ABORTED),
    (errors.ResourceExhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
]


def call_error(error: errors.ScaleError) -> grpc.aio.AioRpcError:
    """The error that a client sees."""
    status = rpc_status.to_status(to_status(error, "scale.probe"))
    return grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), grpc.aio.Metadata(*status.trailing_metadata), details=status.details)


def bare_error(code: grpc.StatusCode, details: str = "") -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


@pytest.mark.parametrize(("cls", "code"), CLASSES)
def test_there_and_back(cls: type[errors.ScaleError], code: grpc.StatusCode) -> None:
    error = cls(
        "ümlaut",
        reason="SOME_REASON",
        metadata={"limit": "5"},
        fields=[errors.FieldError("amount", "is odd", 7), errors.FieldError("lines[x].y", "is odd too")],
        retry_after_s=1.5,
    )
    assert code_of(error) is code
    seen = from_rpc_error(call_error(error), service="probe")
    assert type(seen) is cls
    assert (seen.message, seen.reason, seen.metadata, seen.retry_after_s) == ("ümlaut", "SOME_REASON", {"limit": "5"}, 1.5)
    assert seen.fields == error.fields


@pytest.mark.parametrize(("cls", "code"), CLASSES)
def test_default_reason_is_the_code(cls: type[errors.ScaleError], code: grpc.StatusCode) -> None:
    assert cls("x").reason == code.name
    assert str(cls("x")) == "x"


def test_subclasses_keep_their_code() -> None:
    class TooOdd(errors.InvalidArgument):
        default_reason = "TOO_ODD"

    assert code_of(TooOdd("x")) is grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(errors.ScaleError("x")) is grpc.StatusCode.INTERNAL
    assert from_rpc_error(call_error(TooOdd("x")), service="probe").reason == "TOO_ODD"


def test_error_info_names_the_domain() -> None:
    info = error_details_pb2.ErrorInfo()
    to_status(errors.NotFound("x"), "scale.probe").details[0].Unpack(info)
    assert (info.domain, info.reason) == ("scale.probe", "NOT_FOUND")


@pytest.mark.parametrize(
    ("code", "cls", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.Unavailable, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.CANCELLED, errors.Unavailable, "SERVICE_UNAVAILABLE"),  # the other side is stopping
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated, "UNAUTHENTICATED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ScaleError, "INTERNAL"),  # a message over gRPC's limit, not a quota
        (grpc.StatusCode.UNKNOWN, errors.ScaleError, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, errors.ScaleError, "INTERNAL"),
    ],
)
def test_errors_of_grpc_itself(code: grpc.StatusCode, cls: type[errors.ScaleError], reason: str) -> None:
    seen = from_rpc_error(bare_error(code, "from core"), service="probe")
    assert (type(seen), seen.reason) == (cls, reason)
    if cls is errors.Unavailable:
        assert seen.retry_after_s == 1
        assert seen.metadata == {"service": "probe"}


@given(
    message=st.text(max_size=5000),
    reasons=st.lists(st.text(max_size=400), max_size=300),
    values=st.lists(st.text(max_size=2000), max_size=20),
)
def test_status_fits_into_trailers(message: str, reasons: list[str], values: list[str]) -> None:
    """8 KiB, with the message percent-encoded beside the details in base64."""
    error = errors.InvalidArgument(
        message,
        fields=[errors.FieldError("field", reason, line) for line, reason in enumerate(reasons)],
        metadata={f"key{number}": value for number, value in enumerate(values)},
        retry_after_s=1,
    )
    status = to_status(error, "scale.probe")
    assert status.ByteSize() * 4 / 3 + 3 * len(status.message.encode()) < 8192
    seen = from_rpc_error(call_error(error), service="probe")
    assert len(seen.fields) == len(reasons) or len(seen.fields) >= 10
    if len(message.encode(errors="replace")) <= 600:
        assert seen.message.encode() == message.encode(errors="replace")


def test_a_list_of_choices_travels_whole() -> None:
    choices = json.dumps({"columns": [f"column {number}" for number in range(50)]})
    assert len(choices) > 600
    error = errors.InvalidArgument("which one?", metadata={"needs": choices, "file": "a" * 300})
    seen = from_rpc_error(call_error(error), service="probe")
    assert seen.metadata["needs"] == choices
    assert seen.metadata["file"].endswith("…")


def test_invalid_names_line_and_field() -> None:
    error = errors.invalid("amount", "is odd", line=3)
    assert (error.message, error.fields[0].line) == ("line 3: amount: is odd", 3)
    assert errors.invalid("amount", "is odd").message == "amount: is odd"
