import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from google.type import money_pb2 as _money_pb2
from scale.accounts.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Granularity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANULARITY_UNSPECIFIED: _ClassVar[Granularity]
    GRANULARITY_DAY: _ClassVar[Granularity]
    GRANULARITY_WEEK: _ClassVar[Granularity]
    GRANULARITY_MONTH: _ClassVar[Granularity]

class RecurrencePeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECURRENCE_PERIOD_UNSPECIFIED: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_WEEKLY: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_BIWEEKLY: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_MONTHLY: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_QUARTERLY: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_YEARLY: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_FOUR_WEEKLY: _ClassVar[RecurrencePeriod]
    RECURRENCE_PERIOD_HALF_YEARLY: _ClassVar[RecurrencePeriod]

class RecurrenceStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECURRENCE_STATUS_UNSPECIFIED: _ClassVar[RecurrenceStatus]
    RECURRENCE_STATUS_ACTIVE: _ClassVar[RecurrenceStatus]
    RECURRENCE_STATUS_OVERDUE: _ClassVar[RecurrenceStatus]
    RECURRENCE_STATUS_ENDED: _ClassVar[RecurrenceStatus]
GRANULARITY_UNSPECIFIED: Granularity
GRANULARITY_DAY: Granularity
GRANULARITY_WEEK: Granularity
GRANULARITY_MONTH: Granularity
RECURRENCE_PERIOD_UNSPECIFIED: RecurrencePeriod
RECURRENCE_PERIOD_WEEKLY: RecurrencePeriod
RECURRENCE_PERIOD_BIWEEKLY: RecurrencePeriod
RECURRENCE_PERIOD_MONTHLY: RecurrencePeriod
RECURRENCE_PERIOD_QUARTERLY: RecurrencePeriod
RECURRENCE_PERIOD_YEARLY: RecurrencePeriod
RECURRENCE_PERIOD_FOUR_WEEKLY: RecurrencePeriod
RECURRENCE_PERIOD_HALF_YEARLY: RecurrencePeriod
RECURRENCE_STATUS_UNSPECIFIED: RecurrenceStatus
RECURRENCE_STATUS_ACTIVE: RecurrenceStatus
RECURRENCE_STATUS_OVERDUE: RecurrenceStatus
RECURRENCE_STATUS_ENDED: RecurrenceStatus

class ListCategoryStatisticsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "currency", "fresh")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    currency: str
    fresh: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., currency: _Optional[str] = ..., fresh: _Optional[bool] = ...) -> None: ...

class ListCategoryStatisticsResponse(_message.Message):
    __slots__ = ("statistics", "next_page_token", "figures_time", "outdated")
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIGURES_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_FIELD_NUMBER: _ClassVar[int]
    statistics: _containers.RepeatedCompositeFieldContainer[CategoryStatistics]
    next_page_token: str
    figures_time: _timestamp_pb2.Timestamp
    outdated: bool
    def __init__(self, statistics: _Optional[_Iterable[_Union[CategoryStatistics, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., figures_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outdated: _Optional[bool] = ...) -> None: ...

class ListMonthlySummariesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "month_from", "month_to", "category", "currency", "fresh")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MONTH_FROM_FIELD_NUMBER: _ClassVar[int]
    MONTH_TO_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    month_from: _date_pb2.Date
    month_to: _date_pb2.Date
    category: str
    currency: str
    fresh: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., month_from: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., month_to: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., category: _Optional[str] = ..., currency: _Optional[str] = ..., fresh: _Optional[bool] = ...) -> None: ...

class ListMonthlySummariesResponse(_message.Message):
    __slots__ = ("summaries", "next_page_token", "figures_time", "outdated")
    SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIGURES_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_FIELD_NUMBER: _ClassVar[int]
    summaries: _containers.RepeatedCompositeFieldContainer[MonthlySummary]
    next_page_token: str
    figures_time: _timestamp_pb2.Timestamp
    outdated: bool
    def __init__(self, summaries: _Optional[_Iterable[_Union[MonthlySummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., figures_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outdated: _Optional[bool] = ...) -> None: ...

class ListCashFlowRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "granularity", "date_from", "date_to", "account_id", "currency")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    DATE_FROM_FIELD_NUMBER: _ClassVar[int]
    DATE_TO_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    granularity: Granularity
    date_from: _date_pb2.Date
    date_to: _date_pb2.Date
    account_id: str
    currency: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., granularity: _Optional[_Union[Granularity, str]] = ..., date_from: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., date_to: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., account_id: _Optional[str] = ..., currency: _Optional[str] = ...) -> None: ...

class ListCashFlowResponse(_message.Message):
    __slots__ = ("periods", "next_page_token")
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    periods: _containers.RepeatedCompositeFieldContainer[CashFlow]
    next_page_token: str
    def __init__(self, periods: _Optional[_Iterable[_Union[CashFlow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListRecurringPaymentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "type", "status")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    type: _transaction_pb2.TransactionType
    status: RecurrenceStatus
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., type: _Optional[_Union[_transaction_pb2.TransactionType, str]] = ..., status: _Optional[_Union[RecurrenceStatus, str]] = ...) -> None: ...

class ListRecurringPaymentsResponse(_message.Message):
    __slots__ = ("payments", "next_page_token", "as_of_date")
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    payments: _containers.RepeatedCompositeFieldContainer[RecurringPayment]
    next_page_token: str
    as_of_date: _date_pb2.Date
    def __init__(self, payments: _Optional[_Iterable[_Union[RecurringPayment, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., as_of_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ...) -> None: ...

class CategoryStatistics(_message.Message):
    __slots__ = ("category", "primary_category", "transaction_count", "total", "spent", "received", "first_date", "last_date")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    FIRST_DATE_FIELD_NUMBER: _ClassVar[int]
    LAST_DATE_FIELD_NUMBER: _ClassVar[int]
    category: str
    primary_category: str
    transaction_count: int
    total: _money_pb2.Money
    spent: _money_pb2.Money
    received: _money_pb2.Money
    first_date: _date_pb2.Date
    last_date: _date_pb2.Date
    def __init__(self, category: _Optional[str] = ..., primary_category: _Optional[str] = ..., transaction_count: _Optional[int] = ..., total: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., spent: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., received: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., first_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., last_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ...) -> None: ...

class MonthlySummary(_message.Message):
    __slots__ = ("month_start", "category", "primary_category", "transaction_count", "total", "average", "minimum", "maximum")
    MONTH_START_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    month_start: _date_pb2.Date
    category: str
    primary_category: str
    transaction_count: int
    total: _money_pb2.Money
    average: _money_pb2.Money
    minimum: _money_pb2.Money
    maximum: _money_pb2.Money
    def __init__(self, month_start: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., category: _Optional[str] = ..., primary_category: _Optional[str] = ..., transaction_count: _Optional[int] = ..., total: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., average: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., minimum: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., maximum: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class CashFlow(_message.Message):
    __slots__ = ("period_start", "period_end", "received", "spent", "net", "transaction_count")
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    NET_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    period_start: _date_pb2.Date
    period_end: _date_pb2.Date
    received: _money_pb2.Money
    spent: _money_pb2.Money
    net: _money_pb2.Money
    transaction_count: int
    def __init__(self, period_start: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., period_end: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., received: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., spent: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., net: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., transaction_count: _Optional[int] = ...) -> None: ...

class RecurringPayment(_message.Message):
    __slots__ = ("recurring_payment_id", "merchant", "type", "period", "amount_min", "amount_max", "last_amount", "first_date", "last_date", "next_date", "status", "occurrence_count", "category", "transaction_ids", "account_id")
    RECURRING_PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MIN_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    LAST_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_DATE_FIELD_NUMBER: _ClassVar[int]
    LAST_DATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_DATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    recurring_payment_id: str
    merchant: str
    type: _transaction_pb2.TransactionType
    period: RecurrencePeriod
    amount_min: _money_pb2.Money
    amount_max: _money_pb2.Money
    last_amount: _money_pb2.Money
    first_date: _date_pb2.Date
    last_date: _date_pb2.Date
    next_date: _date_pb2.Date
    status: RecurrenceStatus
    occurrence_count: int
    category: str
    transaction_ids: _containers.RepeatedScalarFieldContainer[str]
    account_id: str
    def __init__(self, recurring_payment_id: _Optional[str] = ..., merchant: _Optional[str] = ..., type: _Optional[_Union[_transaction_pb2.TransactionType, str]] = ..., period: _Optional[_Union[RecurrencePeriod, str]] = ..., amount_min: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., amount_max: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., last_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., first_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., last_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., next_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., status: _Optional[_Union[RecurrenceStatus, str]] = ..., occurrence_count: _Optional[int] = ..., category: _Optional[str] = ..., transaction_ids: _Optional[_Iterable[str]] = ..., account_id: _Optional[str] = ...) -> None: ...
