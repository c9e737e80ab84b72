import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scale.accounts.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EditTransactionsRequest(_message.Message):
    __slots__ = ("request_id", "filter", "category", "note", "status", "dry_run")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    filter: str
    category: str
    note: str
    status: _transaction_pb2.TransactionStatus
    dry_run: bool
    def __init__(self, request_id: _Optional[str] = ..., filter: _Optional[str] = ..., category: _Optional[str] = ..., note: _Optional[str] = ..., status: _Optional[_Union[_transaction_pb2.TransactionStatus, str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class EditTransactionsResponse(_message.Message):
    __slots__ = ("edit",)
    EDIT_FIELD_NUMBER: _ClassVar[int]
    edit: Edit
    def __init__(self, edit: _Optional[_Union[Edit, _Mapping]] = ...) -> None: ...

class GetEditRequest(_message.Message):
    __slots__ = ("edit_id",)
    EDIT_ID_FIELD_NUMBER: _ClassVar[int]
    edit_id: str
    def __init__(self, edit_id: _Optional[str] = ...) -> None: ...

class GetEditResponse(_message.Message):
    __slots__ = ("edit",)
    EDIT_FIELD_NUMBER: _ClassVar[int]
    edit: Edit
    def __init__(self, edit: _Optional[_Union[Edit, _Mapping]] = ...) -> None: ...

class ListEditsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEditsResponse(_message.Message):
    __slots__ = ("edits", "next_page_token")
    EDITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    edits: _containers.RepeatedCompositeFieldContainer[Edit]
    next_page_token: str
    def __init__(self, edits: _Optional[_Iterable[_Union[Edit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UndoEditRequest(_message.Message):
    __slots__ = ("edit_id",)
    EDIT_ID_FIELD_NUMBER: _ClassVar[int]
    edit_id: str
    def __init__(self, edit_id: _Optional[str] = ...) -> None: ...

class UndoEditResponse(_message.Message):
    __slots__ = ("edit", "restored_count", "kept_count")
    EDIT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    edit: Edit
    restored_count: int
    kept_count: int
    def __init__(self, edit: _Optional[_Union[Edit, _Mapping]] = ..., restored_count: _Optional[int] = ..., kept_count: _Optional[int] = ...) -> None: ...

class Edit(_message.Message):
    __slots__ = ("edit_id", "filter", "matched_count", "changed_count", "rule_id", "import_id", "create_time", "expire_time", "undo_time")
    EDIT_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNDO_TIME_FIELD_NUMBER: _ClassVar[int]
    edit_id: str
    filter: str
    matched_count: int
    changed_count: int
    rule_id: str
    import_id: str
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    undo_time: _timestamp_pb2.Timestamp
    def __init__(self, edit_id: _Optional[str] = ..., filter: _Optional[str] = ..., matched_count: _Optional[int] = ..., changed_count: _Optional[int] = ..., rule_id: _Optional[str] = ..., import_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., undo_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
