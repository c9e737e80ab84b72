import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scale.categorization.v1 import categorization_service_pb2 as _categorization_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListCorrectionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCorrectionsResponse(_message.Message):
    __slots__ = ("corrections", "next_page_token")
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    corrections: _containers.RepeatedCompositeFieldContainer[CorrectedPayment]
    next_page_token: str
    def __init__(self, corrections: _Optional[_Iterable[_Union[CorrectedPayment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CorrectedPayment(_message.Message):
    __slots__ = ("input", "category", "merchant_key", "correct_time")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_KEY_FIELD_NUMBER: _ClassVar[int]
    CORRECT_TIME_FIELD_NUMBER: _ClassVar[int]
    input: _categorization_service_pb2.ClassifyInput
    category: str
    merchant_key: str
    correct_time: _timestamp_pb2.Timestamp
    def __init__(self, input: _Optional[_Union[_categorization_service_pb2.ClassifyInput, _Mapping]] = ..., category: _Optional[str] = ..., merchant_key: _Optional[str] = ..., correct_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListAgreedCorrectionsRequest(_message.Message):
    __slots__ = ("minimum_user_count", "page_size", "page_token")
    MINIMUM_USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    minimum_user_count: int
    page_size: int
    page_token: str
    def __init__(self, minimum_user_count: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAgreedCorrectionsResponse(_message.Message):
    __slots__ = ("corrections", "next_page_token")
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    corrections: _containers.RepeatedCompositeFieldContainer[AgreedCorrection]
    next_page_token: str
    def __init__(self, corrections: _Optional[_Iterable[_Union[AgreedCorrection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AgreedCorrection(_message.Message):
    __slots__ = ("merchant_key", "category", "user_count", "credit")
    MERCHANT_KEY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    merchant_key: str
    category: str
    user_count: int
    credit: bool
    def __init__(self, merchant_key: _Optional[str] = ..., category: _Optional[str] = ..., user_count: _Optional[int] = ..., credit: _Optional[bool] = ...) -> None: ...

class ListLowAcceptanceRequest(_message.Message):
    __slots__ = ("maximum_ratio", "minimum_classified_count", "page_size", "page_token")
    MAXIMUM_RATIO_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CLASSIFIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    maximum_ratio: float
    minimum_classified_count: int
    page_size: int
    page_token: str
    def __init__(self, maximum_ratio: _Optional[float] = ..., minimum_classified_count: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLowAcceptanceResponse(_message.Message):
    __slots__ = ("users", "next_page_token")
    USERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[UserAcceptance]
    next_page_token: str
    def __init__(self, users: _Optional[_Iterable[_Union[UserAcceptance, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UserAcceptance(_message.Message):
    __slots__ = ("user_id", "acceptance")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    acceptance: Acceptance
    def __init__(self, user_id: _Optional[str] = ..., acceptance: _Optional[_Union[Acceptance, _Mapping]] = ...) -> None: ...

class GetAcceptanceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAcceptanceResponse(_message.Message):
    __slots__ = ("acceptance",)
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    acceptance: Acceptance
    def __init__(self, acceptance: _Optional[_Union[Acceptance, _Mapping]] = ...) -> None: ...

class Acceptance(_message.Message):
    __slots__ = ("classified_count", "corrected_count", "accepted_ratio")
    CLASSIFIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_RATIO_FIELD_NUMBER: _ClassVar[int]
    classified_count: int
    corrected_count: int
    accepted_ratio: float
    def __init__(self, classified_count: _Optional[int] = ..., corrected_count: _Optional[int] = ..., accepted_ratio: _Optional[float] = ...) -> None: ...

class SetUserModelRequest(_message.Message):
    __slots__ = ("version", "artifact", "content_hash")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    version: str
    artifact: bytes
    content_hash: str
    def __init__(self, version: _Optional[str] = ..., artifact: _Optional[bytes] = ..., content_hash: _Optional[str] = ...) -> None: ...

class SetUserModelResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    def __init__(self, version: _Optional[str] = ...) -> None: ...
