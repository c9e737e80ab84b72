"""Checks of single request fields: their shape, not what they mean. Every failure is an InvalidArgument that names the field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID
from zoneinfo import available_timezones

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from services.kit.errors import invalid
from services.kit.money import is_currency

_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TIME_ZONE = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+)*")


def uuid_field(value: str, field: str) -> UUID:
    """A UUID."""
    if not value:
        raise invalid(field, "is required")
    try:
        return UUID(value)
    except ValueError:
        raise invalid(field, f"{value[:40]!r} is not a UUID") from None


def text_field(value: str, field: str, *, at_most: int, required: bool = False) -> str:
    """Text of at most `at_most` characters. Without the NUL character, which PostgreSQL cannot hold."""
    if required and not value.strip():
        raise invalid(field, "is required")
    if len(value) > at_most:
        raise invalid(field, f"has {len(value)} characters, at most {at_most} are allowed")
    if "\x00" in value:
        raise invalid(field, "must not hold the NUL character")
    return value


def currency_field(value: str, field: str, *, required: bool = False) -> str:
    """An ISO 4217 code, or nothing."""
    if not value and not required:
        return value
    if not is_currency(value):
        raise invalid(field, f"{value[:10]!r} is not an ISO 4217 code such as EUR")
    return value


def locale_field(value: str, field: str) -> str:
    """A BCP 47 tag."""
    if len(value) > 35 or not _LOCALE.fullmatch(value):
        raise invalid(field, f"{value[:40]!r} is not a BCP 47 tag such as en-GB")
    return value


def time_zone_field(value: str, field: str) -> str:
    """An IANA name; only its form where the machine has no time zone database."""
    known = available_timezones()
    if not _TIME_ZONE.fullmatch(value) or (known and value not in known):
        raise invalid(field, f"{value[:40]!r} is not an IANA time zone such as Europe/Berlin")
    return value


def masked_paths(mask: FieldMask | None, resource: Message, allowed: Sequence[str]) -> set[str]:
    """The paths to change: those of the mask, or without one those of `allowed` that are set in `resource`."""
    if mask is None or not mask.paths:
        # In proto3 a plain field is set when it differs from its zero.
        set_fields = {descriptor.name for descriptor, _ in resource.ListFields()}
        return set_fields & set(allowed)
    for path in mask.paths:
        if path not in allowed:
            raise invalid("update_mask", f"{path[:60]!r} cannot be changed; only {', '.join(allowed)} can")
    return set(mask.paths)
