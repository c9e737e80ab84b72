import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Algorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALGORITHM_UNSPECIFIED: _ClassVar[Algorithm]
    ALGORITHM_FEDAVG: _ClassVar[Algorithm]
    ALGORITHM_FEDPROX: _ClassVar[Algorithm]
    ALGORITHM_FEDMEDIAN: _ClassVar[Algorithm]
    ALGORITHM_FEDTRIMMED: _ClassVar[Algorithm]

class RoundState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUND_STATE_UNSPECIFIED: _ClassVar[RoundState]
    ROUND_STATE_OPEN: _ClassVar[RoundState]
    ROUND_STATE_PUBLISHED: _ClassVar[RoundState]
    ROUND_STATE_FAILED: _ClassVar[RoundState]
    ROUND_STATE_ABORTED: _ClassVar[RoundState]

class RoundStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUND_STAGE_UNSPECIFIED: _ClassVar[RoundStage]
    ROUND_STAGE_SELECTING: _ClassVar[RoundStage]
    ROUND_STAGE_ADVERTISING: _ClassVar[RoundStage]
    ROUND_STAGE_SHARING: _ClassVar[RoundStage]
    ROUND_STAGE_UPLOADING: _ClassVar[RoundStage]
    ROUND_STAGE_CONFIRMING: _ClassVar[RoundStage]
    ROUND_STAGE_UNMASKING: _ClassVar[RoundStage]
    ROUND_STAGE_AGGREGATING: _ClassVar[RoundStage]
ALGORITHM_UNSPECIFIED: Algorithm
ALGORITHM_FEDAVG: Algorithm
ALGORITHM_FEDPROX: Algorithm
ALGORITHM_FEDMEDIAN: Algorithm
ALGORITHM_FEDTRIMMED: Algorithm
ROUND_STATE_UNSPECIFIED: RoundState
ROUND_STATE_OPEN: RoundState
ROUND_STATE_PUBLISHED: RoundState
ROUND_STATE_FAILED: RoundState
ROUND_STATE_ABORTED: RoundState
ROUND_STAGE_UNSPECIFIED: RoundStage
ROUND_STAGE_SELECTING: RoundStage
ROUND_STAGE_ADVERTISING: RoundStage
ROUND_STAGE_SHARING: RoundStage
ROUND_STAGE_UPLOADING: RoundStage
ROUND_STAGE_CONFIRMING: RoundStage
ROUND_STAGE_UNMASKING: RoundStage
ROUND_STAGE_AGGREGATING: RoundStage

class RoundPlan(_message.Message):
    __slots__ = ("algorithm", "epochs", "learning_rate", "batch_size", "proximal_mu", "weight_cap", "privacy", "secure_aggregation", "update_length")
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    PROXIMAL_MU_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_CAP_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    SECURE_AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    algorithm: Algorithm
    epochs: int
    learning_rate: float
    batch_size: int
    proximal_mu: float
    weight_cap: int
    privacy: PrivacyPlan
    secure_aggregation: SecureAggregationPlan
    update_length: int
    def __init__(self, algorithm: _Optional[_Union[Algorithm, str]] = ..., epochs: _Optional[int] = ..., learning_rate: _Optional[float] = ..., batch_size: _Optional[int] = ..., proximal_mu: _Optional[float] = ..., weight_cap: _Optional[int] = ..., privacy: _Optional[_Union[PrivacyPlan, _Mapping]] = ..., secure_aggregation: _Optional[_Union[SecureAggregationPlan, _Mapping]] = ..., update_length: _Optional[int] = ...) -> None: ...

class PrivacyPlan(_message.Message):
    __slots__ = ("clip_norm", "noise_multiplier", "noise_contributor_count", "delta", "example_noise_multiplier", "example_clip_norm")
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    NOISE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    NOISE_CONTRIBUTOR_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_NOISE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    clip_norm: float
    noise_multiplier: float
    noise_contributor_count: int
    delta: float
    example_noise_multiplier: float
    example_clip_norm: float
    def __init__(self, clip_norm: _Optional[float] = ..., noise_multiplier: _Optional[float] = ..., noise_contributor_count: _Optional[int] = ..., delta: _Optional[float] = ..., example_noise_multiplier: _Optional[float] = ..., example_clip_norm: _Optional[float] = ...) -> None: ...

class SecureAggregationPlan(_message.Message):
    __slots__ = ("word_bits", "quantization_scale", "complete_graph_limit", "neighbor_count", "clip_norm")
    WORD_BITS_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATION_SCALE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_GRAPH_LIMIT_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOR_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    word_bits: int
    quantization_scale: float
    complete_graph_limit: int
    neighbor_count: int
    clip_norm: float
    def __init__(self, word_bits: _Optional[int] = ..., quantization_scale: _Optional[float] = ..., complete_graph_limit: _Optional[int] = ..., neighbor_count: _Optional[int] = ..., clip_norm: _Optional[float] = ...) -> None: ...

class Round(_message.Message):
    __slots__ = ("round_id", "number", "state", "stage", "reason", "reason_message", "base_version", "version", "plan", "selected_count", "contributor_count", "dropped_count", "bytes_up", "accuracy_ratio", "base_accuracy_ratio", "update_norm", "epsilon", "unamplified_epsilon", "trigger", "open_time", "close_time")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASON_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    SELECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTOR_COUNT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_RATIO_FIELD_NUMBER: _ClassVar[int]
    BASE_ACCURACY_RATIO_FIELD_NUMBER: _ClassVar[int]
    UPDATE_NORM_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    UNAMPLIFIED_EPSILON_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSE_TIME_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    number: int
    state: RoundState
    stage: RoundStage
    reason: str
    reason_message: str
    base_version: int
    version: int
    plan: RoundPlan
    selected_count: int
    contributor_count: int
    dropped_count: int
    bytes_up: int
    accuracy_ratio: float
    base_accuracy_ratio: float
    update_norm: float
    epsilon: float
    unamplified_epsilon: float
    trigger: str
    open_time: _timestamp_pb2.Timestamp
    close_time: _timestamp_pb2.Timestamp
    def __init__(self, round_id: _Optional[str] = ..., number: _Optional[int] = ..., state: _Optional[_Union[RoundState, str]] = ..., stage: _Optional[_Union[RoundStage, str]] = ..., reason: _Optional[str] = ..., reason_message: _Optional[str] = ..., base_version: _Optional[int] = ..., version: _Optional[int] = ..., plan: _Optional[_Union[RoundPlan, _Mapping]] = ..., selected_count: _Optional[int] = ..., contributor_count: _Optional[int] = ..., dropped_count: _Optional[int] = ..., bytes_up: _Optional[int] = ..., accuracy_ratio: _Optional[float] = ..., base_accuracy_ratio: _Optional[float] = ..., update_norm: _Optional[float] = ..., epsilon: _Optional[float] = ..., unamplified_epsilon: _Optional[float] = ..., trigger: _Optional[str] = ..., open_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
