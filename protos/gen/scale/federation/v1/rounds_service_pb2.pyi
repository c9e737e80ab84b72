import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scale.federation.v1 import round_pb2 as _round_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartRoundRequest(_message.Message):
    __slots__ = ("request_id", "options")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    options: RoundOptions
    def __init__(self, request_id: _Optional[str] = ..., options: _Optional[_Union[RoundOptions, _Mapping]] = ...) -> None: ...

class RoundOptions(_message.Message):
    __slots__ = ("algorithm", "target_count", "epochs", "learning_rate", "proximal_mu", "secure_aggregation", "noise_multiplier", "clip_norm", "example_noise_multiplier", "group_count", "selection_seconds", "training_seconds", "stage_seconds", "server_learning_rate", "promote", "silos")
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    TARGET_COUNT_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    PROXIMAL_MU_FIELD_NUMBER: _ClassVar[int]
    SECURE_AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    NOISE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_NOISE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    SELECTION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STAGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SERVER_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    PROMOTE_FIELD_NUMBER: _ClassVar[int]
    SILOS_FIELD_NUMBER: _ClassVar[int]
    algorithm: _round_pb2.Algorithm
    target_count: int
    epochs: int
    learning_rate: float
    proximal_mu: float
    secure_aggregation: bool
    noise_multiplier: float
    clip_norm: float
    example_noise_multiplier: float
    group_count: int
    selection_seconds: int
    training_seconds: int
    stage_seconds: int
    server_learning_rate: float
    promote: bool
    silos: bool
    def __init__(self, algorithm: _Optional[_Union[_round_pb2.Algorithm, str]] = ..., target_count: _Optional[int] = ..., epochs: _Optional[int] = ..., learning_rate: _Optional[float] = ..., proximal_mu: _Optional[float] = ..., secure_aggregation: _Optional[bool] = ..., noise_multiplier: _Optional[float] = ..., clip_norm: _Optional[float] = ..., example_noise_multiplier: _Optional[float] = ..., group_count: _Optional[int] = ..., selection_seconds: _Optional[int] = ..., training_seconds: _Optional[int] = ..., stage_seconds: _Optional[int] = ..., server_learning_rate: _Optional[float] = ..., promote: _Optional[bool] = ..., silos: _Optional[bool] = ...) -> None: ...

class StartRoundResponse(_message.Message):
    __slots__ = ("round",)
    ROUND_FIELD_NUMBER: _ClassVar[int]
    round: _round_pb2.Round
    def __init__(self, round: _Optional[_Union[_round_pb2.Round, _Mapping]] = ...) -> None: ...

class AbortRoundRequest(_message.Message):
    __slots__ = ("round_id",)
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    def __init__(self, round_id: _Optional[str] = ...) -> None: ...

class AbortRoundResponse(_message.Message):
    __slots__ = ("round",)
    ROUND_FIELD_NUMBER: _ClassVar[int]
    round: _round_pb2.Round
    def __init__(self, round: _Optional[_Union[_round_pb2.Round, _Mapping]] = ...) -> None: ...

class GetRoundRequest(_message.Message):
    __slots__ = ("round_id", "wait_seconds")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    wait_seconds: int
    def __init__(self, round_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class GetRoundResponse(_message.Message):
    __slots__ = ("round",)
    ROUND_FIELD_NUMBER: _ClassVar[int]
    round: _round_pb2.Round
    def __init__(self, round: _Optional[_Union[_round_pb2.Round, _Mapping]] = ...) -> None: ...

class ListRoundsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRoundsResponse(_message.Message):
    __slots__ = ("rounds", "next_page_token")
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rounds: _containers.RepeatedCompositeFieldContainer[_round_pb2.Round]
    next_page_token: str
    def __init__(self, rounds: _Optional[_Iterable[_Union[_round_pb2.Round, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetFederationStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetFederationStatusResponse(_message.Message):
    __slots__ = ("active", "open_round", "available_count", "model_version", "spent_epsilon", "budget_epsilon", "budget_delta", "next_round_time")
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    OPEN_ROUND_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SPENT_EPSILON_FIELD_NUMBER: _ClassVar[int]
    BUDGET_EPSILON_FIELD_NUMBER: _ClassVar[int]
    BUDGET_DELTA_FIELD_NUMBER: _ClassVar[int]
    NEXT_ROUND_TIME_FIELD_NUMBER: _ClassVar[int]
    active: bool
    open_round: _round_pb2.Round
    available_count: int
    model_version: int
    spent_epsilon: float
    budget_epsilon: float
    budget_delta: float
    next_round_time: _timestamp_pb2.Timestamp
    def __init__(self, active: _Optional[bool] = ..., open_round: _Optional[_Union[_round_pb2.Round, _Mapping]] = ..., available_count: _Optional[int] = ..., model_version: _Optional[int] = ..., spent_epsilon: _Optional[float] = ..., budget_epsilon: _Optional[float] = ..., budget_delta: _Optional[float] = ..., next_round_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
