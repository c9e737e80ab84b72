from google.type import date_pb2 as _date_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamDailySumsRequest(_message.Message):
    __slots__ = ("account_id", "category", "currency", "date_from", "date_to", "include_transfers")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DATE_FROM_FIELD_NUMBER: _ClassVar[int]
    DATE_TO_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    category: str
    currency: str
    date_from: _date_pb2.Date
    date_to: _date_pb2.Date
    include_transfers: bool
    def __init__(self, account_id: _Optional[str] = ..., category: _Optional[str] = ..., currency: _Optional[str] = ..., date_from: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., date_to: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., include_transfers: _Optional[bool] = ...) -> None: ...

class StreamDailySumsResponse(_message.Message):
    __slots__ = ("record_batch",)
    RECORD_BATCH_FIELD_NUMBER: _ClassVar[int]
    record_batch: bytes
    def __init__(self, record_batch: _Optional[bytes] = ...) -> None: ...

class StreamTransactionsRequest(_message.Message):
    __slots__ = ("account_id", "date_from", "date_to", "include_transfers")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DATE_FROM_FIELD_NUMBER: _ClassVar[int]
    DATE_TO_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    date_from: _date_pb2.Date
    date_to: _date_pb2.Date
    include_transfers: bool
    def __init__(self, account_id: _Optional[str] = ..., date_from: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., date_to: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., include_transfers: _Optional[bool] = ...) -> None: ...

class StreamTransactionsResponse(_message.Message):
    __slots__ = ("record_batch",)
    RECORD_BATCH_FIELD_NUMBER: _ClassVar[int]
    record_batch: bytes
    def __init__(self, record_batch: _Optional[bytes] = ...) -> None: ...

class ListLongHistoriesRequest(_message.Message):
    __slots__ = ("minimum_day_count", "page_size", "page_token")
    MINIMUM_DAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    minimum_day_count: int
    page_size: int
    page_token: str
    def __init__(self, minimum_day_count: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLongHistoriesResponse(_message.Message):
    __slots__ = ("user_ids", "next_page_token")
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, user_ids: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
