"""Checks of fields that need nothing but the request."""

from __future__ import annotations

from uuid import UUID

from services.kit.errors import invalid


def text_of(field: str, value: str, most: int, *, required: bool = False) -> str:
    """A text as it came. Raises InvalidArgument where it is missing, longer than `most` characters, or holds NUL, which PostgreSQL cannot
    hold."""
    if required and not value.strip():
        raise invalid(field, "is required")
    if len(value) > most:
        raise invalid(field, f"has {len(value)} characters, at most {most} are allowed")
    if "\x00" in value:
        raise invalid(field, "must not hold the NUL character")
    return value


def uuid_of(field: str, value: str) -> UUID:
    """A UUID. Raises InvalidArgument."""
    try:
        return UUID(value)
    except ValueError:
        raise invalid(field, f"{value[:50]!r} is not a UUID") from None
