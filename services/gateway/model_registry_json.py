"""Between the JSON of the registry and the messages of `scale.training.v1`."""

from __future__ import annotations

from typing import Any

from scale.training.v1 import model_registry_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas.fields import PageQuery
from services.gateway.wire import struct_value, timestamp_text

_STAGES = {number: name.removeprefix("MODEL_STAGE_").lower() for name, number in pb.ModelStage.items()}


def list_versions_request(model: str, query: PageQuery) -> pb.ListModelVersionsRequest:
    """The request for a page of versions."""
    return pb.ListModelVersionsRequest(model=model, page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)


def version_json(version: pb.ModelVersion) -> dict[str, Any]:
    """One version."""
    return {
        "model_version_id": version.model_version_id,
        "model": version.model,
        "version": version.version,
        "stage": _STAGES[version.stage],
        "global": getattr(version, "global"),
        "metrics": struct_value(version.metrics),
        "content_hash": version.content_hash,
        "size_bytes": version.size_bytes,
        "parent_version": version.parent_version or None,
        "data_cutoff_at": timestamp_text(version.data_cutoff_time),
        "code_version": version.code_version,
        "job_id": version.job_id,
        "created_at": timestamp_text(version.create_time),
        "promoted_at": timestamp_text(version.promote_time) if version.HasField("promote_time") else None,
        "download_url": version.download_url or None,
        "download_expires_at": timestamp_text(version.download_expire_time) if version.HasField("download_expire_time") else None,
    }
