"""Who is whose neighbour: devices share secrets and masks with these.

Up to a size everybody with everybody. Above it each device with `neighbor_count` others (Bell et al. 2020): those next to it, on both
sides, in a ring whose order comes from the hash of all adverts. So nobody can choose whose neighbour he is before all keys are said, and
everybody can work out the whole graph.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from uuid import UUID

_ORDER = b"scale.federation.v1 order\n"


def neighbourhoods(ids: Sequence[UUID], seed: bytes, *, complete_graph_limit: int, neighbor_count: int) -> dict[UUID, frozenset[UUID]]:
    """Each device's neighbours and itself."""
    if len(ids) <= max(complete_graph_limit, neighbor_count + 1):
        everybody = frozenset(ids)
        return dict.fromkeys(ids, everybody)
    ring = sorted(ids, key=lambda device: sha256(_ORDER + seed + device.bytes).digest())
    half = neighbor_count // 2
    return {device: frozenset(ring[(place + step) % len(ring)] for step in range(-half, half + 1)) for place, device in enumerate(ring)}


def connected(near: Mapping[UUID, frozenset[UUID]], devices: Collection[UUID]) -> bool:
    """Whether the masks between `devices` tie all of them together: apart, the sum of each part could be opened for itself."""
    left = set(devices)
    reached = [left.pop()] if left else []
    while reached:
        found = near[reached.pop()] & left
        left -= found
        reached.extend(found)
    return not left
