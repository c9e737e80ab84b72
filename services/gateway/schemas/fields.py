"""Kinds of value that several schemas share."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from services.kit.errors import InvalidArgument
from services.kit.money import parse_amount

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)
# Not \d, which stands for the digits of every script.
AMOUNT_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,4})?$"


def _day(value: Any) -> datetime.date:
    # pydantic would also take "86400" for a day in 1970.
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("must be a day such as 2026-01-31")


def _month(value: Any) -> datetime.date:
    if isinstance(value, str) and _MONTH.fullmatch(value):
        value = f"{value}-01"
    try:
        return _day(value)
    except ValueError:
        raise ValueError("must be a month such as 2026-01, or a day of it") from None


def _amount(value: str) -> str:
    try:
        parse_amount(value)
    except InvalidArgument as error:
        raise ValueError(error.fields[0].reason) from None
    return value


def _uuid(value: Any) -> UUID:
    # uuid.UUID would also take braces, urn: and 32 digits without hyphens.
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and len(value) == 36 and value.isascii():
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValueError("must be a UUID such as 019b76da-a800-7000-8000-000000000001")


Day = Annotated[datetime.date, BeforeValidator(_day)]
"""A civil day, YYYY-MM-DD and nothing else."""
Month = Annotated[datetime.date, BeforeValidator(_month), WithJsonSchema({"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"})]
"""A month, YYYY-MM or any day of it."""
Amount = Annotated[str, StringConstraints(pattern=AMOUNT_PATTERN), AfterValidator(_amount)]
"""A signed decimal with at most four decimals."""
Identifier = Annotated[UUID, BeforeValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
"""A UUID in its usual form."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Any text that PostgreSQL can hold: without NUL."""
ABSENT: Any = None
"""Default of a field that may be left out but not be null; `model_fields_set` tells whether it was there."""


class Input(BaseModel):
    """What a client sends: fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class ChangesSomething(Input):
    """A body whose fields are all optional, of which one must be there."""

    @model_validator(mode="after")
    def _names_a_field(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"must hold at least one of {', '.join(type(self).model_fields)}")
        return self


class Output(BaseModel):
    """What a client gets. Only described by these classes, never built with them: that would double the cost of a page."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Input):
    """Which page."""

    page_size: int = Field(50, ge=0, le=2_147_483_647, description="Items per page. 0 means 50; more than 1000 means 1000.", examples=[50])
    page_token: str | None = Field(
        None,
        max_length=4096,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="`next_page_token` of the page before, with the same filters.",
    )
