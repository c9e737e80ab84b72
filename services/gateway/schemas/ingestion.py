"""The shapes of imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import ConfigDict, Field, field_validator

from services.gateway.schemas.fields import Currency, Identifier, Input, Output, PageQuery, Text
from services.gateway.schemas.problem import NEEDS, FieldProblem, Needs

Outcome = Literal["inserted", "duplicate", "suspected_duplicate", "zero_amount", "rejected"]
_COUNTS: dict[str, Any] = {"rows": 120, "inserted": 118, "duplicates": 1, "suspected_duplicates": 0, "zero_amount": 0, "rejected": 1}
_IMPORT: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-000000000003",
    "state": "succeeded",
    "file_name": "january.csv",
    "file_format": "csv",
    "file_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "account_id": "019b76da-a800-7000-8000-000000000002",
    "counts": _COUNTS,
    "progress": None,
    "detected": {"encoding": "utf-8", "delimiter": ";", "header_line": 1, "date_format": "%d.%m.%Y", "decimal_mark": ","},
    "same_file_as": None,
    "failure_reason": None,
    "failure": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "completed_at": "2026-02-01T08:00:01.000000Z",
}
_PROGRESS: dict[str, Any] = {"stage": "reading", "rows": 120_000, "fraction": 0.4}
_FAILURE: dict[str, Any] = {
    "reason": "UNREADABLE_STATEMENT",
    "retryable": False,
    "errors": [{"line": 17, "field": "transaction_date", "reason": "'31/02/2026' is not a day"}],
}
_ROW: dict[str, Any] = {
    "line": 17,
    "outcome": "rejected",
    "reason": "transaction_date: '31/02/2026' is not a day",
    "transaction_id": None,
    "duplicate_of": None,
}
_KEPT_ROW: dict[str, Any] = {"transaction_id": "019b76da-a800-7000-8000-000000000001", "reason": "you wrote a note on it"}

_CSV_PROFILE: dict[str, Any] = {
    "header_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "header": ["When", "What", "Gross", "Net"],
    "columns": {"amount": "Net"},
    "date_format": "DD/MM/YYYY",
    "import_id": "019b76da-a800-7000-8000-000000000003",
    "updated_at": "2026-02-01T08:00:01.000000Z",
}
HEADER_HASH_PATTERN = "^[0-9a-f]{64}$"


class ImportForm(Input):
    """The fields of the upload beside the file. All of them may be left to detection."""

    account_id: Identifier | None = Field(None, description='The account. Absent: the one that the file names, else one called "Imported".')
    currency: Currency | None = Field(None, description="ISO 4217, for rows whose file names none.", examples=["EUR"])
    date_format: Text | None = Field(
        None, max_length=64, description="How dates are written, such as `%d/%m/%Y` or `DD/MM/YYYY`; overrides the guess."
    )
    columns: dict[Text, Text] | None = Field(
        None,
        max_length=50,
        description='Field to header name or 1-based column number; overrides the guess. As JSON, {"date":"Buchungstag","amount":4}, '
        "or as date=Buchungstag,amount=4.",
    )
    password: Text | None = Field(None, max_length=255, repr=False, description="Of an encrypted workbook; used once, never stored.")
    file_format: Text | None = Field(None, max_length=32, description="Such as csv; overrides the guess.", examples=["csv"])

    @field_validator("columns", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            try:
                found = orjson.loads(value)
            except orjson.JSONDecodeError:
                raise ValueError('is not JSON such as {"date":"Buchungstag","amount":4}') from None
            return {key: str(name) if isinstance(name, int) else name for key, name in found.items()}
        pairs = [pair.partition("=") for pair in value.split(",")]
        if any(not name.strip() or not column.strip() for name, _, column in pairs):
            raise ValueError("must read date=Buchungstag,amount=4, or be a JSON object")
        return {name.strip(): column.strip() for name, _, column in pairs}


class ImportCounts(Output):
    """rows = inserted + duplicates + zero_amount + rejected."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_COUNTS]})

    rows: int = Field(description="Rows found in the file.")
    inserted: int = Field(description="Rows added, suspected duplicates included.")
    duplicates: int = Field(description="Rows that the ledger already held.")
    suspected_duplicates: int = Field(description="Rows added that wait for you to decide.")
    zero_amount: int = Field(description="Rows that move no money.")
    rejected: int = Field(description="Rows that could not be read.")


class ImportProgress(Output):
    """How far an unfinished import is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PROGRESS]})

    stage: Literal["waiting", "reading", "storing"] = Field(description="In the queue, reading the file, or storing what was read.")
    rows: int = Field(description="Rows read so far.")
    fraction: float | None = Field(
        description="How much of the file has been read, 0 to 1, not of the work: storing comes after. Null where the format does not tell."
    )


class ImportFailure(Output):
    """Why an import failed that was read in the background: what its upload would have been answered with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_FAILURE]})

    reason: str = Field(description="Stable, in upper case: programs decide by it.")
    retryable: bool = Field(description="Whether it was not the file's fault: send it again, with the same Idempotency-Key.")
    errors: list[FieldProblem] = Field(description="What is wrong where; the first 100.")
    needs: Needs | None = Field(None, description=NEEDS)


class Import(Output):
    """One upload and what became of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_IMPORT]})

    id: UUID = Field(description="The import.")
    state: Literal["pending", "running", "succeeded", "failed", "undone"] = Field(description="Where it stands.")
    file_name: str = Field(description="As uploaded.")
    file_format: str = Field(description="As detected or given.")
    file_hash: str = Field(description="Lower-case hex SHA-256 of the file.")
    account_id: UUID | None = Field(description="The account; null when the rows went to several.")
    counts: ImportCounts = Field(description="How many rows became what.")
    progress: ImportProgress | None = Field(description="How far it is; null once it is done.")
    detected: dict[str, Any] = Field(
        description="How the file was read: encoding, delimiter, header line, date format, columns and more. `categorization` is "
        "`unavailable` when rows came in without a category because categorization did not answer: "
        "`POST /api/v1/classify/recategorize` makes up for it."
    )
    same_file_as: UUID | None = Field(description="The earlier import of the very same file.")
    failure_reason: str | None = Field(description="Why a failed import failed.")
    failure: ImportFailure | None = Field(description="The same for programs, where the file was read in the background.")
    created_at: datetime = Field(description="When the upload began, UTC.")
    completed_at: datetime | None = Field(description="When it was done, UTC; null until then.")


class ImportPage(Output):
    """Imports, newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_IMPORT], "next_page_token": None}]})  # nosec B105

    items: list[Import] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class ImportRowFilters(PageQuery):
    """Which rows."""

    outcome: Outcome | None = Field(None, description="Only rows that became this.", examples=["rejected"])


class ImportRow(Output):
    """What became of one row."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ROW]})

    line: int = Field(description="1-based line in the file.")
    outcome: Outcome = Field(description="What became of it.")
    reason: str | None = Field(description="Why: for a rejected row field and reason, for a suspected duplicate what it shares.")
    transaction_id: UUID | None = Field(description="The row's transaction, or for a duplicate the one that was there before.")
    duplicate_of: UUID | None = Field(description="For a suspected duplicate the earlier transaction, even if that has gone since.")


class KeptRow(Output):
    """A row that an undo left."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_KEPT_ROW]})

    transaction_id: UUID = Field(description="The transaction.")
    reason: str = Field(description="Why it was left.")


class UndoneImport(Output):
    """What became of an import that was taken back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"import": _IMPORT, "removed": 41, "kept": 1, "kept_rows": [_KEPT_ROW]}]}
    )

    statement_import: Import = Field(alias="import", description="The import, now undone.")
    removed: int = Field(description="Rows taken out of the ledger.")
    kept: int = Field(description="Rows left, because you have changed them since.")
    kept_rows: list[KeptRow] = Field(description="The first 1000 of those.")


class ImportRowPage(Output):
    """Rows in file order."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_ROW], "next_page_token": None}]})  # nosec B105

    items: list[ImportRow] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class CsvProfile(Output):
    """What you once said of CSV files with one header."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_CSV_PROFILE]})

    header_hash: str = Field(pattern=HEADER_HASH_PATTERN, description="SHA-256 of the header, lower-case hex: what it is known by.")
    header: list[str] = Field(description="The header's names, as the file had them; of very long ones the beginning.")
    columns: dict[str, str] = Field(description="Field to header name or column number, as you gave them.")
    date_format: str | None = Field(description="As you gave it; null when you only named columns.")
    import_id: UUID = Field(description="The import that taught it.")
    updated_at: datetime = Field(description="When it was taught last, UTC.")


class CsvProfilePage(Output):
    """What is remembered, the latest first: a hundred at most."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_CSV_PROFILE], "next_page_token": None}]})  # nosec B105

    items: list[CsvProfile] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
