import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetFederatedModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetFederatedModelResponse(_message.Message):
    __slots__ = ("model_version",)
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    model_version: FederatedModelVersion
    def __init__(self, model_version: _Optional[_Union[FederatedModelVersion, _Mapping]] = ...) -> None: ...

class ListFederatedModelVersionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFederatedModelVersionsResponse(_message.Message):
    __slots__ = ("model_versions", "next_page_token")
    MODEL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_versions: _containers.RepeatedCompositeFieldContainer[FederatedModelVersion]
    next_page_token: str
    def __init__(self, model_versions: _Optional[_Iterable[_Union[FederatedModelVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PromoteFederatedModelRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class PromoteFederatedModelResponse(_message.Message):
    __slots__ = ("model_version",)
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    model_version: FederatedModelVersion
    def __init__(self, model_version: _Optional[_Union[FederatedModelVersion, _Mapping]] = ...) -> None: ...

class RollBackFederatedModelRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class RollBackFederatedModelResponse(_message.Message):
    __slots__ = ("model_version",)
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    model_version: FederatedModelVersion
    def __init__(self, model_version: _Optional[_Union[FederatedModelVersion, _Mapping]] = ...) -> None: ...

class ReadModelPartRequest(_message.Message):
    __slots__ = ("version", "name", "expires", "signature")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    expires: int
    signature: str
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., expires: _Optional[int] = ..., signature: _Optional[str] = ...) -> None: ...

class ReadModelPartResponse(_message.Message):
    __slots__ = ("chunk", "content_hash", "size_bytes")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    content_hash: str
    size_bytes: int
    def __init__(self, chunk: _Optional[bytes] = ..., content_hash: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class FederatedModelVersion(_message.Message):
    __slots__ = ("version", "parent_version", "round_id", "contributor_count", "encoder_hash", "encoder_size_bytes", "head_hash", "head_size_bytes", "accuracy_ratio", "epsilon", "unamplified_epsilon", "metrics", "registry_version", "head_download_url", "encoder_download_url", "download_expire_time", "create_time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTOR_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENCODER_HASH_FIELD_NUMBER: _ClassVar[int]
    ENCODER_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    HEAD_HASH_FIELD_NUMBER: _ClassVar[int]
    HEAD_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_RATIO_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    UNAMPLIFIED_EPSILON_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEAD_DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    ENCODER_DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    version: int
    parent_version: int
    round_id: str
    contributor_count: int
    encoder_hash: str
    encoder_size_bytes: int
    head_hash: str
    head_size_bytes: int
    accuracy_ratio: float
    epsilon: float
    unamplified_epsilon: float
    metrics: _struct_pb2.Struct
    registry_version: str
    head_download_url: str
    encoder_download_url: str
    download_expire_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[int] = ..., parent_version: _Optional[int] = ..., round_id: _Optional[str] = ..., contributor_count: _Optional[int] = ..., encoder_hash: _Optional[str] = ..., encoder_size_bytes: _Optional[int] = ..., head_hash: _Optional[str] = ..., head_size_bytes: _Optional[int] = ..., accuracy_ratio: _Optional[float] = ..., epsilon: _Optional[float] = ..., unamplified_epsilon: _Optional[float] = ..., metrics: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., registry_version: _Optional[str] = ..., head_download_url: _Optional[str] = ..., encoder_download_url: _Optional[str] = ..., download_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
