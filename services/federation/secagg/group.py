"""What all devices of a group work out alike from the adverts of the group."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from functools import cached_property
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.federation.secagg.adverts import Advert
from services.federation.secagg.graph import connected, neighbourhoods
from services.federation.secagg.parameters import Parameters, threshold_of
from services.federation.secagg.refusals import Reason, Refused

_GROUP = b"scale.federation.v1 group\n"
_CONTRIBUTORS = b"scale.federation.v1 contributors\n"


class Group:
    """The devices of one group of one round, in the order of their ids. Signatures are checked elsewhere. Raises Refused with reason
    DUPLICATE_DEVICE where a device or a key is there twice."""

    def __init__(self, parameters: Parameters, adverts: Iterable[Advert]) -> None:
        self.parameters = parameters
        in_order = sorted(adverts, key=lambda advert: advert.device_id.bytes)
        self.adverts = {advert.device_id: advert for advert in in_order}
        keys = {key for advert in in_order for key in (advert.identity_key, advert.cipher_key, advert.mask_key)}
        if len(self.adverts) != len(in_order) or len(keys) != 3 * len(in_order):
            raise Refused(Reason.DUPLICATE_DEVICE, "A device, or a key, is in the list twice.")
        self.points = {device: point for point, device in enumerate(self.adverts, start=1)}

    @cached_property
    def hash(self) -> bytes:
        """Of the round's numbers and of all adverts: 32 bytes, the same for all who were told the same."""
        numbers = self.parameters
        head = struct.pack(
            ">IIIIII",
            numbers.word_bits,
            numbers.length,
            numbers.complete_graph_limit,
            numbers.neighbor_count,
            numbers.least_contributors,
            len(self.adverts),
        )
        said = b"".join(
            advert.device_id.bytes + advert.identity_key + advert.cipher_key + advert.mask_key + advert.signature
            for advert in self.adverts.values()
        )
        return sha256(_GROUP + numbers.round_id.bytes + numbers.terms + head + said).digest()

    @cached_property
    def near(self) -> dict[UUID, frozenset[UUID]]:
        """Each device's neighbours and itself."""
        numbers = self.parameters
        return neighbourhoods(
            list(self.adverts),
            self.hash,
            complete_graph_limit=numbers.complete_graph_limit,
            neighbor_count=numbers.neighbor_count,
        )

    @property
    def threshold(self) -> int:
        """So many of a neighbourhood open a secret."""
        return threshold_of(len(next(iter(self.near.values()))))

    @property
    def quorum(self) -> int:
        """So many of the whole group must say the same: two lists of contributors cannot both have that."""
        return max(threshold_of(len(self.adverts)), self.parameters.least_openers)

    @property
    def fewest(self) -> int:
        """So many must contribute."""
        return max(self.quorum, self.parameters.least_contributors)

    def ties(self, devices: Collection[UUID]) -> bool:
        """Whether the masks between these tie all of them together."""
        return connected(self.near, devices)

    def sign_contributors(self, identity_key: Ed25519PrivateKey, contributors: Collection[UUID]) -> bytes:
        """A device's word that these have contributed."""
        return identity_key.sign(self.contributors_message(contributors))

    def check_confirmation(self, device_id: UUID, signature: bytes, contributors: Collection[UUID]) -> None:
        """Raises Refused where that is not the device's word on these contributors."""
        key = Ed25519PublicKey.from_public_bytes(self.adverts[device_id].identity_key)
        try:
            key.verify(signature, self.contributors_message(contributors))
        except InvalidSignature:
            message = f"What device {device_id} is said to have signed is not this list of contributors."
            raise Refused(Reason.CONFIRMATION_INVALID, message) from None

    def contributors_message(self, contributors: Collection[UUID]) -> bytes:
        """What a device signs when it confirms them."""
        ids = sorted(device.bytes for device in contributors)
        return _CONTRIBUTORS + self.parameters.round_id.bytes + self.hash + struct.pack(">I", len(ids)) + b"".join(ids)
