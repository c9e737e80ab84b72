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

class AnomalyKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANOMALY_KIND_UNSPECIFIED: _ClassVar[AnomalyKind]
    ANOMALY_KIND_DUPLICATE_CHARGE: _ClassVar[AnomalyKind]
    ANOMALY_KIND_PRICE_RISE: _ClassVar[AnomalyKind]
    ANOMALY_KIND_MISSED_INCOME: _ClassVar[AnomalyKind]
    ANOMALY_KIND_MISSED_PAYMENT: _ClassVar[AnomalyKind]
    ANOMALY_KIND_NEW_MERCHANT: _ClassVar[AnomalyKind]
    ANOMALY_KIND_UNUSUAL_AMOUNT: _ClassVar[AnomalyKind]
    ANOMALY_KIND_BURST: _ClassVar[AnomalyKind]
    ANOMALY_KIND_REGIME_CHANGE: _ClassVar[AnomalyKind]

class AnomalySeverity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANOMALY_SEVERITY_UNSPECIFIED: _ClassVar[AnomalySeverity]
    ANOMALY_SEVERITY_LOW: _ClassVar[AnomalySeverity]
    ANOMALY_SEVERITY_MEDIUM: _ClassVar[AnomalySeverity]
    ANOMALY_SEVERITY_HIGH: _ClassVar[AnomalySeverity]

class AnomalyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANOMALY_STATE_UNSPECIFIED: _ClassVar[AnomalyState]
    ANOMALY_STATE_OPEN: _ClassVar[AnomalyState]
    ANOMALY_STATE_DISMISSED: _ClassVar[AnomalyState]
    ANOMALY_STATE_RESOLVED: _ClassVar[AnomalyState]
    ANOMALY_STATE_ANY: _ClassVar[AnomalyState]

class ScanState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCAN_STATE_UNSPECIFIED: _ClassVar[ScanState]
    SCAN_STATE_PENDING: _ClassVar[ScanState]
    SCAN_STATE_RUNNING: _ClassVar[ScanState]
    SCAN_STATE_SUCCEEDED: _ClassVar[ScanState]
    SCAN_STATE_FAILED: _ClassVar[ScanState]
ANOMALY_KIND_UNSPECIFIED: AnomalyKind
ANOMALY_KIND_DUPLICATE_CHARGE: AnomalyKind
ANOMALY_KIND_PRICE_RISE: AnomalyKind
ANOMALY_KIND_MISSED_INCOME: AnomalyKind
ANOMALY_KIND_MISSED_PAYMENT: AnomalyKind
ANOMALY_KIND_NEW_MERCHANT: AnomalyKind
ANOMALY_KIND_UNUSUAL_AMOUNT: AnomalyKind
ANOMALY_KIND_BURST: AnomalyKind
ANOMALY_KIND_REGIME_CHANGE: AnomalyKind
ANOMALY_SEVERITY_UNSPECIFIED: AnomalySeverity
ANOMALY_SEVERITY_LOW: AnomalySeverity
ANOMALY_SEVERITY_MEDIUM: AnomalySeverity
ANOMALY_SEVERITY_HIGH: AnomalySeverity
ANOMALY_STATE_UNSPECIFIED: AnomalyState
ANOMALY_STATE_OPEN: AnomalyState
ANOMALY_STATE_DISMISSED: AnomalyState
ANOMALY_STATE_RESOLVED: AnomalyState
ANOMALY_STATE_ANY: AnomalyState
SCAN_STATE_UNSPECIFIED: ScanState
SCAN_STATE_PENDING: ScanState
SCAN_STATE_RUNNING: ScanState
SCAN_STATE_SUCCEEDED: ScanState
SCAN_STATE_FAILED: ScanState

class StartScanRequest(_message.Message):
    __slots__ = ("request_id", "ledger_changed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LEDGER_CHANGED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    ledger_changed: bool
    def __init__(self, request_id: _Optional[str] = ..., ledger_changed: _Optional[bool] = ...) -> None: ...

class StartScanResponse(_message.Message):
    __slots__ = ("scan",)
    SCAN_FIELD_NUMBER: _ClassVar[int]
    scan: Scan
    def __init__(self, scan: _Optional[_Union[Scan, _Mapping]] = ...) -> None: ...

class GetScanRequest(_message.Message):
    __slots__ = ("scan_id",)
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    def __init__(self, scan_id: _Optional[str] = ...) -> None: ...

class GetScanResponse(_message.Message):
    __slots__ = ("scan",)
    SCAN_FIELD_NUMBER: _ClassVar[int]
    scan: Scan
    def __init__(self, scan: _Optional[_Union[Scan, _Mapping]] = ...) -> None: ...

class ListAnomaliesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "kind", "minimum_severity", "state", "account_id", "date_from", "date_to")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_SEVERITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DATE_FROM_FIELD_NUMBER: _ClassVar[int]
    DATE_TO_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    kind: AnomalyKind
    minimum_severity: AnomalySeverity
    state: AnomalyState
    account_id: str
    date_from: _date_pb2.Date
    date_to: _date_pb2.Date
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kind: _Optional[_Union[AnomalyKind, str]] = ..., minimum_severity: _Optional[_Union[AnomalySeverity, str]] = ..., state: _Optional[_Union[AnomalyState, str]] = ..., account_id: _Optional[str] = ..., date_from: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., date_to: _Optional[_Union[_date_pb2.Date, _Mapping]] = ...) -> None: ...

class ListAnomaliesResponse(_message.Message):
    __slots__ = ("anomalies", "next_page_token", "scan_time")
    ANOMALIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SCAN_TIME_FIELD_NUMBER: _ClassVar[int]
    anomalies: _containers.RepeatedCompositeFieldContainer[Anomaly]
    next_page_token: str
    scan_time: _timestamp_pb2.Timestamp
    def __init__(self, anomalies: _Optional[_Iterable[_Union[Anomaly, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., scan_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetAnomalyRequest(_message.Message):
    __slots__ = ("anomaly_id",)
    ANOMALY_ID_FIELD_NUMBER: _ClassVar[int]
    anomaly_id: str
    def __init__(self, anomaly_id: _Optional[str] = ...) -> None: ...

class GetAnomalyResponse(_message.Message):
    __slots__ = ("anomaly",)
    ANOMALY_FIELD_NUMBER: _ClassVar[int]
    anomaly: Anomaly
    def __init__(self, anomaly: _Optional[_Union[Anomaly, _Mapping]] = ...) -> None: ...

class DismissAnomalyRequest(_message.Message):
    __slots__ = ("anomaly_id",)
    ANOMALY_ID_FIELD_NUMBER: _ClassVar[int]
    anomaly_id: str
    def __init__(self, anomaly_id: _Optional[str] = ...) -> None: ...

class DismissAnomalyResponse(_message.Message):
    __slots__ = ("anomaly",)
    ANOMALY_FIELD_NUMBER: _ClassVar[int]
    anomaly: Anomaly
    def __init__(self, anomaly: _Optional[_Union[Anomaly, _Mapping]] = ...) -> None: ...

class ReopenAnomalyRequest(_message.Message):
    __slots__ = ("anomaly_id",)
    ANOMALY_ID_FIELD_NUMBER: _ClassVar[int]
    anomaly_id: str
    def __init__(self, anomaly_id: _Optional[str] = ...) -> None: ...

class ReopenAnomalyResponse(_message.Message):
    __slots__ = ("anomaly",)
    ANOMALY_FIELD_NUMBER: _ClassVar[int]
    anomaly: Anomaly
    def __init__(self, anomaly: _Optional[_Union[Anomaly, _Mapping]] = ...) -> None: ...

class Scan(_message.Message):
    __slots__ = ("scan_id", "state", "transaction_count", "found_count", "resolved_count", "error_message", "error_reason", "create_time", "complete_time")
    SCAN_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    FOUND_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_TIME_FIELD_NUMBER: _ClassVar[int]
    scan_id: str
    state: ScanState
    transaction_count: int
    found_count: int
    resolved_count: int
    error_message: str
    error_reason: str
    create_time: _timestamp_pb2.Timestamp
    complete_time: _timestamp_pb2.Timestamp
    def __init__(self, scan_id: _Optional[str] = ..., state: _Optional[_Union[ScanState, str]] = ..., transaction_count: _Optional[int] = ..., found_count: _Optional[int] = ..., resolved_count: _Optional[int] = ..., error_message: _Optional[str] = ..., error_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Anomaly(_message.Message):
    __slots__ = ("anomaly_id", "kind", "severity", "state", "score", "reason", "evidence", "transaction_ids", "account_id", "category", "merchant", "amount", "occurrence_date", "create_time", "close_time")
    ANOMALY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCE_DATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSE_TIME_FIELD_NUMBER: _ClassVar[int]
    anomaly_id: str
    kind: AnomalyKind
    severity: AnomalySeverity
    state: AnomalyState
    score: float
    reason: str
    evidence: _struct_pb2.Struct
    transaction_ids: _containers.RepeatedScalarFieldContainer[str]
    account_id: str
    category: str
    merchant: str
    amount: _money_pb2.Money
    occurrence_date: _date_pb2.Date
    create_time: _timestamp_pb2.Timestamp
    close_time: _timestamp_pb2.Timestamp
    def __init__(self, anomaly_id: _Optional[str] = ..., kind: _Optional[_Union[AnomalyKind, str]] = ..., severity: _Optional[_Union[AnomalySeverity, str]] = ..., state: _Optional[_Union[AnomalyState, str]] = ..., score: _Optional[float] = ..., reason: _Optional[str] = ..., evidence: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., transaction_ids: _Optional[_Iterable[str]] = ..., account_id: _Optional[str] = ..., category: _Optional[str] = ..., merchant: _Optional[str] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., occurrence_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
