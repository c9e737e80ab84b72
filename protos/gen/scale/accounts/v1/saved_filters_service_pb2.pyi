import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateSavedFilterRequest(_message.Message):
    __slots__ = ("request_id", "name", "filter")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    filter: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class CreateSavedFilterResponse(_message.Message):
    __slots__ = ("saved_filter",)
    SAVED_FILTER_FIELD_NUMBER: _ClassVar[int]
    saved_filter: SavedFilter
    def __init__(self, saved_filter: _Optional[_Union[SavedFilter, _Mapping]] = ...) -> None: ...

class GetSavedFilterRequest(_message.Message):
    __slots__ = ("saved_filter_id",)
    SAVED_FILTER_ID_FIELD_NUMBER: _ClassVar[int]
    saved_filter_id: str
    def __init__(self, saved_filter_id: _Optional[str] = ...) -> None: ...

class GetSavedFilterResponse(_message.Message):
    __slots__ = ("saved_filter",)
    SAVED_FILTER_FIELD_NUMBER: _ClassVar[int]
    saved_filter: SavedFilter
    def __init__(self, saved_filter: _Optional[_Union[SavedFilter, _Mapping]] = ...) -> None: ...

class ListSavedFiltersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSavedFiltersResponse(_message.Message):
    __slots__ = ("saved_filters", "next_page_token")
    SAVED_FILTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    saved_filters: _containers.RepeatedCompositeFieldContainer[SavedFilter]
    next_page_token: str
    def __init__(self, saved_filters: _Optional[_Iterable[_Union[SavedFilter, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateSavedFilterRequest(_message.Message):
    __slots__ = ("saved_filter", "update_mask")
    SAVED_FILTER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    saved_filter: SavedFilter
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, saved_filter: _Optional[_Union[SavedFilter, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateSavedFilterResponse(_message.Message):
    __slots__ = ("saved_filter",)
    SAVED_FILTER_FIELD_NUMBER: _ClassVar[int]
    saved_filter: SavedFilter
    def __init__(self, saved_filter: _Optional[_Union[SavedFilter, _Mapping]] = ...) -> None: ...

class DeleteSavedFilterRequest(_message.Message):
    __slots__ = ("saved_filter_id",)
    SAVED_FILTER_ID_FIELD_NUMBER: _ClassVar[int]
    saved_filter_id: str
    def __init__(self, saved_filter_id: _Optional[str] = ...) -> None: ...

class DeleteSavedFilterResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SavedFilter(_message.Message):
    __slots__ = ("saved_filter_id", "name", "filter", "create_time", "update_time")
    SAVED_FILTER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    saved_filter_id: str
    name: str
    filter: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, saved_filter_id: _Optional[str] = ..., name: _Optional[str] = ..., filter: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
