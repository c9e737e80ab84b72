"""The Idempotency-Key header: the same key, the same result."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID, uuid5

import uuid_utils
from fastapi import Header, Request

from services.kit.errors import invalid

HEADER = "Idempotency-Key"
_SHAPE = re.compile(r"[\x21-\x7e]{1,255}")
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        json_schema_extra={"pattern": r"^[\x21-\x7e]{1,255}$"},
        description="Same key, same import: send the same one again after a lost answer. That holds after the import was undone, too: "
        "to import the file anew, take a new key. At most 255 visible ASCII characters.",
    ),
]
_NAMESPACE = UUID("5ca1e000-0000-5000-8000-000000000001")


def idempotency_key(request: Request) -> str:
    """The caller's key, or a new one when there is none. Raises InvalidArgument for one that cannot be kept."""
    key = request.headers.get(HEADER)
    if key is None:
        return str(uuid_utils.uuid7())
    if not _SHAPE.fullmatch(key):
        raise invalid(HEADER, "must have 1 to 255 visible ASCII characters")
    return key


def short_idempotency_key(request: Request) -> str:
    """The same for calls whose contract takes at most 36 characters: a name-based UUID of the key."""
    return str(uuid5(_NAMESPACE, idempotency_key(request)))
