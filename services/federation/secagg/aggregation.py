"""The coordinator's side of one group of one round."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.federation.secagg.adverts import Advert, check_advert
from services.federation.secagg.group import Group
from services.federation.secagg.masks import adds, agree, mask_words, pair_mask_key, self_mask_key
from services.federation.secagg.parameters import MAX_DEVICES, Parameters
from services.federation.secagg.quantize import Integers, Words, centred, unpack
from services.federation.secagg.refusals import Reason, Refused, Stage, TooFew
from services.federation.secagg.shamir import combine, repair, to_number
from services.federation.secagg.shares import CIPHERTEXT_BYTES, EncryptedShare, ShareKind, UnmaskShare


class GroupAggregation:
    """One group of devices, stage by stage. What a device sends raises Refused where it is against the protocol, and changes nothing then;
    the same again is harmless. Closing a stage raises TooFew where too few are left, and may be tried again. One call at a time."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._stage: Stage | None = Stage.ADVERTISING
        self._adverts: dict[UUID, Advert] = {}
        self._group: Group
        self._shares: dict[UUID, dict[UUID, EncryptedShare]] = {}
        """By maker, then by the one that they are for; gone once they are handed on."""
        self._sharers: frozenset[UUID]
        self._sum: Words = np.zeros(parameters.length, np.uint32)
        self._contributors: dict[UUID, bytes] = {}
        """Hashes of what they sent."""
        self._confirmations: dict[UUID, bytes] = {}
        self._opened: dict[UUID, dict[UUID, UnmaskShare]] = {}
        """By giver, then by whose secret it is."""
        self._misfits: dict[UUID, set[UUID]] = {}

    def add_advert(self, advert: Advert) -> None:
        """A device's keys. That the identity key is the enrolled one is the caller's to check."""
        self._during(Stage.ADVERTISING)
        if self._repeated(self._adverts.get(advert.device_id), advert):
            return
        if len(self._adverts) >= MAX_DEVICES:
            raise Refused(Reason.PARAMETERS_INVALID, f"A group has {MAX_DEVICES} devices at most.")
        check_advert(self._parameters.round_id, advert)
        self._adverts[advert.device_id] = advert

    def close_adverts(self) -> tuple[list[Advert], int]:
        """The adverts of all, in the order of their ids, and the threshold. Raises Refused where two devices have said the same key."""
        self._during(Stage.ADVERTISING)
        self._enough(len(self._adverts), self._parameters.least_contributors)
        self._group = Group(self._parameters, self._adverts.values())
        self._stage = Stage.SHARING
        return list(self._group.adverts.values()), self._group.threshold

    def add_shares(self, from_id: UUID, shares: Sequence[EncryptedShare]) -> None:
        """What a device made for its neighbours: one message for each."""
        self._during(Stage.SHARING)
        self._known(from_id, self._group.adverts)
        made = {share.to_device_id: share for share in shares}
        if self._repeated(self._shares.get(from_id), made):
            return
        fits = all(share.from_device_id == from_id and len(share.ciphertext) == CIPHERTEXT_BYTES for share in shares)
        if not fits or len(made) != len(shares) or made.keys() != self._group.near[from_id] - {from_id}:
            raise Refused(Reason.SHARE_INVALID, f"Device {from_id} makes one message of {CIPHERTEXT_BYTES} bytes for each neighbour.")
        self._shares[from_id] = made

    def close_shares(self) -> dict[UUID, list[EncryptedShare]]:
        """What is for each device that goes on: those that handed over shares themselves. The others are out."""
        self._during(Stage.SHARING)
        self._enough(len(self._shares), self._group.fewest)
        self._sharers = sharers = frozenset(self._shares)
        self._openable(sharers)
        makers = {device: sorted((sharers & self._group.near[device]) - {device}, key=_order) for device in sorted(sharers, key=_order)}
        handed = {device: [self._shares[maker][device] for maker in near] for device, near in makers.items()}
        self._shares.clear()
        self._stage = Stage.UPLOADING
        return handed

    def add_masked(self, device_id: UUID, payload: bytes) -> None:
        """A masked vector; it is added to the sum and forgotten."""
        self._during(Stage.UPLOADING)
        self._known(device_id, self._sharers)
        if len(payload) != self._parameters.payload_bytes:
            message = f"A masked vector has {self._parameters.payload_bytes} bytes, not {len(payload)}."
            raise Refused(Reason.WORDS_INVALID, message)
        digest = sha256(payload).digest()
        if self._repeated(self._contributors.get(device_id), digest):
            return
        np.add(self._sum, unpack(payload, self._parameters.word_bits), out=self._sum)
        self._contributors[device_id] = digest

    def close_masked(self) -> list[UUID]:
        """The contributors, in order."""
        self._during(Stage.UPLOADING)
        self._enough(len(self._contributors), self._group.fewest)
        self._openable(self._contributors)
        self._stage = Stage.CONFIRMING
        return sorted(self._contributors, key=_order)

    def add_confirmation(self, device_id: UUID, signature: bytes) -> None:
        """A contributor's word on who has contributed."""
        self._during(Stage.CONFIRMING)
        self._known(device_id, self._contributors)
        if self._repeated(self._confirmations.get(device_id), signature):
            return
        self._group.check_confirmation(device_id, signature, self._contributors)
        self._confirmations[device_id] = signature

    def close_confirmations(self) -> dict[UUID, bytes]:
        """The signatures, by device."""
        self._during(Stage.CONFIRMING)
        self._enough(len(self._confirmations), self._group.quorum)
        self._openable(self._confirmations)
        self._stage = Stage.UNMASKING
        return dict(sorted(self._confirmations.items(), key=lambda item: _order(item[0])))

    def add_unmask(self, device_id: UUID, shares: Sequence[UnmaskShare]) -> None:
        """What takes the masks off: for each of its neighbourhood a share of one secret, and of the right one."""
        self._during(Stage.UNMASKING)
        self._known(device_id, self._confirmations)
        given = {share.device_id: share for share in shares}
        if self._repeated(self._opened.get(device_id), given):
            return
        wanted = {device: self._wanted(device) for device in self._sharers & self._group.near[device_id]}
        if len(given) != len(shares) or {device: share.kind for device, share in given.items()} != wanted:
            message = (
                f"Device {device_id} gives a share of each one near: of a contributor's own mask, of the mask key of one that was late."
            )
            raise Refused(Reason.UNMASKING_INVALID, message)
        try:
            for share in shares:
                to_number(share.value)
        except ValueError as error:
            raise Refused(Reason.UNMASKING_INVALID, f"Device {device_id}: {error}.") from None
        self._opened[device_id] = given

    def enough_to_unmask(self) -> bool:
        """Whether `sum` can be had."""
        try:
            self._during(Stage.UNMASKING)
            self._enough(len(self._opened), self._parameters.least_openers)
            self._openable(self._opened)
        except (TooFew, Refused):
            return False
        return True

    def sum(self) -> Integers:
        """The contributors' vectors added up [length], signed. Some wrong shares do no harm (`misfits`). Raises TooFew, and Refused where a
        secret cannot be had. Only once."""
        self._during(Stage.UNMASKING)
        self._enough(len(self._opened), self._parameters.least_openers)
        self._openable(self._opened)
        secrets = {device: self._secret(device) for device in self._sharers}
        self._stage = None
        self._opened.clear()
        for device, secret in secrets.items():
            for mask, added in self._own_mask(device, secret) if device in self._contributors else self._masks_left(device, secret):
                (np.subtract if added else np.add)(self._sum, mask, out=self._sum)
        return centred(self._sum & np.uint32((1 << self._parameters.word_bits) - 1), self._parameters.word_bits)

    @property
    def misfits(self) -> Mapping[UUID, Collection[UUID]]:
        """Devices whose shares did not fit when the sum was opened, and of whose secrets those were: the one or the other has lied."""
        return self._misfits

    def _own_mask(self, device: UUID, seed: bytes) -> Iterator[tuple[Words, bool]]:
        """A contributor's own mask, and that it is in the sum as it is."""
        yield mask_words(self_mask_key(seed, self._group.hash, device), self._parameters), True

    def _masks_left(self, late: UUID, private: bytes) -> Iterator[tuple[Words, bool]]:
        """The masks that contributors share with a device that was late, and whether they have added them."""
        key = X25519PrivateKey.from_private_bytes(private)
        for device in sorted(self._group.near[late] & self._contributors.keys(), key=_order):
            secret = agree(key, self._group.adverts[device].mask_key)
            yield mask_words(pair_mask_key(secret, self._group.hash, device, late), self._parameters), adds(device, late)

    def _secret(self, device: UUID) -> bytes:
        """A contributor's seed, or the mask key of a device that was late."""
        kind, points = self._wanted(device), self._group.points
        givers = sorted(self._group.near[device] & self._opened.keys(), key=_order)
        shares = {points[giver]: self._opened[giver][device].value for giver in givers}
        try:
            secret, wrong = self._combined(givers, shares)
        except ValueError as error:
            raise Refused(Reason.UNMASKING_INVALID, f"The secret of device {device} cannot be opened: {error}.") from None
        for giver in givers:
            if points[giver] in wrong:
                self._misfits.setdefault(giver, set()).add(device)
        if kind is ShareKind.MASK_KEY:
            public = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
            if not hmac.compare_digest(public, self._group.adverts[device].mask_key):
                raise Refused(Reason.UNMASKING_INVALID, f"What was opened is not the mask key of device {device}.")
        return secret

    def _combined(self, givers: Sequence[UUID], shares: Mapping[int, bytes]) -> tuple[bytes, frozenset[int]]:
        """A secret, and the points of shares that do not fit it; the first are enough where they fit. Raises ValueError."""
        points, threshold = self._group.points, self._group.threshold
        try:
            return combine({points[giver]: shares[points[giver]] for giver in givers[:threshold]}), frozenset()
        except ValueError:
            # Those whose shares did not fit elsewhere are the first to be left out.
            trusted = sorted(givers, key=lambda giver: len(self._misfits.get(giver, ())))
            return repair({points[giver]: shares[points[giver]] for giver in trusted}, threshold)

    def _wanted(self, device: UUID) -> ShareKind:
        return ShareKind.SELF_MASK_SEED if device in self._contributors else ShareKind.MASK_KEY

    def _openable(self, left: Iterable[UUID]) -> None:
        """Raises TooFew unless those left can open a secret of each device that handed over shares."""
        holders = frozenset(left)
        self._enough(min(len(self._group.near[device] & holders) for device in self._sharers), self._group.threshold, near=True)

    def _during(self, stage: Stage) -> None:
        if self._stage is not stage:
            now = self._stage.value if self._stage else "over"
            raise Refused(Reason.OUT_OF_ORDER, f"This is for the stage {stage.value}; the group is {now}.")

    def _enough(self, left: int, needed: int, *, near: bool = False) -> None:
        if left < needed:
            raise TooFew(self._stage or Stage.UNMASKING, left, needed, near=near)

    def _known(self, device_id: UUID, devices: Iterable[UUID]) -> None:
        if device_id not in devices:
            raise Refused(Reason.UNKNOWN_DEVICE, f"Device {device_id} does not take part, or no longer.")

    def _repeated(self, before: object, now: object) -> bool:
        """Whether it has been said already, and the same."""
        if before is not None and before != now:
            raise Refused(Reason.ALREADY_SENT, "This device has said something else in this stage.")
        return before is not None


def _order(device: UUID) -> bytes:
    return device.bytes
