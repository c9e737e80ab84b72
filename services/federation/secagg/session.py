"""A device's side of one round."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Protocol
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.federation.secagg.adverts import Advert, check_advert, sign_advert
from services.federation.secagg.group import Group
from services.federation.secagg.masks import adds, agree, mask_words, pair_mask_key, self_mask_key
from services.federation.secagg.parameters import MAX_DEVICES, Parameters
from services.federation.secagg.quantize import Words, pack
from services.federation.secagg.refusals import Reason, Refused
from services.federation.secagg.shamir import SECRET_BYTES, split
from services.federation.secagg.shares import EncryptedShare, SecretShares, ShareKind, UnmaskShare, seal, share_key, unseal


class Pins(Protocol):
    """Identity keys of other devices, remembered from the first time that they were seen."""

    def check(self, device_id: UUID, identity_key: bytes) -> None:
        """Raises Refused with reason IDENTITY_CHANGED where another key is remembered for that device."""


class _Step(IntEnum):
    ADVERTISE = 1
    SHARE = 2
    MASK = 3
    CONFIRM = 4
    UNMASK = 5
    OVER = 6


class DeviceSession:
    """One round of one device: its five steps, each once and in this order. Whatever is odd raises Refused, and the session is over then:
    nothing more can be had from it."""

    def __init__(self, parameters: Parameters, device_id: UUID, identity_key: Ed25519PrivateKey, pins: Pins) -> None:
        self._parameters = parameters
        self._id = device_id
        self._identity = identity_key
        self._pins = pins
        self._step = _Step.ADVERTISE
        self._cipher_key = X25519PrivateKey.generate()
        self._mask_key = X25519PrivateKey.generate()
        self._seed = secrets.token_bytes(SECRET_BYTES)
        self._advert: Advert
        self._group: Group
        self._held: dict[UUID, SecretShares] = {}
        """Shares of secrets of its neighbourhood, of its own among them."""
        self._contributors: frozenset[UUID]

    def advertise(self) -> Advert:
        """Its keys for this round, for all."""
        with self._taking(_Step.ADVERTISE):
            self._advert = sign_advert(
                self._parameters.round_id,
                self._id,
                self._identity,
                cipher_key=self._cipher_key.public_key().public_bytes_raw(),
                mask_key=self._mask_key.public_key().public_bytes_raw(),
            )
            return self._advert

    def share(self, adverts: Sequence[Advert], threshold: int) -> list[EncryptedShare]:
        """Shares of its secrets, one message for each neighbour. `adverts`: of all devices of its group, its own among them."""
        with self._taking(_Step.SHARE):
            self._group = group = self._checked(adverts)
            if threshold != group.threshold:
                message = f"{threshold} devices shall open a secret; of {len(group.near[self._id])} it takes {group.threshold}."
                raise Refused(Reason.THRESHOLD_INVALID, message)
            holders = sorted(group.near[self._id], key=group.points.__getitem__)
            points = [group.points[holder] for holder in holders]
            seeds = split(self._seed, threshold, points)
            mask_keys = split(self._mask_key.private_bytes_raw(), threshold, points)
            sealed = []
            for holder, *pair in zip(holders, seeds, mask_keys, strict=True):
                shares = SecretShares(*pair)
                if holder == self._id:
                    self._held[holder] = shares
                else:
                    sealed.append(seal(self._share_key(self._id, holder), self._parameters.round_id, self._id, holder, shares))
            return sealed

    def mask(self, shares: Sequence[EncryptedShare], words: Words) -> bytes:
        """The vector `words` [length] under its masks, as it is uploaded. `shares`: what its neighbours made for it; who made none takes no
        further part."""
        with self._taking(_Step.MASK):
            group, parameters = self._group, self._parameters
            if words.dtype != np.uint32 or words.shape != (parameters.length,) or int(words.max()) >> parameters.word_bits:
                raise Refused(Reason.WORDS_INVALID, f"A vector is {parameters.length} words of {parameters.word_bits} bits, as uint32.")
            for share in shares:
                if share.to_device_id != self._id or share.from_device_id not in group.near[self._id] or share.from_device_id in self._held:
                    raise Refused(Reason.SHARE_INVALID, f"Device {share.from_device_id} has no share, or no second one, for this device.")
                key = self._share_key(share.from_device_id, self._id)
                self._held[share.from_device_id] = unseal(key, parameters.round_id, share)
            if len(self._held) < group.threshold:
                raise Refused(Reason.TOO_FEW_SHARES, f"{len(self._held)} of its neighbourhood go on; it takes {group.threshold}.")
            masked = words + mask_words(self_mask_key(self._seed, group.hash, self._id), parameters)
            for other in self._held.keys() - {self._id}:
                secret = _agreed(self._mask_key, group.adverts[other].mask_key, other)
                mask = mask_words(pair_mask_key(secret, group.hash, self._id, other), parameters)
                (np.add if adds(self._id, other) else np.subtract)(masked, mask, out=masked)
            return pack(masked, parameters.word_bits)

    def confirm(self, contributor_ids: Sequence[UUID]) -> bytes:
        """Its signature over who has contributed: enough devices, itself among them, none of its neighbours that it has no mask with, and
        all tied together by masks."""
        with self._taking(_Step.CONFIRM):
            group, contributors = self._group, frozenset(contributor_ids)
            near = contributors & group.near[self._id]
            if len(contributors) != len(contributor_ids) or not contributors <= group.adverts.keys() or self._id not in contributors:
                raise Refused(Reason.CONTRIBUTORS_INVALID, "The contributors are not devices of this group, or this one is not among them.")
            if not near <= self._held.keys():
                raise Refused(Reason.CONTRIBUTORS_INVALID, "A neighbour is said to have contributed that never handed over its shares.")
            if len(contributors) < group.fewest or len(near) < group.threshold:
                counts = f"{len(contributors)} devices have contributed, {len(near)} of them near this one"
                raise Refused(Reason.TOO_FEW_CONTRIBUTORS, f"{counts}; it takes {group.fewest} and {group.threshold}.")
            if not group.ties(contributors):
                raise Refused(Reason.CONTRIBUTORS_INVALID, "The contributors fall apart: sums of parts of them could be opened.")
            self._contributors = contributors
            return group.sign_contributors(self._identity, contributors)

    def unmask(self, confirmations: Mapping[UUID, bytes]) -> list[UnmaskShare]:
        """One share for each of its neighbourhood that handed over shares, itself included: of the own mask of one that has contributed, of
        the mask key of one that has not. `confirmations`: signatures of contributors, which must all be over the list that this device has
        confirmed."""
        with self._taking(_Step.UNMASK):
            group = self._group
            if not confirmations.keys() <= self._contributors:
                raise Refused(Reason.CONFIRMATION_INVALID, "Somebody confirms that is no contributor.")
            for device, signature in confirmations.items():
                group.check_confirmation(device, signature, self._contributors)
            agreeing = confirmations.keys() | {self._id}
            near = len(agreeing & group.near[self._id])
            if len(agreeing) < group.quorum or near < group.threshold:
                counts = f"{len(agreeing)} devices confirm who has contributed, {near} of them near this one"
                raise Refused(Reason.TOO_FEW_CONFIRMATIONS, f"{counts}; it takes {group.quorum} and {group.threshold}.")
            return [
                UnmaskShare(device, ShareKind.SELF_MASK_SEED, held.seed)
                if device in self._contributors
                else UnmaskShare(device, ShareKind.MASK_KEY, held.mask_key)
                for device, held in sorted(self._held.items(), key=lambda item: item[0].bytes)
            ]

    @contextmanager
    def _taking(self, step: _Step) -> Iterator[None]:
        """One step. What goes wrong in it ends the session; what is asked for at another time does not."""
        if self._step is not step:
            wanted = "is over" if self._step is _Step.OVER else f"comes to {self._step.name.lower()} next"
            raise Refused(Reason.OUT_OF_ORDER, f"This session {wanted}; it cannot {step.name.lower()}.")
        self._step = _Step.OVER
        try:
            yield
        except BaseException:
            self._forget()
            raise
        self._step = _Step(step + 1)
        if self._step is _Step.OVER:
            self._forget()

    def _forget(self) -> None:
        """Lets the secrets of the round go."""
        self._held.clear()
        self._seed = b""
        del self._cipher_key, self._mask_key

    def _checked(self, adverts: Sequence[Advert]) -> Group:
        if len(adverts) > MAX_DEVICES:
            raise Refused(Reason.PARAMETERS_INVALID, f"{len(adverts)} devices are more than a group has.")
        group = Group(self._parameters, adverts)
        own = group.adverts.get(self._id)
        if own is None or not hmac.compare_digest(_bytes(own), _bytes(self._advert)):
            raise Refused(Reason.OWN_ADVERT_ALTERED, "This device's own keys are not in the list as it has said them.")
        if len(group.adverts) < self._parameters.least_contributors:
            message = f"{len(group.adverts)} devices take part; it takes {self._parameters.least_contributors}."
            raise Refused(Reason.TOO_FEW_DEVICES, message)
        others = [advert for advert in group.adverts.values() if advert is not own]
        for advert in others:
            check_advert(self._parameters.round_id, advert)
        for advert in others:
            self._pins.check(advert.device_id, advert.identity_key)
        return group

    def _share_key(self, from_id: UUID, to_id: UUID) -> bytes:
        other = to_id if from_id == self._id else from_id
        return share_key(_agreed(self._cipher_key, self._group.adverts[other].cipher_key, other), self._group.hash, from_id, to_id)


def _agreed(own: X25519PrivateKey, other: bytes, device_id: UUID) -> bytes:
    try:
        return agree(own, other)
    except ValueError:
        raise Refused(Reason.ADVERT_INVALID, f"A key of device {device_id} is none.") from None


def _bytes(advert: Advert) -> bytes:
    return advert.device_id.bytes + advert.identity_key + advert.cipher_key + advert.mask_key + advert.signature
