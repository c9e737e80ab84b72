"""Above a size each device has so many neighbours, in an order that nobody chooses, and that everybody can work out."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from services.federation.secagg.graph import connected, neighbourhoods

IDS = sorted((uuid4() for _ in range(20)), key=lambda device: device.bytes)


def near(seed: bytes = bytes(32), *, limit: int = 10, count: int = 6, ids: list[UUID] = IDS) -> dict[UUID, frozenset[UUID]]:
    return neighbourhoods(ids, seed, complete_graph_limit=limit, neighbor_count=count)


def test_up_to_the_limit_everybody_is_near_everybody() -> None:
    assert set(near(limit=20).values()) == {frozenset(IDS)}
    assert set(near(limit=1, count=20).values()) == {frozenset(IDS)}  # as many neighbours as there are devices


def test_above_it_each_has_as_many_neighbours_both_ways() -> None:
    found = near()
    for device, around in found.items():
        assert len(around) == 7
        assert device in around
        assert all(device in found[other] for other in around)


def test_the_order_comes_from_the_seed() -> None:
    assert near() == near(ids=IDS[::-1])
    assert near() != near(bytes(31) + b"\x01")


def test_with_some_devices_gone_it_holds_together_until_a_gap_is_as_wide_as_half_a_neighbourhood() -> None:
    found = near(count=4)
    ring = [IDS[0]]
    while len(ring) < len(IDS):  # next to each other are those with three others in common
        ring.append(next(d for d in found[ring[-1]] if d not in ring and len(found[d] & found[ring[-1]]) == 4))
    assert connected(found, ring)
    assert connected(found, ring[1:9] + ring[10:])
    assert connected(found, ring[2:])  # one gap: round the other way
    assert not connected(found, ring[2:9] + ring[11:])
    assert connected(found, [])


@pytest.mark.parametrize("size", [11, 12, 50, 333])
def test_every_size_works(size: int) -> None:
    ids = [uuid4() for _ in range(size)]
    found = near(ids=ids)
    assert {len(around) for around in found.values()} == {7}
    assert connected(found, ids)
