"""Civil days and instants between Python and the wire."""

from __future__ import annotations

import datetime

from google.protobuf import timestamp_pb2
from google.type import date_pb2

from services.kit.errors import invalid


def to_date_proto(day: datetime.date) -> date_pb2.Date:
    """The wire form of a civil day."""
    return date_pb2.Date(year=day.year, month=day.month, day=day.day)


def from_date_proto(message: date_pb2.Date, field: str = "date") -> datetime.date | None:
    """The civil day; None when nothing is set. Raises InvalidArgument for a partial or impossible one."""
    if not (message.year or message.month or message.day):
        return None
    try:
        return datetime.date(message.year, message.month, message.day)
    except ValueError as error:
        raise invalid(field, f"{message.year}-{message.month}-{message.day} is not a whole day: {error}") from None


def to_timestamp(moment: datetime.datetime) -> timestamp_pb2.Timestamp:
    """The wire form of an instant. A value without a time zone is taken as UTC."""
    result = timestamp_pb2.Timestamp()
    result.FromDatetime(moment)
    return result
