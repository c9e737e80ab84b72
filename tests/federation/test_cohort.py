"""Who is there."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.federation.cohort import Availability, asked_for
from services.federation.domain import DeviceIdentity


def device(user: int, number: int = 0) -> DeviceIdentity:
    return DeviceIdentity(UUID(int=user), UUID(int=number), b"")


@pytest.mark.parametrize(("target", "asked"), [(10, 13), (11, 15), (12, 16), (30, 39), (77, 101), (1, 10)])
def test_a_third_more_than_wanted_is_asked(target: int, asked: int) -> None:
    assert asked_for(target) == asked


def test_users_are_there_for_a_while_however_many_devices_they_have() -> None:
    now = [0.0]
    there = Availability(60, lambda: now[0])

    there.note(device(1))
    there.note(device(1, 2))
    now[0] = 30
    there.note(device(2))
    assert there.count == 2
    now[0] = 61
    assert there.count == 1
    there.note(device(2), spent=True)
    assert (there.count, there.asking_count) == (0, 1)
    there.note(device(2))
    assert there.count == 1
    there.forget(device(2).user_id)
    assert there.asking_count == 0
    there.note(device(3), spent=True)
    now[0] = 200
    assert (there.count, there.asking_count) == (0, 0)
