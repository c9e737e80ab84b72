"""Civil days and instants."""

from __future__ import annotations

import datetime

import pytest
from google.type import date_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.kit.dates import from_date_proto, to_date_proto, to_timestamp
from services.kit.errors import InvalidArgument


@given(st.dates())
def test_day_round_trip(day: datetime.date) -> None:
    assert from_date_proto(to_date_proto(day)) == day


def test_unset_day_is_none() -> None:
    assert from_date_proto(date_pb2.Date()) is None


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2026, 0, 0), (2026, 1, 0), (0, 1, 1), (2026, 2, 30), (2026, 13, 1), (-1, 1, 1), (10_000, 1, 1)]
)
def test_partial_and_impossible_days(year: int, month: int, day: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_date_proto(date_pb2.Date(year=year, month=month, day=day), "date_from")
    assert caught.value.fields[0].field == "date_from"


def test_instants_are_utc() -> None:
    moment = datetime.datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=datetime.UTC)
    zoned = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    assert to_timestamp(moment) == to_timestamp(zoned) == to_timestamp(moment.replace(tzinfo=None))
    assert to_timestamp(moment).nanos == 123_456_000
