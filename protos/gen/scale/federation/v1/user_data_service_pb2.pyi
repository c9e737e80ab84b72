from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportUserRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExportUserResponse(_message.Message):
    __slots__ = ("file_name", "chunk", "end")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    chunk: bytes
    end: ExportUserEnd
    def __init__(self, file_name: _Optional[str] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[ExportUserEnd, _Mapping]] = ...) -> None: ...

class ExportUserEnd(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[ExportedFile]
    def __init__(self, files: _Optional[_Iterable[_Union[ExportedFile, _Mapping]]] = ...) -> None: ...

class ExportedFile(_message.Message):
    __slots__ = ("file_name", "row_count")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    row_count: int
    def __init__(self, file_name: _Optional[str] = ..., row_count: _Optional[int] = ...) -> None: ...

class RestoreUserRequest(_message.Message):
    __slots__ = ("file_name", "chunk", "end")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    chunk: bytes
    end: RestoreUserEnd
    def __init__(self, file_name: _Optional[str] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[RestoreUserEnd, _Mapping]] = ...) -> None: ...

class RestoreUserEnd(_message.Message):
    __slots__ = ("file_count",)
    FILE_COUNT_FIELD_NUMBER: _ClassVar[int]
    file_count: int
    def __init__(self, file_count: _Optional[int] = ...) -> None: ...

class RestoreUserResponse(_message.Message):
    __slots__ = ("tables",)
    TABLES_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[RestoredTable]
    def __init__(self, tables: _Optional[_Iterable[_Union[RestoredTable, _Mapping]]] = ...) -> None: ...

class RestoredTable(_message.Message):
    __slots__ = ("table", "row_count", "restored_count")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    table: str
    row_count: int
    restored_count: int
    def __init__(self, table: _Optional[str] = ..., row_count: _Optional[int] = ..., restored_count: _Optional[int] = ...) -> None: ...

class EraseUserRequest(_message.Message):
    __slots__ = ("validate_only",)
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    validate_only: bool
    def __init__(self, validate_only: _Optional[bool] = ...) -> None: ...

class EraseUserResponse(_message.Message):
    __slots__ = ("tables",)
    TABLES_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[ErasedTable]
    def __init__(self, tables: _Optional[_Iterable[_Union[ErasedTable, _Mapping]]] = ...) -> None: ...

class ErasedTable(_message.Message):
    __slots__ = ("table", "row_count")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    table: str
    row_count: int
    def __init__(self, table: _Optional[str] = ..., row_count: _Optional[int] = ...) -> None: ...
