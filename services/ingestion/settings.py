"""Settings of the ingestion service: SCALE_INGESTION_<NAME>, and the shared ones of services.kit.settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings, service_config


class IngestionSettings(ServiceSettings):
    """What the ingestion service reads from the environment."""

    model_config = service_config("ingestion")

    accounts_address: str = Field(
        "127.0.0.1:8081", validation_alias="SCALE_ACCOUNTS_ADDRESS", description="Where the accounts service listens."
    )
    max_file_bytes: int = Field(256 * 1024 * 1024, ge=1, description="Largest file taken in, in bytes.")
    max_spool_bytes: int = Field(
        4 * 1024 * 1024 * 1024, ge=1, description="What all uploads in hand may take up together, in bytes; more are refused (429)."
    )
    spool_dir: Path | None = Field(
        None, description="Where an upload lies while it is read; never longer. Default: the system's temporary directory."
    )
    parallel_imports: int = Field(4, ge=1, description="Imports that are read at the same time in this process.")
    queued_imports: int = Field(200, ge=0, description="Imports beyond these that wait for a place; more are refused (429).")
    append_timeout_s: float = Field(600, gt=0, description="Seconds that the ledger has to take in one import.")
    lease_s: float = Field(
        10, ge=1, description="Seconds after which an import whose process died may be started again by the same request."
    )
