import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from google.type import money_pb2 as _money_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Measure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEASURE_UNSPECIFIED: _ClassVar[Measure]
    MEASURE_SPENT: _ClassVar[Measure]
    MEASURE_RECEIVED: _ClassVar[Measure]
    MEASURE_NET: _ClassVar[Measure]
    MEASURE_BALANCE: _ClassVar[Measure]

class ForecastGranularity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORECAST_GRANULARITY_UNSPECIFIED: _ClassVar[ForecastGranularity]
    FORECAST_GRANULARITY_DAY: _ClassVar[ForecastGranularity]
    FORECAST_GRANULARITY_WEEK: _ClassVar[ForecastGranularity]
    FORECAST_GRANULARITY_MONTH: _ClassVar[ForecastGranularity]

class ForecastState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORECAST_STATE_UNSPECIFIED: _ClassVar[ForecastState]
    FORECAST_STATE_PENDING: _ClassVar[ForecastState]
    FORECAST_STATE_RUNNING: _ClassVar[ForecastState]
    FORECAST_STATE_SUCCEEDED: _ClassVar[ForecastState]
    FORECAST_STATE_FAILED: _ClassVar[ForecastState]

class ForecastSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORECAST_SOURCE_UNSPECIFIED: _ClassVar[ForecastSource]
    FORECAST_SOURCE_MODEL: _ClassVar[ForecastSource]
    FORECAST_SOURCE_BASELINE: _ClassVar[ForecastSource]
MEASURE_UNSPECIFIED: Measure
MEASURE_SPENT: Measure
MEASURE_RECEIVED: Measure
MEASURE_NET: Measure
MEASURE_BALANCE: Measure
FORECAST_GRANULARITY_UNSPECIFIED: ForecastGranularity
FORECAST_GRANULARITY_DAY: ForecastGranularity
FORECAST_GRANULARITY_WEEK: ForecastGranularity
FORECAST_GRANULARITY_MONTH: ForecastGranularity
FORECAST_STATE_UNSPECIFIED: ForecastState
FORECAST_STATE_PENDING: ForecastState
FORECAST_STATE_RUNNING: ForecastState
FORECAST_STATE_SUCCEEDED: ForecastState
FORECAST_STATE_FAILED: ForecastState
FORECAST_SOURCE_UNSPECIFIED: ForecastSource
FORECAST_SOURCE_MODEL: ForecastSource
FORECAST_SOURCE_BASELINE: ForecastSource

class CreateForecastRequest(_message.Message):
    __slots__ = ("request_id", "series", "horizon", "granularity", "labels", "threshold", "wait_s", "fresh")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    series: SeriesSpec
    horizon: int
    granularity: ForecastGranularity
    labels: _containers.ScalarMap[str, str]
    threshold: _money_pb2.Money
    wait_s: int
    fresh: bool
    def __init__(self, request_id: _Optional[str] = ..., series: _Optional[_Union[SeriesSpec, _Mapping]] = ..., horizon: _Optional[int] = ..., granularity: _Optional[_Union[ForecastGranularity, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., threshold: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., wait_s: _Optional[int] = ..., fresh: _Optional[bool] = ...) -> None: ...

class CreateForecastResponse(_message.Message):
    __slots__ = ("forecast",)
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    forecast: Forecast
    def __init__(self, forecast: _Optional[_Union[Forecast, _Mapping]] = ...) -> None: ...

class GetForecastRequest(_message.Message):
    __slots__ = ("forecast_id",)
    FORECAST_ID_FIELD_NUMBER: _ClassVar[int]
    forecast_id: str
    def __init__(self, forecast_id: _Optional[str] = ...) -> None: ...

class GetForecastResponse(_message.Message):
    __slots__ = ("forecast",)
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    forecast: Forecast
    def __init__(self, forecast: _Optional[_Union[Forecast, _Mapping]] = ...) -> None: ...

class ListForecastsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: ForecastState
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[ForecastState, str]] = ...) -> None: ...

class ListForecastsResponse(_message.Message):
    __slots__ = ("forecasts", "next_page_token")
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    forecasts: _containers.RepeatedCompositeFieldContainer[Forecast]
    next_page_token: str
    def __init__(self, forecasts: _Optional[_Iterable[_Union[Forecast, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetModelInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelInfoResponse(_message.Message):
    __slots__ = ("model_version", "degraded", "degraded_reason", "candidates")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_REASON_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    degraded: bool
    degraded_reason: str
    candidates: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model_version: _Optional[str] = ..., degraded: _Optional[bool] = ..., degraded_reason: _Optional[str] = ..., candidates: _Optional[_Iterable[str]] = ...) -> None: ...

class SeriesSpec(_message.Message):
    __slots__ = ("account_id", "category", "currency", "measure")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    category: str
    currency: str
    measure: Measure
    def __init__(self, account_id: _Optional[str] = ..., category: _Optional[str] = ..., currency: _Optional[str] = ..., measure: _Optional[_Union[Measure, str]] = ...) -> None: ...

class Forecast(_message.Message):
    __slots__ = ("forecast_id", "series_id", "series", "horizon", "granularity", "labels", "state", "history_start_date", "history_end_date", "history_period_count", "history_transaction_count", "data_cutoff_time", "model", "model_version", "source", "backtest", "short_history", "degraded", "degraded_reason", "points", "scheduled_payments", "opening_balance", "threshold", "below_threshold_date", "below_threshold_risk_date", "error_message", "error_reason", "create_time", "generate_time")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FORECAST_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_START_DATE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_END_DATE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_PERIOD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    DATA_CUTOFF_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    BACKTEST_FIELD_NUMBER: _ClassVar[int]
    SHORT_HISTORY_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_REASON_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    OPENING_BALANCE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    BELOW_THRESHOLD_DATE_FIELD_NUMBER: _ClassVar[int]
    BELOW_THRESHOLD_RISK_DATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    GENERATE_TIME_FIELD_NUMBER: _ClassVar[int]
    forecast_id: str
    series_id: str
    series: SeriesSpec
    horizon: int
    granularity: ForecastGranularity
    labels: _containers.ScalarMap[str, str]
    state: ForecastState
    history_start_date: _date_pb2.Date
    history_end_date: _date_pb2.Date
    history_period_count: int
    history_transaction_count: int
    data_cutoff_time: _timestamp_pb2.Timestamp
    model: str
    model_version: str
    source: ForecastSource
    backtest: _containers.RepeatedCompositeFieldContainer[BacktestScore]
    short_history: bool
    degraded: bool
    degraded_reason: str
    points: _containers.RepeatedCompositeFieldContainer[ForecastPoint]
    scheduled_payments: _containers.RepeatedCompositeFieldContainer[ScheduledPayment]
    opening_balance: _money_pb2.Money
    threshold: _money_pb2.Money
    below_threshold_date: _date_pb2.Date
    below_threshold_risk_date: _date_pb2.Date
    error_message: str
    error_reason: str
    create_time: _timestamp_pb2.Timestamp
    generate_time: _timestamp_pb2.Timestamp
    def __init__(self, forecast_id: _Optional[str] = ..., series_id: _Optional[str] = ..., series: _Optional[_Union[SeriesSpec, _Mapping]] = ..., horizon: _Optional[int] = ..., granularity: _Optional[_Union[ForecastGranularity, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., state: _Optional[_Union[ForecastState, str]] = ..., history_start_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., history_end_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., history_period_count: _Optional[int] = ..., history_transaction_count: _Optional[int] = ..., data_cutoff_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., source: _Optional[_Union[ForecastSource, str]] = ..., backtest: _Optional[_Iterable[_Union[BacktestScore, _Mapping]]] = ..., short_history: _Optional[bool] = ..., degraded: _Optional[bool] = ..., degraded_reason: _Optional[str] = ..., points: _Optional[_Iterable[_Union[ForecastPoint, _Mapping]]] = ..., scheduled_payments: _Optional[_Iterable[_Union[ScheduledPayment, _Mapping]]] = ..., opening_balance: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., threshold: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., below_threshold_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., below_threshold_risk_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., error_message: _Optional[str] = ..., error_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., generate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ForecastPoint(_message.Message):
    __slots__ = ("period_start", "period_end", "p10", "p50", "p90")
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    P10_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P90_FIELD_NUMBER: _ClassVar[int]
    period_start: _date_pb2.Date
    period_end: _date_pb2.Date
    p10: _money_pb2.Money
    p50: _money_pb2.Money
    p90: _money_pb2.Money
    def __init__(self, period_start: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., period_end: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., p10: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., p50: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., p90: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class BacktestScore(_message.Message):
    __slots__ = ("model", "mase_score", "pinball_loss", "coverage_fraction", "origin_count", "served")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MASE_SCORE_FIELD_NUMBER: _ClassVar[int]
    PINBALL_LOSS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_COUNT_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    model: str
    mase_score: float
    pinball_loss: float
    coverage_fraction: float
    origin_count: int
    served: bool
    def __init__(self, model: _Optional[str] = ..., mase_score: _Optional[float] = ..., pinball_loss: _Optional[float] = ..., coverage_fraction: _Optional[float] = ..., origin_count: _Optional[int] = ..., served: _Optional[bool] = ...) -> None: ...

class ScheduledPayment(_message.Message):
    __slots__ = ("payment_date", "amount", "merchant", "recurring_payment_id")
    PAYMENT_DATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    RECURRING_PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    payment_date: _date_pb2.Date
    amount: _money_pb2.Money
    merchant: str
    recurring_payment_id: str
    def __init__(self, payment_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., merchant: _Optional[str] = ..., recurring_payment_id: _Optional[str] = ...) -> None: ...
