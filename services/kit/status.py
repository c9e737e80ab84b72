"""Between ScaleError and `google.rpc.Status`: one table, both ways (AIP-193)."""

from __future__ import annotations

import re

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.kit import errors

_CODES: dict[type[errors.ScaleError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_CLASSES = {code: error for error, code in _CODES.items()}
_LINE = re.compile(r"^lines\[(\d+)\]\.(.*)$", re.DOTALL)
# gRPC drops a call whose trailers exceed 8 KiB (some at random, above 16 KiB all), and ours hold the message twice and the rest in base64.
_MAX_MESSAGE_BYTES = 600
_MAX_VALUE_BYTES = 200
_MAX_FIELDS_BYTES = 2500
# Of all metadata together, for the first of them up to the whole of it: a list of choices is long, and no JSON any more when it is cut.
_MAX_METADATA_BYTES = 900
_LEAST_METADATA_BYTES = 40


def code_of(error: errors.ScaleError) -> grpc.StatusCode:
    """The gRPC code of an error; INTERNAL for a bare ScaleError."""
    for cls in type(error).__mro__:
        if cls in _CODES:
            return _CODES[cls]
    return grpc.StatusCode.INTERNAL


def _pack(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _cut(text: str, size: int) -> str:
    """The longest start of `text` that is at most `size` bytes of UTF-8; with a mark where something is missing."""
    encoded = text.encode(errors="replace")
    return encoded.decode() if len(encoded) <= size else encoded[: size - 3].decode(errors="ignore") + "…"


def to_status(error: errors.ScaleError, domain: str) -> status_pb2.Status:
    """The rich status of an error. `domain` is `scale.<domain>`, from the method that raised it. Long texts are cut, and of many fields the
    first ones travel, so that the whole fits into trailers."""
    metadata: dict[str, str] = {}
    room = _MAX_METADATA_BYTES
    for key, value in list(error.metadata.items())[:5]:
        metadata[key] = _cut(value, room)
        room = max(_LEAST_METADATA_BYTES, room - len(metadata[key].encode()))
    details = [_pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=domain, metadata=metadata))]
    if error.fields:
        bad_request = error_details_pb2.BadRequest()
        size = 0
        for field in error.fields:
            path = field.field if field.line is None else f"lines[{field.line}].{field.field}"
            violation = error_details_pb2.BadRequest.FieldViolation(
                field=_cut(path, _MAX_VALUE_BYTES), description=_cut(field.reason, _MAX_VALUE_BYTES)
            )
            size += violation.ByteSize() + 4
            if size > _MAX_FIELDS_BYTES:
                break
            bad_request.field_violations.append(violation)
        details.append(_pack(bad_request))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(max(1, int(error.retry_after_s * 1000)))
        details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    code = getattr(code_pb2, code_of(error).name)
    return status_pb2.Status(code=code, message=_cut(error.message, _MAX_MESSAGE_BYTES), details=details)


def said_by_the_service(error: grpc.aio.AioRpcError) -> bool:
    """Whether our code on the other side has answered with this error, or gRPC alone."""
    try:
        return rpc_status.from_call(error) is not None
    except ValueError:
        return True


def from_rpc_error(error: grpc.aio.AioRpcError, *, service: str) -> errors.ScaleError:
    """The ScaleError that a failed call stands for. A code that we never send, or INTERNAL, becomes a bare ScaleError."""
    code = error.code()
    cls = _CLASSES.get(code, errors.ScaleError)
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        status = None
    if status is None:
        # Not from our code but from gRPC itself. CANCELLED by the other side: it is stopping.
        if cls is errors.Unavailable or code is grpc.StatusCode.CANCELLED:
            return errors.Unavailable(
                f"The {service} service is not reachable; try again shortly.",
                reason="SERVICE_UNAVAILABLE",
                metadata={"service": service},
                retry_after_s=1,
            )
        if cls is errors.DeadlineExceeded:
            return errors.DeadlineExceeded(f"The {service} service took too long.", metadata={"service": service})
        if cls is errors.Unauthenticated or cls is errors.PermissionDenied:
            return cls(error.details() or code.name)
        return errors.ScaleError(f"{code.name}: {error.details()}")
    reason: str | None = None
    metadata: dict[str, str] = {}
    fields: list[errors.FieldError] = []
    retry_after_s: float | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad_request = error_details_pb2.BadRequest()
            detail.Unpack(bad_request)
            for violation in bad_request.field_violations:
                match = _LINE.match(violation.field)
                line, name = (int(match[1]), match[2]) if match else (None, violation.field)
                fields.append(errors.FieldError(name, violation.description, line))
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after_s = retry.retry_delay.ToMilliseconds() / 1000
    return cls(status.message, reason=reason, metadata=metadata, fields=fields, retry_after_s=retry_after_s)
