import datetime

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

class ClassificationSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLASSIFICATION_SOURCE_UNSPECIFIED: _ClassVar[ClassificationSource]
    CLASSIFICATION_SOURCE_USER: _ClassVar[ClassificationSource]
    CLASSIFICATION_SOURCE_RULE: _ClassVar[ClassificationSource]
    CLASSIFICATION_SOURCE_MODEL: _ClassVar[ClassificationSource]
    CLASSIFICATION_SOURCE_FALLBACK: _ClassVar[ClassificationSource]

class CategorizationJobKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CATEGORIZATION_JOB_KIND_UNSPECIFIED: _ClassVar[CategorizationJobKind]
    CATEGORIZATION_JOB_KIND_CLASSIFICATION: _ClassVar[CategorizationJobKind]
    CATEGORIZATION_JOB_KIND_RECATEGORIZATION: _ClassVar[CategorizationJobKind]
    CATEGORIZATION_JOB_KIND_DISCOVERY: _ClassVar[CategorizationJobKind]

class CategorizationJobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CATEGORIZATION_JOB_STATE_UNSPECIFIED: _ClassVar[CategorizationJobState]
    CATEGORIZATION_JOB_STATE_PENDING: _ClassVar[CategorizationJobState]
    CATEGORIZATION_JOB_STATE_RUNNING: _ClassVar[CategorizationJobState]
    CATEGORIZATION_JOB_STATE_SUCCEEDED: _ClassVar[CategorizationJobState]
    CATEGORIZATION_JOB_STATE_FAILED: _ClassVar[CategorizationJobState]

class SuggestionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUGGESTION_STATE_UNSPECIFIED: _ClassVar[SuggestionState]
    SUGGESTION_STATE_OPEN: _ClassVar[SuggestionState]
    SUGGESTION_STATE_ACCEPTED: _ClassVar[SuggestionState]
    SUGGESTION_STATE_DISMISSED: _ClassVar[SuggestionState]
CLASSIFICATION_SOURCE_UNSPECIFIED: ClassificationSource
CLASSIFICATION_SOURCE_USER: ClassificationSource
CLASSIFICATION_SOURCE_RULE: ClassificationSource
CLASSIFICATION_SOURCE_MODEL: ClassificationSource
CLASSIFICATION_SOURCE_FALLBACK: ClassificationSource
CATEGORIZATION_JOB_KIND_UNSPECIFIED: CategorizationJobKind
CATEGORIZATION_JOB_KIND_CLASSIFICATION: CategorizationJobKind
CATEGORIZATION_JOB_KIND_RECATEGORIZATION: CategorizationJobKind
CATEGORIZATION_JOB_KIND_DISCOVERY: CategorizationJobKind
CATEGORIZATION_JOB_STATE_UNSPECIFIED: CategorizationJobState
CATEGORIZATION_JOB_STATE_PENDING: CategorizationJobState
CATEGORIZATION_JOB_STATE_RUNNING: CategorizationJobState
CATEGORIZATION_JOB_STATE_SUCCEEDED: CategorizationJobState
CATEGORIZATION_JOB_STATE_FAILED: CategorizationJobState
SUGGESTION_STATE_UNSPECIFIED: SuggestionState
SUGGESTION_STATE_OPEN: SuggestionState
SUGGESTION_STATE_ACCEPTED: SuggestionState
SUGGESTION_STATE_DISMISSED: SuggestionState

class ClassifyRequest(_message.Message):
    __slots__ = ("input",)
    INPUT_FIELD_NUMBER: _ClassVar[int]
    input: ClassifyInput
    def __init__(self, input: _Optional[_Union[ClassifyInput, _Mapping]] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("classification",)
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    classification: Classification
    def __init__(self, classification: _Optional[_Union[Classification, _Mapping]] = ...) -> None: ...

class ClassifyBatchRequest(_message.Message):
    __slots__ = ("inputs",)
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[ClassifyInput]
    def __init__(self, inputs: _Optional[_Iterable[_Union[ClassifyInput, _Mapping]]] = ...) -> None: ...

class ClassifyBatchResponse(_message.Message):
    __slots__ = ("classifications",)
    CLASSIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    classifications: _containers.RepeatedCompositeFieldContainer[Classification]
    def __init__(self, classifications: _Optional[_Iterable[_Union[Classification, _Mapping]]] = ...) -> None: ...

class ClassifyStreamRequest(_message.Message):
    __slots__ = ("inputs", "record_batch", "end")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    RECORD_BATCH_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    inputs: ClassifyInputs
    record_batch: bytes
    end: ClassifyStreamEnd
    def __init__(self, inputs: _Optional[_Union[ClassifyInputs, _Mapping]] = ..., record_batch: _Optional[bytes] = ..., end: _Optional[_Union[ClassifyStreamEnd, _Mapping]] = ...) -> None: ...

class ClassifyInputs(_message.Message):
    __slots__ = ("inputs",)
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[ClassifyInput]
    def __init__(self, inputs: _Optional[_Iterable[_Union[ClassifyInput, _Mapping]]] = ...) -> None: ...

class ClassifyStreamEnd(_message.Message):
    __slots__ = ("input_count",)
    INPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    input_count: int
    def __init__(self, input_count: _Optional[int] = ...) -> None: ...

class ClassifyStreamResponse(_message.Message):
    __slots__ = ("classifications", "record_batch")
    CLASSIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    RECORD_BATCH_FIELD_NUMBER: _ClassVar[int]
    classifications: Classifications
    record_batch: bytes
    def __init__(self, classifications: _Optional[_Union[Classifications, _Mapping]] = ..., record_batch: _Optional[bytes] = ...) -> None: ...

class Classifications(_message.Message):
    __slots__ = ("classifications",)
    CLASSIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    classifications: _containers.RepeatedCompositeFieldContainer[Classification]
    def __init__(self, classifications: _Optional[_Iterable[_Union[Classification, _Mapping]]] = ...) -> None: ...

class RecordCorrectionRequest(_message.Message):
    __slots__ = ("request_id", "transaction_id", "input", "category")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    transaction_id: str
    input: ClassifyInput
    category: str
    def __init__(self, request_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., input: _Optional[_Union[ClassifyInput, _Mapping]] = ..., category: _Optional[str] = ...) -> None: ...

class RecordCorrectionResponse(_message.Message):
    __slots__ = ("correction",)
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    correction: Correction
    def __init__(self, correction: _Optional[_Union[Correction, _Mapping]] = ...) -> None: ...

class StartClassificationRequest(_message.Message):
    __slots__ = ("request_id", "inputs")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    inputs: _containers.RepeatedCompositeFieldContainer[ClassifyInput]
    def __init__(self, request_id: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[ClassifyInput, _Mapping]]] = ...) -> None: ...

class StartClassificationResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CategorizationJob
    def __init__(self, job: _Optional[_Union[CategorizationJob, _Mapping]] = ...) -> None: ...

class StartClassificationStreamRequest(_message.Message):
    __slots__ = ("request_id", "inputs", "end")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    inputs: ClassifyInputs
    end: ClassifyStreamEnd
    def __init__(self, request_id: _Optional[str] = ..., inputs: _Optional[_Union[ClassifyInputs, _Mapping]] = ..., end: _Optional[_Union[ClassifyStreamEnd, _Mapping]] = ...) -> None: ...

class StartClassificationStreamResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CategorizationJob
    def __init__(self, job: _Optional[_Union[CategorizationJob, _Mapping]] = ...) -> None: ...

class StartRecategorizationRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class StartRecategorizationResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CategorizationJob
    def __init__(self, job: _Optional[_Union[CategorizationJob, _Mapping]] = ...) -> None: ...

class StartDiscoveryRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class StartDiscoveryResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CategorizationJob
    def __init__(self, job: _Optional[_Union[CategorizationJob, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: CategorizationJob
    def __init__(self, job: _Optional[_Union[CategorizationJob, _Mapping]] = ...) -> None: ...

class ListJobResultsRequest(_message.Message):
    __slots__ = ("job_id", "page_size", "page_token")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    page_size: int
    page_token: str
    def __init__(self, job_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobResultsResponse(_message.Message):
    __slots__ = ("classifications", "next_page_token")
    CLASSIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    classifications: _containers.RepeatedCompositeFieldContainer[Classification]
    next_page_token: str
    def __init__(self, classifications: _Optional[_Iterable[_Union[Classification, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSuggestionsRequest(_message.Message):
    __slots__ = ("state", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: SuggestionState
    page_size: int
    page_token: str
    def __init__(self, state: _Optional[_Union[SuggestionState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSuggestionsResponse(_message.Message):
    __slots__ = ("suggestions", "next_page_token")
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[CategorySuggestion]
    next_page_token: str
    def __init__(self, suggestions: _Optional[_Iterable[_Union[CategorySuggestion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AcceptSuggestionRequest(_message.Message):
    __slots__ = ("suggestion_id", "name", "primary_slug")
    SUGGESTION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_SLUG_FIELD_NUMBER: _ClassVar[int]
    suggestion_id: str
    name: str
    primary_slug: str
    def __init__(self, suggestion_id: _Optional[str] = ..., name: _Optional[str] = ..., primary_slug: _Optional[str] = ...) -> None: ...

class AcceptSuggestionResponse(_message.Message):
    __slots__ = ("suggestion",)
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    suggestion: CategorySuggestion
    def __init__(self, suggestion: _Optional[_Union[CategorySuggestion, _Mapping]] = ...) -> None: ...

class DismissSuggestionRequest(_message.Message):
    __slots__ = ("suggestion_id",)
    SUGGESTION_ID_FIELD_NUMBER: _ClassVar[int]
    suggestion_id: str
    def __init__(self, suggestion_id: _Optional[str] = ...) -> None: ...

class DismissSuggestionResponse(_message.Message):
    __slots__ = ("suggestion",)
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    suggestion: CategorySuggestion
    def __init__(self, suggestion: _Optional[_Union[CategorySuggestion, _Mapping]] = ...) -> None: ...

class GetModelInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelInfoResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelInfo
    def __init__(self, model: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class ClassifyInput(_message.Message):
    __slots__ = ("description", "merchant", "amount", "transaction_date", "transaction_id")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    description: str
    merchant: str
    amount: _money_pb2.Money
    transaction_date: _date_pb2.Date
    transaction_id: str
    def __init__(self, description: _Optional[str] = ..., merchant: _Optional[str] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., transaction_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("category", "primary_category", "confidence", "abstained", "reasons", "alternatives", "model_version", "source", "degraded")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    category: str
    primary_category: str
    confidence: float
    abstained: bool
    reasons: _containers.RepeatedScalarFieldContainer[str]
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    model_version: str
    source: ClassificationSource
    degraded: bool
    def __init__(self, category: _Optional[str] = ..., primary_category: _Optional[str] = ..., confidence: _Optional[float] = ..., abstained: _Optional[bool] = ..., reasons: _Optional[_Iterable[str]] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., model_version: _Optional[str] = ..., source: _Optional[_Union[ClassificationSource, str]] = ..., degraded: _Optional[bool] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("category", "primary_category", "confidence")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    category: str
    primary_category: str
    confidence: float
    def __init__(self, category: _Optional[str] = ..., primary_category: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class Correction(_message.Message):
    __slots__ = ("correction_id", "transaction_id", "category", "previous_category", "merchant_key", "create_time")
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_KEY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    correction_id: str
    transaction_id: str
    category: str
    previous_category: str
    merchant_key: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, correction_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., category: _Optional[str] = ..., previous_category: _Optional[str] = ..., merchant_key: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CategorizationJob(_message.Message):
    __slots__ = ("job_id", "kind", "state", "input_count", "done_count", "changed_count", "error_message", "error_reason", "model_version", "create_time", "complete_time")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    INPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_TIME_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: CategorizationJobKind
    state: CategorizationJobState
    input_count: int
    done_count: int
    changed_count: int
    error_message: str
    error_reason: str
    model_version: str
    create_time: _timestamp_pb2.Timestamp
    complete_time: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[CategorizationJobKind, str]] = ..., state: _Optional[_Union[CategorizationJobState, str]] = ..., input_count: _Optional[int] = ..., done_count: _Optional[int] = ..., changed_count: _Optional[int] = ..., error_message: _Optional[str] = ..., error_reason: _Optional[str] = ..., model_version: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CategorySuggestion(_message.Message):
    __slots__ = ("suggestion_id", "state", "name", "primary_slug", "category", "score", "transaction_count", "transaction_ids", "examples", "reason", "create_time")
    SUGGESTION_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_SLUG_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    suggestion_id: str
    state: SuggestionState
    name: str
    primary_slug: str
    category: str
    score: float
    transaction_count: int
    transaction_ids: _containers.RepeatedScalarFieldContainer[str]
    examples: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, suggestion_id: _Optional[str] = ..., state: _Optional[_Union[SuggestionState, str]] = ..., name: _Optional[str] = ..., primary_slug: _Optional[str] = ..., category: _Optional[str] = ..., score: _Optional[float] = ..., transaction_count: _Optional[int] = ..., transaction_ids: _Optional[_Iterable[str]] = ..., examples: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("version", "degraded", "reason", "category_count", "minimum_confidence", "dimension", "load_time", "artifact_hashes", "own_version")
    class ArtifactHashesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    LOAD_TIME_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_HASHES_FIELD_NUMBER: _ClassVar[int]
    OWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    degraded: bool
    reason: str
    category_count: int
    minimum_confidence: float
    dimension: int
    load_time: _timestamp_pb2.Timestamp
    artifact_hashes: _containers.ScalarMap[str, str]
    own_version: str
    def __init__(self, version: _Optional[str] = ..., degraded: _Optional[bool] = ..., reason: _Optional[str] = ..., category_count: _Optional[int] = ..., minimum_confidence: _Optional[float] = ..., dimension: _Optional[int] = ..., load_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., artifact_hashes: _Optional[_Mapping[str, str]] = ..., own_version: _Optional[str] = ...) -> None: ...
