"""Between the registry's nouns and the contract's messages."""

from __future__ import annotations

from typing import Any

from scale.training.v1 import model_registry_service_pb2 as pb
from services.kit.dates import to_timestamp
from services.training.domain import NOBODY, ModelVersion, Stage
from services.training.registry.domain import Download

_STAGES: dict[Stage, Any] = {one: pb.ModelStage.Value(f"MODEL_STAGE_{one.name}") for one in Stage}


def version_message(found: ModelVersion, download: Download | None = None) -> pb.ModelVersion:
    """A version as it stands."""
    message = pb.ModelVersion(
        model_version_id=str(found.id),
        model=found.model_type,
        version=found.version,
        stage=_STAGES[found.stage],
        content_hash=found.content_hash,
        size_bytes=found.size_bytes,
        parent_version=found.parent_version,
        data_cutoff_time=to_timestamp(found.data_cutoff_at),
        code_version=found.code_version,
        job_id=str(found.job_id),
        create_time=to_timestamp(found.created_at),
        promote_time=to_timestamp(found.promoted_at) if found.promoted_at is not None else None,
    )
    # A word of Python's own.
    setattr(message, "global", found.user_id == NOBODY)
    message.metrics.update(found.metrics)
    if download is not None:
        message.download_url = download.url
        message.download_expire_time.CopyFrom(to_timestamp(download.expires_at))
    return message
