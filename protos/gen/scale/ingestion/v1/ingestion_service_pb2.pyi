import datetime

from google.protobuf import struct_pb2 as _struct_pb2
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

class ImportState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_STATE_UNSPECIFIED: _ClassVar[ImportState]
    IMPORT_STATE_PENDING: _ClassVar[ImportState]
    IMPORT_STATE_RUNNING: _ClassVar[ImportState]
    IMPORT_STATE_SUCCEEDED: _ClassVar[ImportState]
    IMPORT_STATE_FAILED: _ClassVar[ImportState]
    IMPORT_STATE_UNDONE: _ClassVar[ImportState]

class ImportStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_STAGE_UNSPECIFIED: _ClassVar[ImportStage]
    IMPORT_STAGE_WAITING: _ClassVar[ImportStage]
    IMPORT_STAGE_READING: _ClassVar[ImportStage]
    IMPORT_STAGE_STORING: _ClassVar[ImportStage]

class RowOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_OUTCOME_UNSPECIFIED: _ClassVar[RowOutcome]
    ROW_OUTCOME_INSERTED: _ClassVar[RowOutcome]
    ROW_OUTCOME_DUPLICATE: _ClassVar[RowOutcome]
    ROW_OUTCOME_SUSPECTED_DUPLICATE: _ClassVar[RowOutcome]
    ROW_OUTCOME_ZERO_AMOUNT: _ClassVar[RowOutcome]
    ROW_OUTCOME_REJECTED: _ClassVar[RowOutcome]
IMPORT_STATE_UNSPECIFIED: ImportState
IMPORT_STATE_PENDING: ImportState
IMPORT_STATE_RUNNING: ImportState
IMPORT_STATE_SUCCEEDED: ImportState
IMPORT_STATE_FAILED: ImportState
IMPORT_STATE_UNDONE: ImportState
IMPORT_STAGE_UNSPECIFIED: ImportStage
IMPORT_STAGE_WAITING: ImportStage
IMPORT_STAGE_READING: ImportStage
IMPORT_STAGE_STORING: ImportStage
ROW_OUTCOME_UNSPECIFIED: RowOutcome
ROW_OUTCOME_INSERTED: RowOutcome
ROW_OUTCOME_DUPLICATE: RowOutcome
ROW_OUTCOME_SUSPECTED_DUPLICATE: RowOutcome
ROW_OUTCOME_ZERO_AMOUNT: RowOutcome
ROW_OUTCOME_REJECTED: RowOutcome

class ImportStatementRequest(_message.Message):
    __slots__ = ("metadata", "chunk")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    metadata: ImportMetadata
    chunk: bytes
    def __init__(self, metadata: _Optional[_Union[ImportMetadata, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportMetadata(_message.Message):
    __slots__ = ("request_id", "account_id", "file_name", "currency", "date_format", "columns", "password", "file_format", "size_bytes")
    class ColumnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DATE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    FILE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    account_id: str
    file_name: str
    currency: str
    date_format: str
    columns: _containers.ScalarMap[str, str]
    password: str
    file_format: str
    size_bytes: int
    def __init__(self, request_id: _Optional[str] = ..., account_id: _Optional[str] = ..., file_name: _Optional[str] = ..., currency: _Optional[str] = ..., date_format: _Optional[str] = ..., columns: _Optional[_Mapping[str, str]] = ..., password: _Optional[str] = ..., file_format: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ImportStatementResponse(_message.Message):
    __slots__ = ("statement_import", "repeated_request")
    STATEMENT_IMPORT_FIELD_NUMBER: _ClassVar[int]
    REPEATED_REQUEST_FIELD_NUMBER: _ClassVar[int]
    statement_import: Import
    repeated_request: bool
    def __init__(self, statement_import: _Optional[_Union[Import, _Mapping]] = ..., repeated_request: _Optional[bool] = ...) -> None: ...

class CreateTransactionRequest(_message.Message):
    __slots__ = ("request_id", "account_id", "transaction_date", "amount", "description", "merchant", "category", "payment_method", "status", "note", "allow_equal")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EQUAL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    account_id: str
    transaction_date: _date_pb2.Date
    amount: _money_pb2.Money
    description: str
    merchant: str
    category: str
    payment_method: str
    status: str
    note: str
    allow_equal: bool
    def __init__(self, request_id: _Optional[str] = ..., account_id: _Optional[str] = ..., transaction_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., description: _Optional[str] = ..., merchant: _Optional[str] = ..., category: _Optional[str] = ..., payment_method: _Optional[str] = ..., status: _Optional[str] = ..., note: _Optional[str] = ..., allow_equal: _Optional[bool] = ...) -> None: ...

class CreateTransactionResponse(_message.Message):
    __slots__ = ("transaction_id", "repeated_request")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    REPEATED_REQUEST_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    repeated_request: bool
    def __init__(self, transaction_id: _Optional[str] = ..., repeated_request: _Optional[bool] = ...) -> None: ...

class GetImportRequest(_message.Message):
    __slots__ = ("import_id",)
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    def __init__(self, import_id: _Optional[str] = ...) -> None: ...

class GetImportResponse(_message.Message):
    __slots__ = ("statement_import",)
    STATEMENT_IMPORT_FIELD_NUMBER: _ClassVar[int]
    statement_import: Import
    def __init__(self, statement_import: _Optional[_Union[Import, _Mapping]] = ...) -> None: ...

class WatchImportRequest(_message.Message):
    __slots__ = ("import_id", "after_event_id")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    after_event_id: str
    def __init__(self, import_id: _Optional[str] = ..., after_event_id: _Optional[str] = ...) -> None: ...

class WatchImportResponse(_message.Message):
    __slots__ = ("event_id", "statement_import")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_IMPORT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    statement_import: Import
    def __init__(self, event_id: _Optional[str] = ..., statement_import: _Optional[_Union[Import, _Mapping]] = ...) -> None: ...

class ListImportsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListImportsResponse(_message.Message):
    __slots__ = ("imports", "next_page_token")
    IMPORTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    imports: _containers.RepeatedCompositeFieldContainer[Import]
    next_page_token: str
    def __init__(self, imports: _Optional[_Iterable[_Union[Import, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListImportRowsRequest(_message.Message):
    __slots__ = ("import_id", "outcome", "page_size", "page_token")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    outcome: RowOutcome
    page_size: int
    page_token: str
    def __init__(self, import_id: _Optional[str] = ..., outcome: _Optional[_Union[RowOutcome, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListImportRowsResponse(_message.Message):
    __slots__ = ("rows", "next_page_token")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[ImportRow]
    next_page_token: str
    def __init__(self, rows: _Optional[_Iterable[_Union[ImportRow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UndoImportRequest(_message.Message):
    __slots__ = ("import_id",)
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    def __init__(self, import_id: _Optional[str] = ...) -> None: ...

class UndoImportResponse(_message.Message):
    __slots__ = ("statement_import", "removed_count", "kept_count", "kept_rows")
    STATEMENT_IMPORT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_ROWS_FIELD_NUMBER: _ClassVar[int]
    statement_import: Import
    removed_count: int
    kept_count: int
    kept_rows: _containers.RepeatedCompositeFieldContainer[KeptRow]
    def __init__(self, statement_import: _Optional[_Union[Import, _Mapping]] = ..., removed_count: _Optional[int] = ..., kept_count: _Optional[int] = ..., kept_rows: _Optional[_Iterable[_Union[KeptRow, _Mapping]]] = ...) -> None: ...

class KeptRow(_message.Message):
    __slots__ = ("transaction_id", "reason")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    reason: str
    def __init__(self, transaction_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListCsvProfilesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCsvProfilesResponse(_message.Message):
    __slots__ = ("profiles", "next_page_token")
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[CsvProfile]
    next_page_token: str
    def __init__(self, profiles: _Optional[_Iterable[_Union[CsvProfile, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCsvProfileRequest(_message.Message):
    __slots__ = ("header_hash",)
    HEADER_HASH_FIELD_NUMBER: _ClassVar[int]
    header_hash: str
    def __init__(self, header_hash: _Optional[str] = ...) -> None: ...

class DeleteCsvProfileResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CsvProfile(_message.Message):
    __slots__ = ("header_hash", "header", "columns", "date_format", "import_id", "update_time")
    class ColumnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HEADER_HASH_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DATE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    header_hash: str
    header: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.ScalarMap[str, str]
    date_format: str
    import_id: str
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, header_hash: _Optional[str] = ..., header: _Optional[_Iterable[str]] = ..., columns: _Optional[_Mapping[str, str]] = ..., date_format: _Optional[str] = ..., import_id: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImportProgress(_message.Message):
    __slots__ = ("stage", "row_count", "fraction")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    stage: ImportStage
    row_count: int
    fraction: float
    def __init__(self, stage: _Optional[_Union[ImportStage, str]] = ..., row_count: _Optional[int] = ..., fraction: _Optional[float] = ...) -> None: ...

class Import(_message.Message):
    __slots__ = ("import_id", "account_id", "state", "file_name", "file_format", "file_hash", "row_count", "inserted_count", "duplicate_count", "suspected_duplicate_count", "zero_amount_count", "rejected_count", "detected", "same_file_as", "failure_reason", "create_time", "complete_time", "progress", "failure")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    FILE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    FILE_HASH_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    INSERTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUSPECTED_DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ZERO_AMOUNT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DETECTED_FIELD_NUMBER: _ClassVar[int]
    SAME_FILE_AS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    account_id: str
    state: ImportState
    file_name: str
    file_format: str
    file_hash: str
    row_count: int
    inserted_count: int
    duplicate_count: int
    suspected_duplicate_count: int
    zero_amount_count: int
    rejected_count: int
    detected: _struct_pb2.Struct
    same_file_as: str
    failure_reason: str
    create_time: _timestamp_pb2.Timestamp
    complete_time: _timestamp_pb2.Timestamp
    progress: ImportProgress
    failure: ImportFailure
    def __init__(self, import_id: _Optional[str] = ..., account_id: _Optional[str] = ..., state: _Optional[_Union[ImportState, str]] = ..., file_name: _Optional[str] = ..., file_format: _Optional[str] = ..., file_hash: _Optional[str] = ..., row_count: _Optional[int] = ..., inserted_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., suspected_duplicate_count: _Optional[int] = ..., zero_amount_count: _Optional[int] = ..., rejected_count: _Optional[int] = ..., detected: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., same_file_as: _Optional[str] = ..., failure_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[ImportProgress, _Mapping]] = ..., failure: _Optional[_Union[ImportFailure, _Mapping]] = ...) -> None: ...

class ImportFailure(_message.Message):
    __slots__ = ("reason", "retryable", "problems", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    retryable: bool
    problems: _containers.RepeatedCompositeFieldContainer[ImportProblem]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., retryable: _Optional[bool] = ..., problems: _Optional[_Iterable[_Union[ImportProblem, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ImportProblem(_message.Message):
    __slots__ = ("line", "field", "reason")
    LINE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    line: int
    field: str
    reason: str
    def __init__(self, line: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ImportRow(_message.Message):
    __slots__ = ("line", "outcome", "reason", "transaction_id", "duplicate_of")
    LINE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    line: int
    outcome: RowOutcome
    reason: str
    transaction_id: str
    duplicate_of: str
    def __init__(self, line: _Optional[int] = ..., outcome: _Optional[_Union[RowOutcome, str]] = ..., reason: _Optional[str] = ..., transaction_id: _Optional[str] = ..., duplicate_of: _Optional[str] = ...) -> None: ...

class BeginRestoreRequest(_message.Message):
    __slots__ = ("request_id", "file_name", "file_hash", "size_bytes")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    FILE_HASH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    file_name: str
    file_hash: str
    size_bytes: int
    def __init__(self, request_id: _Optional[str] = ..., file_name: _Optional[str] = ..., file_hash: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class BeginRestoreResponse(_message.Message):
    __slots__ = ("statement_import", "repeated_request")
    STATEMENT_IMPORT_FIELD_NUMBER: _ClassVar[int]
    REPEATED_REQUEST_FIELD_NUMBER: _ClassVar[int]
    statement_import: Import
    repeated_request: bool
    def __init__(self, statement_import: _Optional[_Union[Import, _Mapping]] = ..., repeated_request: _Optional[bool] = ...) -> None: ...

class FinishRestoreRequest(_message.Message):
    __slots__ = ("import_id", "success", "failure_reason")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    success: RestoreSuccess
    failure_reason: str
    def __init__(self, import_id: _Optional[str] = ..., success: _Optional[_Union[RestoreSuccess, _Mapping]] = ..., failure_reason: _Optional[str] = ...) -> None: ...

class RestoreSuccess(_message.Message):
    __slots__ = ("tables", "row_count", "inserted_count")
    TABLES_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    INSERTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[RestoredRows]
    row_count: int
    inserted_count: int
    def __init__(self, tables: _Optional[_Iterable[_Union[RestoredRows, _Mapping]]] = ..., row_count: _Optional[int] = ..., inserted_count: _Optional[int] = ...) -> None: ...

class RestoredRows(_message.Message):
    __slots__ = ("table", "row_count", "restored_count")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    table: str
    row_count: int
    restored_count: int
    def __init__(self, table: _Optional[str] = ..., row_count: _Optional[int] = ..., restored_count: _Optional[int] = ...) -> None: ...

class FinishRestoreResponse(_message.Message):
    __slots__ = ("statement_import",)
    STATEMENT_IMPORT_FIELD_NUMBER: _ClassVar[int]
    statement_import: Import
    def __init__(self, statement_import: _Optional[_Union[Import, _Mapping]] = ...) -> None: ...
