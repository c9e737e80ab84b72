"""The shapes of erasing everything."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Input, Output

Rows = dict[str, dict[str, int]]
_ROWS: dict[str, Any] = {
    "categorization": {"corrections": 40, "anchors": 25},
    "ingestion": {"imports": 12, "uploaded_files": 12},
    "accounts": {"transactions": 4711, "accounts": 3, "profiles": 1},
}


class Erasure(Input):
    """The second step. Without a confirmation: the first one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"confirmation": "eyJhbGciOi..."}]})

    confirmation: str | None = Field(None, max_length=2000, description="As the first step gave it, at most ten minutes ago.")


class ErasureOffer(Output):
    """The first step: nothing is erased yet."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"confirmation": "eyJhbGciOi...", "expires_at": "2026-02-01T08:10:00Z", "rows": _ROWS}]}
    )

    confirmation: str = Field(description="Send it back within ten minutes, and everything is erased.")
    expires_at: datetime = Field(description="Until when.")
    rows: Rows = Field(description="What would be erased: rows of each table of each service. Files and what waits in queues go with them.")


class Erased(Output):
    """The second step: nothing of you is left."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"erased": _ROWS}]})

    erased: Rows = Field(description="What this request erased. A repeat finds nothing any more.")
