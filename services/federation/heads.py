"""The trained part of the model between its file and its numbers, without the network that it belongs to.

The layout is that of safetensors, as models/federated/head.py writes and checks it; here only the numbers of the one tensor are taken out
or replaced.
"""

from __future__ import annotations

import json

import numpy as np

from services.federation.protocols import Floats
from services.kit.errors import FailedPrecondition

_LENGTH_BYTES = 8


class SafetensorsHeads:
    """`HeadCodec`."""

    def vector(self, head: bytes) -> Floats:
        """See `HeadCodec`. Raises FailedPrecondition for a file that is none."""
        return np.frombuffer(head, "<f4", offset=_start(head)).astype(np.float32)

    def with_vector(self, head: bytes, vector: Floats) -> bytes:
        """See `HeadCodec`. Raises FailedPrecondition for a file that is none, ValueError for another number of numbers."""
        start = _start(head)
        if vector.nbytes != len(head) - start or vector.dtype != np.float32:
            raise ValueError(f"{vector.size} numbers for a head of {(len(head) - start) // 4}")
        return head[:start] + vector.astype("<f4").tobytes()


def _start(head: bytes) -> int:
    """Where the numbers begin."""
    start = _LENGTH_BYTES + int.from_bytes(head[:_LENGTH_BYTES], "little")
    try:
        header = json.loads(head[_LENGTH_BYTES:start])
        (tensor,) = [one for name, one in header.items() if name != "__metadata__"]
        if tensor["dtype"] == "F32" and tensor["data_offsets"] == [0, len(head) - start]:
            return start
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise FailedPrecondition("The newest version of the federated model has a head that cannot be read.", reason="MODEL_INVALID")
