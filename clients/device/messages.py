"""Between the wire and `services.federation.secagg`."""

from __future__ import annotations

import hashlib
from uuid import UUID

from clients.device.problem import PolicyRefused
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2
from services.federation.secagg import Advert, EncryptedShare, ShareKind, UnmaskShare, terms_hash

KINDS = {ShareKind.SELF_MASK_SEED: pb.SHARE_KIND_SELF_MASK_SEED, ShareKind.MASK_KEY: pb.SHARE_KIND_MASK_KEY}


def device_id(text: str) -> UUID:
    """Raises PolicyRefused for what is none."""
    try:
        return UUID(text)
    except ValueError:
        raise PolicyRefused("MALFORMED", f"{text[:50]!r} is no id of a device") from None


def advert_message(one: Advert) -> pb.KeyAdvert:
    """To the wire."""
    return pb.KeyAdvert(
        device_id=str(one.device_id),
        identity_key=one.identity_key,
        cipher_key=one.cipher_key,
        mask_key=one.mask_key,
        signature=one.signature,
    )


def advert(one: pb.KeyAdvert) -> Advert:
    """From the wire."""
    return Advert(
        device_id=device_id(one.device_id),
        identity_key=one.identity_key,
        cipher_key=one.cipher_key,
        mask_key=one.mask_key,
        signature=one.signature,
    )


def shares_message(one: EncryptedShare) -> pb.EncryptedShares:
    """To the wire."""
    return pb.EncryptedShares(from_device_id=str(one.from_device_id), to_device_id=str(one.to_device_id), ciphertext=one.ciphertext)


def shares(one: pb.EncryptedShares) -> EncryptedShare:
    """From the wire."""
    return EncryptedShare(device_id(one.from_device_id), device_id(one.to_device_id), one.ciphertext)


def unmask_message(one: UnmaskShare) -> pb.UnmaskShare:
    """To the wire."""
    return pb.UnmaskShare(device_id=str(one.device_id), kind=KINDS[one.kind], value=one.value)


def header(round_id: UUID, model_version: int, payload: bytes, encoding: pb.UpdateEncoding, example_count: int) -> pb.UpdateHeader:
    """What is uploaded."""
    return pb.UpdateHeader(
        round_id=str(round_id),
        model_version=model_version,
        content_hash=hashlib.sha256(payload).hexdigest(),
        size_bytes=len(payload),
        encoding=encoding,
        example_count=example_count,
    )


def terms(assignment: pb.Assignment) -> bytes:
    """What all devices of the round must have been told alike."""
    plan = assignment.plan
    private = plan.privacy
    hashes = {part.name: part.content_hash for part in assignment.model_parts}
    return terms_hash(
        model_version=assignment.model_version,
        encoder_hash=hashes["encoder"],
        head_hash=hashes["head"],
        epochs=plan.epochs,
        learning_rate=plan.learning_rate,
        batch_size=plan.batch_size,
        proximal_mu=plan.proximal_mu if plan.algorithm == round_pb2.ALGORITHM_FEDPROX else 0.0,
        weight_cap=plan.weight_cap,
        quantization_scale=plan.secure_aggregation.quantization_scale,
        clip_norm=private.clip_norm,
        noise_multiplier=private.noise_multiplier,
        noise_contributor_count=private.noise_contributor_count,
        example_noise_multiplier=private.example_noise_multiplier,
        example_clip_norm=private.example_clip_norm,
    )
