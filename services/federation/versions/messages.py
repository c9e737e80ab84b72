"""Between versions of the federated model and the contract's messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from scale.federation.v1 import federated_model_service_pb2 as pb
from services.federation.domain import FederatedVersion
from services.federation.versions.domain import PartAddress
from services.kit.dates import to_timestamp


def version_message(found: FederatedVersion, addresses: Sequence[PartAddress] = ()) -> pb.FederatedModelVersion:
    """A version as it stands; `addresses` of encoder and head."""
    message = pb.FederatedModelVersion(
        version=found.version,
        parent_version=found.parent_version or 0,
        round_id=str(found.round_id or ""),
        contributor_count=found.contributor_count,
        encoder_hash=found.encoder_hash,
        encoder_size_bytes=found.encoder_size_bytes,
        head_hash=found.head_hash,
        head_size_bytes=found.head_size_bytes,
        accuracy_ratio=found.accuracy or 0.0,
        epsilon=found.epsilon,
        unamplified_epsilon=found.unamplified_epsilon,
        registry_version=found.registry_version,
        create_time=to_timestamp(found.created_at),
    )
    message.metrics.update(cast(dict[str, Any], found.metrics))
    if addresses:
        encoder, head = addresses
        message.encoder_download_url = encoder.url
        message.head_download_url = head.url
        message.download_expire_time.CopyFrom(to_timestamp(min(encoder.expires_at, head.expires_at)))
    return message
