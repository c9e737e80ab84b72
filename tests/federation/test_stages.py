"""One open round as a barrier, without wire and database: who is waited for, who is not, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import numpy as np
import pytest
import uuid_utils.compat
from structlog.testing import capture_logs

from services.federation import collecting, metrics
from services.federation.domain import (
    Algorithm,
    DeviceIdentity,
    Round,
    RoundPlan,
    RoundStage,
    RoundState,
    SecureAggregationPlan,
    Trigger,
)
from services.federation.grid import Reply
from services.federation.members import Member
from services.federation.protocols import Ordered, RoundTimes
from services.federation.secagg import Reason, Refused, Stage, TooFew
from services.federation.stages import GivenUp, OpenRound
from services.federation.sums import MaskedSums, parameters_of
from services.kit.errors import FailedPrecondition
from tests.federation.test_running import BASE

SHARING, UPLOADING, ADVERTISING = RoundStage.SHARING, RoundStage.UPLOADING, RoundStage.ADVERTISING
PLAN = RoundPlan(Algorithm.FEDMEDIAN, 1, 0.1, 32, 0.0, 0, 5, None, SecureAggregationPlan(16, 0.1, 32, 32, 1.0))


def device(number: int, user: int | None = None) -> DeviceIdentity:
    return DeviceIdentity(UUID(int=user if user is not None else 1000 + number), UUID(int=number), b"")


def open_round(*, groups: int = 1, target: int = 10, silence_s: float = 0.05, most: int = 100, available: int = 0) -> OpenRound:
    record = Round(uuid_utils.compat.uuid7(), 1, RoundState.OPEN, "", "", 3, None, PLAN, Trigger.ADMIN, datetime.now(UTC))
    ordered = Ordered(target, groups, RoundTimes(0.2, 0.2, 0.2), 1.0, promote=False)
    return OpenRound(record, BASE, ordered, most=most, available=available, silence_s=silence_s)


class Sums(MaskedSums):
    """`fails` at the end of a stage, or in the end."""

    def __init__(self, found: OpenRound, fails: dict[RoundStage, Exception] | None = None) -> None:
        super().__init__(parameters_of(found.record.id, BASE, PLAN), PLAN, 1)
        self.fails = fails or {}

    def close(self, stage: RoundStage) -> set[UUID] | None:
        if stage in self.fails:
            raise self.fails[stage]
        return None

    def total(self) -> Reply:
        if RoundStage.AGGREGATING in self.fails:
            raise self.fails[RoundStage.AGGREGATING]
        return Reply(1, np.zeros(5), 10.0, 10)


def test_devices_whose_shares_do_not_fit_are_named_whatever_comes_of_the_sum() -> None:
    class Spoiled:
        """A sum that cannot be opened."""

        misfits: ClassVar = {UUID(int=1): {UUID(int=3), UUID(int=2)}}

        def sum(self) -> None:
            raise Refused(Reason.UNMASKING_INVALID, "no")

    sums = MaskedSums(parameters_of(UUID(int=9), BASE, PLAN), PLAN, 1)
    sums._aggregation = Spoiled()  # type: ignore[assignment]
    before = metrics.MISFITS._value.get()
    with capture_logs() as logs, pytest.raises(Refused):
        sums.total()
    (said,) = logs
    assert (said["device_id"], said["of_devices"]) == (str(UUID(int=1)), [str(UUID(int=2)), str(UUID(int=3))])
    assert metrics.MISFITS._value.get() == before + 2


def with_members(found: OpenRound, count: int, groups: int, fails: Sequence[dict[RoundStage, Exception]] = ()) -> list[Member]:
    members = [found.join(device(number)) for number in range(count)]
    present = [member for member in members if member is not None]
    parts = iter([*fails, *[{}] * groups])
    found.divide([present[number::groups] for number in range(groups)], lambda _: Sums(found, next(parts)))
    return present


async def nothing(member: Member) -> None:
    """What a device sends, taken."""


async def everybody(found: OpenRound, members: Sequence[Member]) -> None:
    """All do all, as long as they may."""

    async def one(member: Member) -> None:
        for stage in list(RoundStage)[1:6]:
            try:
                await found.do(member.device, stage, b"said", nothing)
            except FailedPrecondition:
                return

    await asyncio.gather(*(one(member) for member in members))


async def collected(found: OpenRound, members: Sequence[Member]) -> list[Reply]:
    doing = asyncio.create_task(everybody(found, members))
    try:
        return await collecting.collect(found)
    finally:
        found.finish(RoundState.FAILED)
        await doing


async def test_groups_that_become_too_small_are_left_out_while_three_remain() -> None:
    found = open_round(groups=4)
    members = with_members(found, 44, 4)
    first = [member for member in members if member.group is found.groups[0]]
    there = [member for member in members if member not in first[:2]]

    replies = await collected(found, there)

    assert len(replies) == 3


@pytest.mark.parametrize(
    "fails",
    [
        {ADVERTISING: TooFew(Stage.ADVERTISING, 9, 10)},
        {UPLOADING: Refused(Reason.SHARE_INVALID, "no")},
        {RoundStage.AGGREGATING: ValueError("weigh too much")},
    ],
)
async def test_a_group_whose_sum_cannot_be_had_is_left_out_while_three_remain(fails: dict[RoundStage, Exception]) -> None:
    four, three = open_round(groups=4), open_round(groups=3)

    assert len(await collected(four, with_members(four, 44, 4, [fails]))) == 3
    with pytest.raises(GivenUp) as given_up:
        await collected(three, with_members(three, 33, 3, [fails]))
    assert given_up.value.reason == "TOO_FEW_CONTRIBUTORS"


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ({SHARING: TooFew(Stage.SHARING, 8, 9)}, "TOO_FEW_CONTRIBUTORS"),
        ({UPLOADING: Refused(Reason.SHARE_INVALID, "no")}, "SUM_INVALID"),
        ({RoundStage.AGGREGATING: ValueError("weigh too much")}, "SUM_INVALID"),
    ],
)
async def test_without_its_one_group_a_round_ends(fails: dict[RoundStage, Exception], reason: str) -> None:
    found = open_round()

    with pytest.raises(GivenUp) as given_up:
        await collected(found, with_members(found, 12, 1, [fails]))

    assert given_up.value.reason == reason


async def test_silent_devices_make_place_while_devices_are_looked_for_and_may_come_back() -> None:
    found = open_round(most=10, available=10)
    gone = found.join(device(1))
    assert gone is not None
    for number in range(2, 10):
        member = found.join(device(number))
        assert member is not None
        member.polls = 1

    selecting = asyncio.create_task(found.select())
    await asyncio.sleep(0.1)
    assert gone.dropped is RoundStage.SELECTING
    assert found.join(device(1)) is gone
    assert found.join(device(10)) is not None
    assert found.join(device(11)) is None, "all places are taken"
    await selecting

    assert len(found.present) == 10
    assert found.dropped_count == 0


async def test_a_user_has_one_place_and_a_device_the_same_again() -> None:
    found = open_round()
    first = found.join(device(1, user=7))

    assert found.join(device(2, user=7)) is None
    assert found.join(device(1, user=7)) is first
    found.divide([found.present], lambda _: Sums(found))
    assert found.join(device(2)) is None, "the groups are drawn"
    assert found.join(device(1, user=7)) is first
    found.enter(ADVERTISING)
    assert found.join(device(1, user=7)) is first, "as long as it is in the round"
    found.leave(UUID(int=1))
    assert found.join(device(1, user=7)) is None
    assert found.join(device(3)) is None


async def test_early_ones_wait_and_late_ones_are_told() -> None:
    found = open_round()
    (member,) = with_members(found, 1, 1)
    early = asyncio.create_task(found.do(member.device, SHARING, b"1", nothing))
    await asyncio.sleep(0.01)

    found.enter(ADVERTISING)
    await asyncio.sleep(0.01)
    assert not early.done()
    found.enter(SHARING)
    await early
    await found.do(member.device, SHARING, b"1", nothing)
    found.enter(UPLOADING)
    await found.do(member.device, SHARING, b"1", nothing)

    for stage, digest, reason in ((SHARING, b"2", "STAGE_DONE"), (ADVERTISING, b"1", "STAGE_OVER")):
        with pytest.raises(FailedPrecondition) as refused:
            await found.do(member.device, stage, digest, nothing)
        assert refused.value.reason == reason
    found.leave(member.device.device_id)
    with pytest.raises(FailedPrecondition) as refused:
        await found.do(member.device, UPLOADING, b"1", nothing)
    assert refused.value.reason == "NOT_SELECTED"


async def test_what_ends_while_a_device_is_heard_does_not_count() -> None:
    found = open_round()
    (member,) = with_members(found, 1, 1)
    found.enter(SHARING)

    async def meanwhile_over(_: Member) -> None:
        found.enter(UPLOADING)

    with pytest.raises(FailedPrecondition) as refused:
        await found.do(member.device, SHARING, b"1", meanwhile_over)

    assert refused.value.reason == "STAGE_OVER"
    assert member.said == {}


async def test_whoever_waits_hears_of_the_end() -> None:
    found = open_round()
    (member,) = with_members(found, 1, 1)
    view = asyncio.create_task(found.view(member.device, RoundStage.SELECTING, 20))
    over = asyncio.create_task(found.wait_over(20))
    await asyncio.sleep(0.01)

    found.finish(RoundState.FAILED, "WHY")

    async with asyncio.timeout(1):
        await over
        seen: Any = await view
    assert (seen.state, seen.stage, seen.reason) == (RoundState.FAILED, None, "WHY")
    await found.wait_over(20)
    with pytest.raises(FailedPrecondition):
        await found.do(member.device, SHARING, b"1", nothing)


async def test_whose_connection_ends_has_seconds_to_come_back() -> None:
    found = open_round(silence_s=60)
    (member,) = with_members(found, 1, 1)
    waiting = asyncio.create_task(found.view(member.device, RoundStage.SELECTING, 20))
    await asyncio.sleep(0.01)
    before = member.seen

    waiting.cancel()
    await asyncio.wait([waiting])

    assert member.seen == pytest.approx(before - 55, abs=1)
    await found.view(member.device, None, 0)
    assert member.seen == pytest.approx(before, abs=1)


async def test_a_view_comes_after_its_time_though_nothing_has_changed() -> None:
    found = open_round()
    (member,) = with_members(found, 1, 1)

    seen = await found.view(member.device, RoundStage.SELECTING, 0.01)

    assert (seen.state, seen.stage) == (RoundState.OPEN, RoundStage.SELECTING)
    assert seen.deadline is not None
    with pytest.raises(FailedPrecondition):
        await found.view(device(99), None, 0)


async def test_who_begins_anew_after_saying_something_is_not_waited_for() -> None:
    found = open_round()
    members = with_members(found, 12, 1)

    async def restarted() -> None:
        await found.do(members[0].device, ADVERTISING, b"said", nothing)
        # Asked again before anything was said, it is the same place; afterwards its keys are lost.
        assert found.join(members[1].device) is members[1]
        assert found.join(members[0].device) is None

    doing = asyncio.create_task(restarted())
    assert len(await collected(found, members[1:])) == 1
    await doing

    assert [member.dropped for member in members] == [ADVERTISING] + [None] * 11
