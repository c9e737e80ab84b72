"""What is asked, from the wire."""

from __future__ import annotations

from decimal import Decimal

import pytest
from google.type.money_pb2 import Money

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.forecasting.domain import Granularity, Measure
from services.forecasting.messages import question_of
from services.kit.errors import InvalidArgument


def test_what_is_not_said_has_its_default() -> None:
    asked = question_of(pb.CreateForecastRequest(request_id="one"))
    assert (asked.series.measure, asked.horizon, asked.granularity, asked.threshold) == (Measure.SPENT, 30, Granularity.DAY, None)


@pytest.mark.parametrize("currency", ["", "JPY"])
def test_a_threshold_may_leave_its_currency_to_the_series(currency: str) -> None:
    asked = question_of(pb.CreateForecastRequest(threshold=Money(currency_code=currency, units=-5, nanos=-500_000_000)))
    assert (asked.threshold, asked.threshold_currency) == (Decimal("-5.5"), currency)


@pytest.mark.parametrize(
    "threshold", [Money(currency_code="EURO", units=1), Money(units=1, nanos=-1), Money(nanos=1)], ids=["currency", "signs", "decimals"]
)
def test_a_threshold_that_is_none_is_named(threshold: Money) -> None:
    with pytest.raises(InvalidArgument) as refused:
        question_of(pb.CreateForecastRequest(threshold=threshold))
    assert refused.value.fields[0].field.startswith("threshold.")
