import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scale.federation.v1 import round_pb2 as _round_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ShareKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHARE_KIND_UNSPECIFIED: _ClassVar[ShareKind]
    SHARE_KIND_SELF_MASK_SEED: _ClassVar[ShareKind]
    SHARE_KIND_MASK_KEY: _ClassVar[ShareKind]

class UpdateEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPDATE_ENCODING_UNSPECIFIED: _ClassVar[UpdateEncoding]
    UPDATE_ENCODING_MASKED: _ClassVar[UpdateEncoding]
    UPDATE_ENCODING_INT8: _ClassVar[UpdateEncoding]
    UPDATE_ENCODING_FLOAT32: _ClassVar[UpdateEncoding]
SHARE_KIND_UNSPECIFIED: ShareKind
SHARE_KIND_SELF_MASK_SEED: ShareKind
SHARE_KIND_MASK_KEY: ShareKind
UPDATE_ENCODING_UNSPECIFIED: UpdateEncoding
UPDATE_ENCODING_MASKED: UpdateEncoding
UPDATE_ENCODING_INT8: UpdateEncoding
UPDATE_ENCODING_FLOAT32: UpdateEncoding

class CheckInRequest(_message.Message):
    __slots__ = ("protocol_version", "encoder_hash")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENCODER_HASH_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    encoder_hash: str
    def __init__(self, protocol_version: _Optional[int] = ..., encoder_hash: _Optional[str] = ...) -> None: ...

class CheckInResponse(_message.Message):
    __slots__ = ("wait", "assignment")
    WAIT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    wait: Wait
    assignment: Assignment
    def __init__(self, wait: _Optional[_Union[Wait, _Mapping]] = ..., assignment: _Optional[_Union[Assignment, _Mapping]] = ...) -> None: ...

class Wait(_message.Message):
    __slots__ = ("retry_after_seconds", "reason")
    RETRY_AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    retry_after_seconds: int
    reason: str
    def __init__(self, retry_after_seconds: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("round_id", "model_version", "plan", "model_parts", "train_deadline_time")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    MODEL_PARTS_FIELD_NUMBER: _ClassVar[int]
    TRAIN_DEADLINE_TIME_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    model_version: int
    plan: _round_pb2.RoundPlan
    model_parts: _containers.RepeatedCompositeFieldContainer[ModelPart]
    train_deadline_time: _timestamp_pb2.Timestamp
    def __init__(self, round_id: _Optional[str] = ..., model_version: _Optional[int] = ..., plan: _Optional[_Union[_round_pb2.RoundPlan, _Mapping]] = ..., model_parts: _Optional[_Iterable[_Union[ModelPart, _Mapping]]] = ..., train_deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ModelPart(_message.Message):
    __slots__ = ("name", "content_hash", "size_bytes", "download_url", "download_expire_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    content_hash: str
    size_bytes: int
    download_url: str
    download_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., content_hash: _Optional[str] = ..., size_bytes: _Optional[int] = ..., download_url: _Optional[str] = ..., download_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DownloadModelPartRequest(_message.Message):
    __slots__ = ("model_version", "name")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    model_version: int
    name: str
    def __init__(self, model_version: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class DownloadModelPartResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class PollRoundRequest(_message.Message):
    __slots__ = ("round_id", "known_stage", "wait_seconds")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_STAGE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    known_stage: _round_pb2.RoundStage
    wait_seconds: int
    def __init__(self, round_id: _Optional[str] = ..., known_stage: _Optional[_Union[_round_pb2.RoundStage, str]] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class PollRoundResponse(_message.Message):
    __slots__ = ("state", "stage", "stage_deadline_time", "adverts", "threshold", "shares", "contributor_ids", "confirmations", "reason")
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_DEADLINE_TIME_FIELD_NUMBER: _ClassVar[int]
    ADVERTS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTOR_IDS_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATIONS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    state: _round_pb2.RoundState
    stage: _round_pb2.RoundStage
    stage_deadline_time: _timestamp_pb2.Timestamp
    adverts: _containers.RepeatedCompositeFieldContainer[KeyAdvert]
    threshold: int
    shares: _containers.RepeatedCompositeFieldContainer[EncryptedShares]
    contributor_ids: _containers.RepeatedScalarFieldContainer[str]
    confirmations: _containers.RepeatedCompositeFieldContainer[Confirmation]
    reason: str
    def __init__(self, state: _Optional[_Union[_round_pb2.RoundState, str]] = ..., stage: _Optional[_Union[_round_pb2.RoundStage, str]] = ..., stage_deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., adverts: _Optional[_Iterable[_Union[KeyAdvert, _Mapping]]] = ..., threshold: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[EncryptedShares, _Mapping]]] = ..., contributor_ids: _Optional[_Iterable[str]] = ..., confirmations: _Optional[_Iterable[_Union[Confirmation, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class KeyAdvert(_message.Message):
    __slots__ = ("device_id", "identity_key", "cipher_key", "mask_key", "signature")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_KEY_FIELD_NUMBER: _ClassVar[int]
    CIPHER_KEY_FIELD_NUMBER: _ClassVar[int]
    MASK_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    identity_key: bytes
    cipher_key: bytes
    mask_key: bytes
    signature: bytes
    def __init__(self, device_id: _Optional[str] = ..., identity_key: _Optional[bytes] = ..., cipher_key: _Optional[bytes] = ..., mask_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class EncryptedShares(_message.Message):
    __slots__ = ("from_device_id", "to_device_id", "ciphertext")
    FROM_DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    TO_DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CIPHERTEXT_FIELD_NUMBER: _ClassVar[int]
    from_device_id: str
    to_device_id: str
    ciphertext: bytes
    def __init__(self, from_device_id: _Optional[str] = ..., to_device_id: _Optional[str] = ..., ciphertext: _Optional[bytes] = ...) -> None: ...

class Confirmation(_message.Message):
    __slots__ = ("device_id", "signature")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    signature: bytes
    def __init__(self, device_id: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("round_id",)
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    def __init__(self, round_id: _Optional[str] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: _round_pb2.RoundState
    def __init__(self, state: _Optional[_Union[_round_pb2.RoundState, str]] = ...) -> None: ...

class AdvertiseKeysRequest(_message.Message):
    __slots__ = ("round_id", "advert")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    ADVERT_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    advert: KeyAdvert
    def __init__(self, round_id: _Optional[str] = ..., advert: _Optional[_Union[KeyAdvert, _Mapping]] = ...) -> None: ...

class AdvertiseKeysResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShareKeysRequest(_message.Message):
    __slots__ = ("round_id", "shares")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    shares: _containers.RepeatedCompositeFieldContainer[EncryptedShares]
    def __init__(self, round_id: _Optional[str] = ..., shares: _Optional[_Iterable[_Union[EncryptedShares, _Mapping]]] = ...) -> None: ...

class ShareKeysResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UploadUpdateRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UpdateHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UpdateHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UpdateHeader(_message.Message):
    __slots__ = ("round_id", "model_version", "content_hash", "size_bytes", "encoding", "example_count")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    model_version: int
    content_hash: str
    size_bytes: int
    encoding: UpdateEncoding
    example_count: int
    def __init__(self, round_id: _Optional[str] = ..., model_version: _Optional[int] = ..., content_hash: _Optional[str] = ..., size_bytes: _Optional[int] = ..., encoding: _Optional[_Union[UpdateEncoding, str]] = ..., example_count: _Optional[int] = ...) -> None: ...

class UploadUpdateResponse(_message.Message):
    __slots__ = ("received_bytes",)
    RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    received_bytes: int
    def __init__(self, received_bytes: _Optional[int] = ...) -> None: ...

class ConfirmContributorsRequest(_message.Message):
    __slots__ = ("round_id", "signature")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    signature: bytes
    def __init__(self, round_id: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class ConfirmContributorsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnmaskRequest(_message.Message):
    __slots__ = ("round_id", "shares")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    shares: _containers.RepeatedCompositeFieldContainer[UnmaskShare]
    def __init__(self, round_id: _Optional[str] = ..., shares: _Optional[_Iterable[_Union[UnmaskShare, _Mapping]]] = ...) -> None: ...

class UnmaskShare(_message.Message):
    __slots__ = ("device_id", "kind", "value")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    kind: ShareKind
    value: bytes
    def __init__(self, device_id: _Optional[str] = ..., kind: _Optional[_Union[ShareKind, str]] = ..., value: _Optional[bytes] = ...) -> None: ...

class UnmaskResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
