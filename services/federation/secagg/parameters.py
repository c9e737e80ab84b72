"""The numbers of one round's secure aggregation, the same for all of its devices."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from services.federation.secagg.refusals import Reason, Refused

WORD_BITS = (16, 24, 32)
MAX_PAYLOAD_BYTES = 5 * 1024 * 1024
MAX_DEVICES = 10_000
"""In one group."""
_LEAST_OPENERS = 10
_TERMS = b"scale.federation.v1 terms\n"


def threshold_of(size: int) -> int:
    """More than two thirds: so many of `size` devices open a secret, and no two such sets are without an honest device in both as long as
    less than a third of them are dishonest."""
    return 2 * size // 3 + 1


def terms_hash(
    *,
    model_version: int,
    encoder_hash: str,
    head_hash: str,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    proximal_mu: float,
    weight_cap: int,
    quantization_scale: float,
    clip_norm: float,
    noise_multiplier: float,
    noise_contributor_count: int,
    example_noise_multiplier: float,
    example_clip_norm: float,
) -> bytes:
    """What else every device of a round must have been told alike, as 32 bytes: a device counts on the noise of the others, and that they
    train what it trains; or their updates could be made nothing, and the sum be its own. The numbers of a round without privacy are 0."""
    model = struct.pack(">Q64s64s", model_version, encoder_hash.encode(), head_hash.encode())
    training = struct.pack(">IIIdd", epochs, batch_size, weight_cap, learning_rate, proximal_mu)
    privacy = struct.pack(
        ">dddIdd",
        quantization_scale,
        clip_norm,
        noise_multiplier,
        noise_contributor_count,
        example_noise_multiplier,
        example_clip_norm,
    )
    return sha256(_TERMS + model + training + privacy).digest()


@dataclass(frozen=True, slots=True)
class Parameters:
    """Raises Refused with reason PARAMETERS_INVALID."""

    round_id: UUID
    word_bits: int
    """16, 24 or 32."""
    length: int
    """Words of a vector, the weight among them."""
    complete_graph_limit: int
    """More devices than this talk to `neighbor_count` others each instead of all."""
    neighbor_count: int
    """Even, and so large that it takes `least_openers` to open a secret."""
    least_contributors: int
    """No sum of fewer is opened: the plan's count of contributors to the noise. A device takes part in no round in which it is below 10."""
    terms: bytes = bytes(32)
    """`terms_hash` on both sides, or nothing on both."""

    def __post_init__(self) -> None:
        def refuse(message: str) -> Refused:
            return Refused(Reason.PARAMETERS_INVALID, message)

        if self.word_bits not in WORD_BITS:
            raise refuse(f"Words have 16, 24 or 32 bits, not {self.word_bits}.")
        if self.length < 1 or self.payload_bytes > MAX_PAYLOAD_BYTES:
            raise refuse(f"{self.length} words of {self.word_bits} bits are none, or more than {MAX_PAYLOAD_BYTES} bytes.")
        if self.least_contributors < 2:
            raise refuse("The sum of one vector is that vector.")
        if self.complete_graph_limit < 1 or self.neighbor_count < 2 or self.neighbor_count % 2:
            raise refuse("The number of neighbours is even, and the limit of the complete graph positive.")
        if (openers := threshold_of(self.neighbor_count + 1)) < self.least_openers:
            raise refuse(f"With {self.neighbor_count} neighbours {openers} devices can open a secret; it must take {self.least_openers}.")
        if len(self.terms) != 32:
            raise refuse("The hash of the terms has 32 bytes.")

    @property
    def least_openers(self) -> int:
        """So many devices must be there to open a sum: ten, or `least_contributors` where that is less."""
        return min(self.least_contributors, _LEAST_OPENERS)

    @property
    def payload_bytes(self) -> int:
        """Size of a masked vector."""
        return self.length * self.word_bits // 8
