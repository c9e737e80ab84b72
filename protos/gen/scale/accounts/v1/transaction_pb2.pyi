import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from google.type import money_pb2 as _money_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransactionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_TYPE_UNSPECIFIED: _ClassVar[TransactionType]
    TRANSACTION_TYPE_CREDIT: _ClassVar[TransactionType]
    TRANSACTION_TYPE_DEBIT: _ClassVar[TransactionType]

class TransactionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_STATUS_UNSPECIFIED: _ClassVar[TransactionStatus]
    TRANSACTION_STATUS_POSTED: _ClassVar[TransactionStatus]
    TRANSACTION_STATUS_PENDING: _ClassVar[TransactionStatus]
    TRANSACTION_STATUS_VOID: _ClassVar[TransactionStatus]

class CategorySource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CATEGORY_SOURCE_UNSPECIFIED: _ClassVar[CategorySource]
    CATEGORY_SOURCE_USER: _ClassVar[CategorySource]
    CATEGORY_SOURCE_RULE: _ClassVar[CategorySource]
    CATEGORY_SOURCE_MODEL: _ClassVar[CategorySource]
    CATEGORY_SOURCE_FILE: _ClassVar[CategorySource]
    CATEGORY_SOURCE_FALLBACK: _ClassVar[CategorySource]

class AccountType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_TYPE_UNSPECIFIED: _ClassVar[AccountType]
    ACCOUNT_TYPE_CHECKING: _ClassVar[AccountType]
    ACCOUNT_TYPE_SAVINGS: _ClassVar[AccountType]
    ACCOUNT_TYPE_CREDIT_CARD: _ClassVar[AccountType]
    ACCOUNT_TYPE_CASH: _ClassVar[AccountType]
    ACCOUNT_TYPE_LOAN: _ClassVar[AccountType]
    ACCOUNT_TYPE_INVESTMENT: _ClassVar[AccountType]
    ACCOUNT_TYPE_OTHER: _ClassVar[AccountType]

class TransferState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_STATE_UNSPECIFIED: _ClassVar[TransferState]
    TRANSFER_STATE_SUGGESTED: _ClassVar[TransferState]
    TRANSFER_STATE_CONFIRMED: _ClassVar[TransferState]
    TRANSFER_STATE_UNDONE: _ClassVar[TransferState]
TRANSACTION_TYPE_UNSPECIFIED: TransactionType
TRANSACTION_TYPE_CREDIT: TransactionType
TRANSACTION_TYPE_DEBIT: TransactionType
TRANSACTION_STATUS_UNSPECIFIED: TransactionStatus
TRANSACTION_STATUS_POSTED: TransactionStatus
TRANSACTION_STATUS_PENDING: TransactionStatus
TRANSACTION_STATUS_VOID: TransactionStatus
CATEGORY_SOURCE_UNSPECIFIED: CategorySource
CATEGORY_SOURCE_USER: CategorySource
CATEGORY_SOURCE_RULE: CategorySource
CATEGORY_SOURCE_MODEL: CategorySource
CATEGORY_SOURCE_FILE: CategorySource
CATEGORY_SOURCE_FALLBACK: CategorySource
ACCOUNT_TYPE_UNSPECIFIED: AccountType
ACCOUNT_TYPE_CHECKING: AccountType
ACCOUNT_TYPE_SAVINGS: AccountType
ACCOUNT_TYPE_CREDIT_CARD: AccountType
ACCOUNT_TYPE_CASH: AccountType
ACCOUNT_TYPE_LOAN: AccountType
ACCOUNT_TYPE_INVESTMENT: AccountType
ACCOUNT_TYPE_OTHER: AccountType
TRANSFER_STATE_UNSPECIFIED: TransferState
TRANSFER_STATE_SUGGESTED: TransferState
TRANSFER_STATE_CONFIRMED: TransferState
TRANSFER_STATE_UNDONE: TransferState

class Transaction(_message.Message):
    __slots__ = ("transaction_id", "account_id", "transaction_date", "amount", "type", "description", "merchant", "category", "primary_category", "category_source", "confidence", "status", "note", "payment_method", "import_id", "create_time", "suspected_duplicate_of", "suspicion", "transfer_id")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SUSPECTED_DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    SUSPICION_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    account_id: str
    transaction_date: _date_pb2.Date
    amount: _money_pb2.Money
    type: TransactionType
    description: str
    merchant: str
    category: str
    primary_category: str
    category_source: CategorySource
    confidence: float
    status: TransactionStatus
    note: str
    payment_method: str
    import_id: str
    create_time: _timestamp_pb2.Timestamp
    suspected_duplicate_of: str
    suspicion: str
    transfer_id: str
    def __init__(self, transaction_id: _Optional[str] = ..., account_id: _Optional[str] = ..., transaction_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., type: _Optional[_Union[TransactionType, str]] = ..., description: _Optional[str] = ..., merchant: _Optional[str] = ..., category: _Optional[str] = ..., primary_category: _Optional[str] = ..., category_source: _Optional[_Union[CategorySource, str]] = ..., confidence: _Optional[float] = ..., status: _Optional[_Union[TransactionStatus, str]] = ..., note: _Optional[str] = ..., payment_method: _Optional[str] = ..., import_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., suspected_duplicate_of: _Optional[str] = ..., suspicion: _Optional[str] = ..., transfer_id: _Optional[str] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("transfer_id", "state", "outgoing", "incoming", "reason", "create_time", "decide_time")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTGOING_FIELD_NUMBER: _ClassVar[int]
    INCOMING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    state: TransferState
    outgoing: Transaction
    incoming: Transaction
    reason: str
    create_time: _timestamp_pb2.Timestamp
    decide_time: _timestamp_pb2.Timestamp
    def __init__(self, transfer_id: _Optional[str] = ..., state: _Optional[_Union[TransferState, str]] = ..., outgoing: _Optional[_Union[Transaction, _Mapping]] = ..., incoming: _Optional[_Union[Transaction, _Mapping]] = ..., reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("account_id", "name", "type", "currency", "identifier", "opening_balance", "active", "create_time")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    OPENING_BALANCE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    name: str
    type: AccountType
    currency: str
    identifier: str
    opening_balance: _money_pb2.Money
    active: bool
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[AccountType, str]] = ..., currency: _Optional[str] = ..., identifier: _Optional[str] = ..., opening_balance: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., active: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("account_id", "account_name", "balance", "transaction_count", "last_date")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_DATE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    account_name: str
    balance: _money_pb2.Money
    transaction_count: int
    last_date: _date_pb2.Date
    def __init__(self, account_id: _Optional[str] = ..., account_name: _Optional[str] = ..., balance: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., transaction_count: _Optional[int] = ..., last_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("user_id", "display_name", "default_currency", "locale", "time_zone", "create_time", "update_time", "transfer_suggestions")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    display_name: str
    default_currency: str
    locale: str
    time_zone: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    transfer_suggestions: bool
    def __init__(self, user_id: _Optional[str] = ..., display_name: _Optional[str] = ..., default_currency: _Optional[str] = ..., locale: _Optional[str] = ..., time_zone: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., transfer_suggestions: _Optional[bool] = ...) -> None: ...

class Category(_message.Message):
    __slots__ = ("slug", "name", "primary_slug", "custom")
    SLUG_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_SLUG_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    slug: str
    name: str
    primary_slug: str
    custom: bool
    def __init__(self, slug: _Optional[str] = ..., name: _Optional[str] = ..., primary_slug: _Optional[str] = ..., custom: _Optional[bool] = ...) -> None: ...
