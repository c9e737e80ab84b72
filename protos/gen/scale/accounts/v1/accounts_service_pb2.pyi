from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.type import date_pb2 as _date_pb2
from google.type import money_pb2 as _money_pb2
from scale.accounts.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AppendTransactionsRequest(_message.Message):
    __slots__ = ("metadata", "record_batch", "end", "fingerprints")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RECORD_BATCH_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    metadata: AppendTransactionsMetadata
    record_batch: bytes
    end: AppendTransactionsEnd
    fingerprints: AppendTransactionsFingerprints
    def __init__(self, metadata: _Optional[_Union[AppendTransactionsMetadata, _Mapping]] = ..., record_batch: _Optional[bytes] = ..., end: _Optional[_Union[AppendTransactionsEnd, _Mapping]] = ..., fingerprints: _Optional[_Union[AppendTransactionsFingerprints, _Mapping]] = ...) -> None: ...

class AppendTransactionsMetadata(_message.Message):
    __slots__ = ("import_id", "typed")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    TYPED_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    typed: TypedTransaction
    def __init__(self, import_id: _Optional[str] = ..., typed: _Optional[_Union[TypedTransaction, _Mapping]] = ...) -> None: ...

class TypedTransaction(_message.Message):
    __slots__ = ("transaction_id", "category", "note", "allow_equal")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EQUAL_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    category: str
    note: str
    allow_equal: bool
    def __init__(self, transaction_id: _Optional[str] = ..., category: _Optional[str] = ..., note: _Optional[str] = ..., allow_equal: _Optional[bool] = ...) -> None: ...

class AppendTransactionsEnd(_message.Message):
    __slots__ = ("row_count",)
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    row_count: int
    def __init__(self, row_count: _Optional[int] = ...) -> None: ...

class AppendTransactionsFingerprints(_message.Message):
    __slots__ = ("fingerprints",)
    FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    fingerprints: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fingerprints: _Optional[_Iterable[str]] = ...) -> None: ...

class RenumberedRow(_message.Message):
    __slots__ = ("line", "account_id", "transaction_date", "amount", "description", "occurrence")
    LINE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCE_FIELD_NUMBER: _ClassVar[int]
    line: int
    account_id: str
    transaction_date: _date_pb2.Date
    amount: _money_pb2.Money
    description: str
    occurrence: int
    def __init__(self, line: _Optional[int] = ..., account_id: _Optional[str] = ..., transaction_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., description: _Optional[str] = ..., occurrence: _Optional[int] = ...) -> None: ...

class SuspectedDuplicate(_message.Message):
    __slots__ = ("line", "transaction_id", "duplicate_of", "reason")
    LINE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    line: int
    transaction_id: str
    duplicate_of: str
    reason: str
    def __init__(self, line: _Optional[int] = ..., transaction_id: _Optional[str] = ..., duplicate_of: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class AppendTransactionsResponse(_message.Message):
    __slots__ = ("duplicate_lines", "duplicate_transaction_ids", "inserted_count", "renumbered_rows", "suspected_duplicates")
    DUPLICATE_LINES_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    INSERTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    RENUMBERED_ROWS_FIELD_NUMBER: _ClassVar[int]
    SUSPECTED_DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    duplicate_lines: _containers.RepeatedScalarFieldContainer[int]
    duplicate_transaction_ids: _containers.RepeatedScalarFieldContainer[str]
    inserted_count: int
    renumbered_rows: _containers.RepeatedCompositeFieldContainer[RenumberedRow]
    suspected_duplicates: _containers.RepeatedCompositeFieldContainer[SuspectedDuplicate]
    def __init__(self, duplicate_lines: _Optional[_Iterable[int]] = ..., duplicate_transaction_ids: _Optional[_Iterable[str]] = ..., inserted_count: _Optional[int] = ..., renumbered_rows: _Optional[_Iterable[_Union[RenumberedRow, _Mapping]]] = ..., suspected_duplicates: _Optional[_Iterable[_Union[SuspectedDuplicate, _Mapping]]] = ...) -> None: ...

class SetCategoryRequest(_message.Message):
    __slots__ = ("transaction_id", "category")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    category: str
    def __init__(self, transaction_id: _Optional[str] = ..., category: _Optional[str] = ...) -> None: ...

class SetCategoryResponse(_message.Message):
    __slots__ = ("transaction", "previous_category", "previous_source")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SOURCE_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    previous_category: str
    previous_source: _transaction_pb2.CategorySource
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ..., previous_category: _Optional[str] = ..., previous_source: _Optional[_Union[_transaction_pb2.CategorySource, str]] = ...) -> None: ...

class SetCategoriesRequest(_message.Message):
    __slots__ = ("categories",)
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    categories: _containers.RepeatedCompositeFieldContainer[WorkedOutCategory]
    def __init__(self, categories: _Optional[_Iterable[_Union[WorkedOutCategory, _Mapping]]] = ...) -> None: ...

class WorkedOutCategory(_message.Message):
    __slots__ = ("transaction_id", "category", "confidence", "source")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    category: str
    confidence: float
    source: _transaction_pb2.CategorySource
    def __init__(self, transaction_id: _Optional[str] = ..., category: _Optional[str] = ..., confidence: _Optional[float] = ..., source: _Optional[_Union[_transaction_pb2.CategorySource, str]] = ...) -> None: ...

class SetCategoriesResponse(_message.Message):
    __slots__ = ("changed_count", "kept_count")
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    kept_count: int
    def __init__(self, changed_count: _Optional[int] = ..., kept_count: _Optional[int] = ...) -> None: ...

class BatchGetUserCategoriesRequest(_message.Message):
    __slots__ = ("transaction_ids",)
    TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    transaction_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, transaction_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGetUserCategoriesResponse(_message.Message):
    __slots__ = ("user_categories",)
    USER_CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    user_categories: _containers.RepeatedCompositeFieldContainer[UserCategory]
    def __init__(self, user_categories: _Optional[_Iterable[_Union[UserCategory, _Mapping]]] = ...) -> None: ...

class UserCategory(_message.Message):
    __slots__ = ("transaction_id", "category")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    category: str
    def __init__(self, transaction_id: _Optional[str] = ..., category: _Optional[str] = ...) -> None: ...

class MergeTransactionRequest(_message.Message):
    __slots__ = ("transaction_id",)
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    def __init__(self, transaction_id: _Optional[str] = ...) -> None: ...

class MergeTransactionResponse(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ...) -> None: ...

class ListTransfersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: _transaction_pb2.TransferState
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[_transaction_pb2.TransferState, str]] = ...) -> None: ...

class ListTransfersResponse(_message.Message):
    __slots__ = ("transfers", "next_page_token")
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Transfer]
    next_page_token: str
    def __init__(self, transfers: _Optional[_Iterable[_Union[_transaction_pb2.Transfer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetTransferRequest(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class GetTransferResponse(_message.Message):
    __slots__ = ("transfer",)
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    transfer: _transaction_pb2.Transfer
    def __init__(self, transfer: _Optional[_Union[_transaction_pb2.Transfer, _Mapping]] = ...) -> None: ...

class ConfirmTransferRequest(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class ConfirmTransferResponse(_message.Message):
    __slots__ = ("transfer",)
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    transfer: _transaction_pb2.Transfer
    def __init__(self, transfer: _Optional[_Union[_transaction_pb2.Transfer, _Mapping]] = ...) -> None: ...

class UndoTransferRequest(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class UndoTransferResponse(_message.Message):
    __slots__ = ("transfer",)
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    transfer: _transaction_pb2.Transfer
    def __init__(self, transfer: _Optional[_Union[_transaction_pb2.Transfer, _Mapping]] = ...) -> None: ...

class KeepTransactionRequest(_message.Message):
    __slots__ = ("transaction_id",)
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    def __init__(self, transaction_id: _Optional[str] = ...) -> None: ...

class KeepTransactionResponse(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ...) -> None: ...

class UndoImportRequest(_message.Message):
    __slots__ = ("import_id",)
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    def __init__(self, import_id: _Optional[str] = ...) -> None: ...

class KeptTransaction(_message.Message):
    __slots__ = ("transaction_id", "reason")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    reason: str
    def __init__(self, transaction_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class UndoImportResponse(_message.Message):
    __slots__ = ("removed_count", "kept_transactions", "kept_count")
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    kept_transactions: _containers.RepeatedCompositeFieldContainer[KeptTransaction]
    kept_count: int
    def __init__(self, removed_count: _Optional[int] = ..., kept_transactions: _Optional[_Iterable[_Union[KeptTransaction, _Mapping]]] = ..., kept_count: _Optional[int] = ...) -> None: ...

class ListImportLinesRequest(_message.Message):
    __slots__ = ("import_id", "after_line", "page_size")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_LINE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    after_line: int
    page_size: int
    def __init__(self, import_id: _Optional[str] = ..., after_line: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListImportLinesResponse(_message.Message):
    __slots__ = ("lines", "transaction_ids")
    LINES_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[int]
    transaction_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lines: _Optional[_Iterable[int]] = ..., transaction_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListTransactionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "date_from", "date_to", "amount_min", "amount_max", "category", "merchant", "type", "status", "account_id", "query", "suspected_duplicate", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DATE_FROM_FIELD_NUMBER: _ClassVar[int]
    DATE_TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MIN_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SUSPECTED_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    date_from: _date_pb2.Date
    date_to: _date_pb2.Date
    amount_min: str
    amount_max: str
    category: str
    merchant: str
    type: _transaction_pb2.TransactionType
    status: _transaction_pb2.TransactionStatus
    account_id: str
    query: str
    suspected_duplicate: bool
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., date_from: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., date_to: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., amount_min: _Optional[str] = ..., amount_max: _Optional[str] = ..., category: _Optional[str] = ..., merchant: _Optional[str] = ..., type: _Optional[_Union[_transaction_pb2.TransactionType, str]] = ..., status: _Optional[_Union[_transaction_pb2.TransactionStatus, str]] = ..., account_id: _Optional[str] = ..., query: _Optional[str] = ..., suspected_duplicate: _Optional[bool] = ..., filter: _Optional[str] = ...) -> None: ...

class ListTransactionsResponse(_message.Message):
    __slots__ = ("transactions", "next_page_token", "corrected_words")
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_WORDS_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Transaction]
    next_page_token: str
    corrected_words: _containers.RepeatedCompositeFieldContainer[CorrectedWord]
    def __init__(self, transactions: _Optional[_Iterable[_Union[_transaction_pb2.Transaction, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., corrected_words: _Optional[_Iterable[_Union[CorrectedWord, _Mapping]]] = ...) -> None: ...

class CorrectedWord(_message.Message):
    __slots__ = ("word", "searched_for")
    WORD_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FOR_FIELD_NUMBER: _ClassVar[int]
    word: str
    searched_for: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, word: _Optional[str] = ..., searched_for: _Optional[_Iterable[str]] = ...) -> None: ...

class GetTransactionRequest(_message.Message):
    __slots__ = ("transaction_id",)
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    def __init__(self, transaction_id: _Optional[str] = ...) -> None: ...

class GetTransactionResponse(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ...) -> None: ...

class UpdateTransactionRequest(_message.Message):
    __slots__ = ("transaction_id", "note", "category", "update_mask")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    note: str
    category: str
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, transaction_id: _Optional[str] = ..., note: _Optional[str] = ..., category: _Optional[str] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateTransactionResponse(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ...) -> None: ...

class CreateAccountRequest(_message.Message):
    __slots__ = ("request_id", "name", "type", "currency", "identifier", "opening_balance")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    OPENING_BALANCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    type: _transaction_pb2.AccountType
    currency: str
    identifier: str
    opening_balance: _money_pb2.Money
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[_transaction_pb2.AccountType, str]] = ..., currency: _Optional[str] = ..., identifier: _Optional[str] = ..., opening_balance: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class CreateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _transaction_pb2.Account
    def __init__(self, account: _Optional[_Union[_transaction_pb2.Account, _Mapping]] = ...) -> None: ...

class EnsureAccountRequest(_message.Message):
    __slots__ = ("identifier", "name", "currency")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    name: str
    currency: str
    def __init__(self, identifier: _Optional[str] = ..., name: _Optional[str] = ..., currency: _Optional[str] = ...) -> None: ...

class EnsureAccountResponse(_message.Message):
    __slots__ = ("account", "created")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    account: _transaction_pb2.Account
    created: bool
    def __init__(self, account: _Optional[_Union[_transaction_pb2.Account, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _transaction_pb2.Account
    def __init__(self, account: _Optional[_Union[_transaction_pb2.Account, _Mapping]] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "include_inactive")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_INACTIVE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    include_inactive: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., include_inactive: _Optional[bool] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Account]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[_transaction_pb2.Account, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListBalancesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "on_date", "account_id", "include_inactive")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ON_DATE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_INACTIVE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    on_date: _date_pb2.Date
    account_id: str
    include_inactive: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., on_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., account_id: _Optional[str] = ..., include_inactive: _Optional[bool] = ...) -> None: ...

class ListBalancesResponse(_message.Message):
    __slots__ = ("balances", "next_page_token")
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Balance]
    next_page_token: str
    def __init__(self, balances: _Optional[_Iterable[_Union[_transaction_pb2.Balance, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateAccountRequest(_message.Message):
    __slots__ = ("account", "update_mask")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    account: _transaction_pb2.Account
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, account: _Optional[_Union[_transaction_pb2.Account, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _transaction_pb2.Account
    def __init__(self, account: _Optional[_Union[_transaction_pb2.Account, _Mapping]] = ...) -> None: ...

class GetProfileRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProfileResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: _transaction_pb2.Profile
    def __init__(self, profile: _Optional[_Union[_transaction_pb2.Profile, _Mapping]] = ...) -> None: ...

class UpdateProfileRequest(_message.Message):
    __slots__ = ("profile", "update_mask")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    profile: _transaction_pb2.Profile
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, profile: _Optional[_Union[_transaction_pb2.Profile, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateProfileResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: _transaction_pb2.Profile
    def __init__(self, profile: _Optional[_Union[_transaction_pb2.Profile, _Mapping]] = ...) -> None: ...

class ListCategoriesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCategoriesResponse(_message.Message):
    __slots__ = ("categories", "next_page_token")
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    categories: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Category]
    next_page_token: str
    def __init__(self, categories: _Optional[_Iterable[_Union[_transaction_pb2.Category, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateCategoryRequest(_message.Message):
    __slots__ = ("request_id", "name", "primary_slug")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_SLUG_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    primary_slug: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., primary_slug: _Optional[str] = ...) -> None: ...

class CreateCategoryResponse(_message.Message):
    __slots__ = ("category",)
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    category: _transaction_pb2.Category
    def __init__(self, category: _Optional[_Union[_transaction_pb2.Category, _Mapping]] = ...) -> None: ...
