"""The shapes of the registry of models: versions, and the addresses of their artefacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Input, Output

VERSION_PATTERN = r"^[0-9]{1,9}-[0-9a-f]{8}$"

_VERSION: dict[str, Any] = {
    "model_version_id": "019b76da-a800-7000-8000-0000000000e0",
    "model": "categorizer",
    "version": "3-1a2b3c4d",
    "stage": "live",
    "global": False,
    "metrics": {"accuracy": 0.91, "accuracy_before": 0.88},
    "content_hash": "1a2b3c4d" + "0" * 56,
    "size_bytes": 131072,
    "parent_version": "2-5e6f7a8b",
    "data_cutoff_at": "2026-02-01T08:00:00.000000Z",
    "code_version": "0.1.0",
    "job_id": "019b76da-a800-7000-8000-0000000000d0",
    "created_at": "2026-02-01T08:00:31.000000Z",
    "promoted_at": "2026-02-01T08:00:31.000000Z",
    "download_url": "/api/v1/artifacts/019b76da-a800-7000-8000-00000000000a/categorizer/3-1a2b3c4d?expires=1769934631&signature=...",
    "download_expires_at": "2026-02-01T08:15:31.000000Z",
}
_LISTED: dict[str, Any] = _VERSION | {"download_url": None, "download_expires_at": None}


class ModelVersion(Output):
    """One version of one model."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_VERSION]})

    model_version_id: UUID = Field(description="The version, among those of all models.")
    model: str = Field(description="Of which model.")
    version: str = Field(description="Its name: a running number and the beginning of the content hash.")
    stage: Literal["candidate", "live", "retired"] = Field(
        description="`candidate`: it was not better than what answered. `live`: it answers. `retired`: it has answered."
    )
    is_global: bool = Field(alias="global", description="Whether it is everybody's; otherwise it is yours alone.")
    metrics: dict[str, Any] = Field(description="Of the part held out, and of what answered before on the same part.")
    content_hash: str = Field(description="SHA-256 of the artefact, in hex.")
    size_bytes: int = Field(description="Of the artefact.")
    parent_version: str | None = Field(description="What it was trained from: a version, or the model that comes with SCALE.")
    data_cutoff_at: datetime = Field(description="What it learned from is older than this, UTC.")
    code_version: str = Field(description="The version of SCALE that trained it.")
    job_id: UUID = Field(description="The training job that made it.")
    created_at: datetime = Field(description="When it was registered, UTC.")
    promoted_at: datetime | None = Field(description="When it was last promoted, UTC; null if never.")
    download_url: str | None = Field(
        description="Where its artefact is for some minutes, without a token: a path of this gateway or an address of the bucket. "
        "Null in lists."
    )
    download_expires_at: datetime | None = Field(description="When that address stops working, UTC.")


class ModelVersionPage(Output):
    """Versions, newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_LISTED], "next_page_token": None}]})  # nosec B105

    items: list[ModelVersion] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class RollBack(Input):
    """From which version to go back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": "3-1a2b3c4d"}]})

    version: str | None = Field(
        None,
        pattern=VERSION_PATTERN,
        description="The version that shall not answer any more: with it, a second request changes nothing. Default: whichever is live.",
    )


class RolledBack(Output):
    """What answers now."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"live": None}]})

    live: ModelVersion | None = Field(description="The version that is live now; null where the model that comes with SCALE answers.")
