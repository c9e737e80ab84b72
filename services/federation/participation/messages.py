"""Between what coordinator and devices say to each other and the contract's messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

from scale.federation.v1 import participation_service_pb2 as pb
from services.federation.domain import RoundStage
from services.federation.messages import STAGE_NOUNS, STAGES, STATES, plan_message
from services.federation.secagg import Advert, EncryptedShare, ShareKind, UnmaskShare
from services.federation.versions.domain import PartAddress
from services.federation.views import Assignment, RoundView, UpdateEncoding, UpdateHeader, Wait
from services.kit.dates import to_timestamp
from services.kit.errors import invalid
from services.kit.fields import text_of, uuid_of

_MOST_SHARES = 10_000
_MOST_SHARE_BYTES = 1024
_HASH_CHARS = 64
_KINDS: dict[Any, ShareKind] = {pb.ShareKind.Value(f"SHARE_KIND_{one.name}"): one for one in ShareKind}
_ENCODINGS: dict[Any, UpdateEncoding] = {pb.UpdateEncoding.Value(f"UPDATE_ENCODING_{one.name}"): one for one in UpdateEncoding}


def check_in_message(found: Assignment | Wait, addresses: Sequence[PartAddress] = ()) -> pb.CheckInResponse:
    """What to do. `addresses`: of the parts of the assignment's model."""
    if isinstance(found, Wait):
        return pb.CheckInResponse(wait=pb.Wait(retry_after_seconds=ceil(found.retry_after_s), reason=found.reason.value))
    parts = [
        pb.ModelPart(
            name=one.name,
            content_hash=one.content_hash,
            size_bytes=one.size_bytes,
            download_url=one.url,
            download_expire_time=to_timestamp(one.expires_at),
        )
        for one in addresses
    ]
    return pb.CheckInResponse(
        assignment=pb.Assignment(
            round_id=str(found.round_id),
            model_version=found.base.version,
            plan=plan_message(found.plan),
            model_parts=parts,
            train_deadline_time=to_timestamp(found.train_deadline),
        )
    )


def view_message(found: RoundView) -> pb.PollRoundResponse:
    """Where a round stands, and what one device needs for that stage."""
    return pb.PollRoundResponse(
        state=STATES[found.state],
        stage=STAGES[found.stage] if found.stage is not None else None,
        stage_deadline_time=_timestamp(found.deadline),
        adverts=[
            pb.KeyAdvert(
                device_id=str(one.device_id),
                identity_key=one.identity_key,
                cipher_key=one.cipher_key,
                mask_key=one.mask_key,
                signature=one.signature,
            )
            for one in found.adverts
        ],
        threshold=found.threshold,
        shares=[
            pb.EncryptedShares(from_device_id=str(one.from_device_id), to_device_id=str(one.to_device_id), ciphertext=one.ciphertext)
            for one in found.shares
        ],
        contributor_ids=map(str, found.contributor_ids),
        confirmations=[pb.Confirmation(device_id=str(one), signature=signature) for one, signature in found.confirmations.items()],
        reason=found.reason,
    )


def stage_of(value: Any) -> RoundStage | None:
    """A stage; None where none is said. Raises InvalidArgument."""
    if not value:
        return None
    found = STAGE_NOUNS.get(value)
    if found is None:
        raise invalid("known_stage", f"{value} is not a value of this enum")
    return found


def advert_of(message: pb.KeyAdvert) -> Advert:
    """A device's keys. Raises InvalidArgument."""
    return Advert(
        device_id=uuid_of("advert.device_id", message.device_id),
        identity_key=message.identity_key,
        cipher_key=message.cipher_key,
        mask_key=message.mask_key,
        signature=message.signature,
    )


def shares_of(messages: Sequence[pb.EncryptedShares]) -> list[EncryptedShare]:
    """What a device hands its neighbours. Raises InvalidArgument."""
    _check_count(len(messages))
    if any(len(one.ciphertext) > _MOST_SHARE_BYTES for one in messages):
        raise invalid("shares", f"have at most {_MOST_SHARE_BYTES} bytes each")
    return [
        EncryptedShare(
            uuid_of("shares.from_device_id", one.from_device_id), uuid_of("shares.to_device_id", one.to_device_id), one.ciphertext
        )
        for one in messages
    ]


def unmask_shares_of(messages: Sequence[pb.UnmaskShare]) -> list[UnmaskShare]:
    """What takes the masks off. Raises InvalidArgument."""
    _check_count(len(messages))
    if any(one.kind not in _KINDS for one in messages):
        raise invalid("shares.kind", "is required")
    return [UnmaskShare(uuid_of("shares.device_id", one.device_id), _KINDS[one.kind], one.value) for one in messages]


def header_of(message: pb.UpdateHeader) -> UpdateHeader:
    """What is uploaded. Raises InvalidArgument."""
    content_hash = text_of("header.content_hash", message.content_hash, _HASH_CHARS, required=True)
    if len(content_hash) != _HASH_CHARS or not set(content_hash) <= set("0123456789abcdef"):
        raise invalid("header.content_hash", "is not the hex of a SHA-256")
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        raise invalid("header.encoding", "is required")
    if message.example_count < 0:
        raise invalid("header.example_count", "must not be negative")
    return UpdateHeader(
        round_id=uuid_of("header.round_id", message.round_id),
        model_version=message.model_version,
        content_hash=content_hash,
        size_bytes=message.size_bytes,
        encoding=encoding,
        example_count=message.example_count,
    )


def round_id_of(value: str) -> UUID:
    """A round's id. Raises InvalidArgument."""
    return uuid_of("round_id", value)


def _check_count(count: int) -> None:
    if count > _MOST_SHARES:
        raise invalid("shares", f"are {count}; there are at most {_MOST_SHARES} neighbours")


def _timestamp(moment: datetime | None) -> Any:
    return to_timestamp(moment) if moment is not None else None
