"""One open round as a barrier: which devices are in it, what they may do now, and when a stage is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from services.federation.domain import (
    LEAST_CONTRIBUTORS,
    DeviceIdentity,
    FederatedVersion,
    Round,
    RoundPlan,
    RoundStage,
    RoundState,
    not_selected,
    round_over,
    stage_done,
    stage_over,
)
from services.federation.members import Group, Member, Signal
from services.federation.metrics import BYTES_UP, DROPPED, REPORTED, SELECTED, STAGE_DURATION
from services.federation.protocols import LiveRound, Ordered
from services.federation.sums import Sums
from services.federation.views import RoundView

log = structlog.get_logger()

TOO_FEW_CONTRIBUTORS = "TOO_FEW_CONTRIBUTORS"
_ORDER = {stage: number for number, stage in enumerate(RoundStage)}
_EARLY_S = 30.0
"""A device that is ahead of the others is let wait so long for them."""
_BACK_WITHIN_S = 5.0
_SWEEP = 0.05
"""Of the time after which silence counts: devices are looked through at most so often."""


class GivenUp(Exception):
    """The round ends without a model."""

    def __init__(self, state: RoundState, reason: str, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.reason = reason
        self.message = message


def too_few(left: int, needed: int, when: str) -> GivenUp:
    """Fewer than ten are no crowd."""
    message = f"{left} devices were left {when}; a model is made of {needed} or more."
    return GivenUp(RoundState.FAILED, TOO_FEW_CONTRIBUTORS, message)


class OpenRound:
    """All of it on the event loop."""

    def __init__(
        self,
        record: Round,
        base: FederatedVersion,
        ordered: Ordered,
        *,
        most: int,
        available: int,
        silence_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most` devices get a place. `available`: users there could be; when all of them have come, nobody else is waited for."""
        self.record = record
        self.base = base
        self.ordered = ordered
        self.state = RoundState.OPEN
        self.stage = RoundStage.SELECTING
        self.reason = ""
        self.members: dict[UUID, Member] = {}
        self.groups: list[Group] = []
        self.available = available
        self.bytes_up = 0
        self.turned_away: set[UUID] = set()
        """Users whose device came in time and has no privacy left to spend."""
        self.paid = False
        """Whether somebody's privacy may be spent, whatever becomes of the round."""
        self.unpublished: Sequence[RoundPlan] = ()
        """Of the rounds before it that made no model and were paid for."""
        self.least = record.plan.privacy.noise_contributor_count if record.plan.privacy else LEAST_CONTRIBUTORS
        self._most = most
        self._silence_s = silence_s
        self._clock = clock
        self._users: set[UUID] = set()
        self._undone: set[UUID] = set()
        self._silo_counts = 0, 0
        self._given_up: GivenUp | None = None
        self._changed = Signal()
        self._progress = Signal()
        self._began = self._entered = clock()
        self._deadline = self._began + ordered.times.selection_s
        self.train_deadline = self._deadline + ordered.times.training_s

    # What the engine asks.

    @property
    def present(self) -> list[Member]:
        """Devices that have not left."""
        return [member for member in self.members.values() if member.dropped is None]

    @property
    def selected_count(self) -> int:
        """Devices that were given a place."""
        return self._silo_counts[0] if self.ordered.silos else len(self.members)

    @property
    def contributor_count(self) -> int:
        """Devices whose updates are in sums that count."""
        if self.ordered.silos:
            return self._silo_counts[1]
        return sum(RoundStage.UPLOADING in member.said for group in self.groups if not group.failed for member in group.members)

    @property
    def dropped_count(self) -> int:
        """Devices that did not stay."""
        return self.selected_count - (self._silo_counts[1] if self.ordered.silos else len(self.present))

    @property
    def live(self) -> LiveRound:
        """Its figures as they are now."""
        return LiveRound(self.stage, self.selected_count, self.contributor_count, self.dropped_count, self.bytes_up)

    def count_silos(self, asked: int, contributors: int, bytes_up: int) -> None:
        """Organisations instead of devices."""
        self._silo_counts = asked, contributors
        self.received(bytes_up)

    @property
    def duration_s(self) -> float:
        """Since it was opened."""
        return self._clock() - self._began

    def at(self, moment: float) -> datetime:
        """A moment of the clock as people know it."""
        return datetime.now(UTC) + timedelta(seconds=moment - self._clock())

    def give_up(self, state: RoundState, reason: str, message: str) -> None:
        """Whoever carries it out hears of it at once."""
        if self._given_up is None:
            self._given_up = GivenUp(state, reason, message)
        self._progress.fire()

    def raise_if_given_up(self) -> None:
        """Raises GivenUp."""
        if self._given_up is not None:
            raise self._given_up

    async def wait_given_up(self, instead: asyncio.Task[Any]) -> None:
        """Returns when something else is done. Raises GivenUp where the round is before that."""
        instead.add_done_callback(lambda _: self._progress.fire())
        while not instead.done():
            self.raise_if_given_up()
            await self._progress.wait(60)

    def finish(self, state: RoundState, reason: str = "") -> None:
        """It is over, and that is on record: devices hear of it, and what it held is let go."""
        self.state = state
        self.reason = reason
        self.groups = []
        for member in self.members.values():
            member.group = None
        self._changed.fire()
        self._progress.fire()

    async def wait_over(self, seconds: float) -> None:
        """Returns when it is over, or after that time."""
        until = self._clock() + seconds
        while self.state is RoundState.OPEN and (left := until - self._clock()) > 0:
            await self._changed.wait(left)

    # What devices do.

    def join(self, device: DeviceIdentity) -> Member | None:
        """A place, while devices are looked for; the one it has; None where there is none for it."""
        member = self.members.get(device.device_id)
        if self.stage is not RoundStage.SELECTING or self.groups:
            # Also while the strategy is on its way: who has no group by then has no place.
            if member is None or member.dropped is not None:
                return None
            if member.said:
                # A process that began anew has lost its keys; nobody shall wait for it.
                self.leave(device.device_id)
                return None
        elif member is None:
            if device.user_id in self._users or len(self.present) >= self._most:
                return None
            member = self.members[device.device_id] = Member(device, len(self.members) + 1, self._clock())
            self._users.add(device.user_id)
            SELECTED.inc()
        member.dropped = None
        member.seen = self._clock()
        if self._all_came():
            self._progress.fire()
        return member

    def turn_away(self, device: DeviceIdentity) -> None:
        """It may not take part, and is waited for no longer."""
        if self.stage is RoundStage.SELECTING:
            self.turned_away.add(device.user_id)
            self._progress.fire()

    def _all_came(self) -> bool:
        # Fewer than are wanted are no reason to begin: more may be on their way.
        there = self.available - len(self.turned_away)
        wanted = self._most if there < self.ordered.target_count else min(self._most, there)
        return len(self.present) >= wanted

    def leave(self, device_id: UUID) -> None:
        """It has no place any more. What is in a sum already stays there."""
        member = self.members.get(device_id)
        if member is not None and member.dropped is None and self.state is RoundState.OPEN:
            self._drop(member, self.stage)
            self._progress.fire()

    def member(self, device: DeviceIdentity) -> Member:
        """One that is in the round and says something. Raises FailedPrecondition with reason NOT_SELECTED."""
        member = self.members.get(device.device_id)
        if member is None or (member.dropped is not None and self.state is RoundState.OPEN):
            raise not_selected(self.record.id)
        member.seen = self._clock()
        return member

    def received(self, size: int) -> None:
        """Bytes from a device."""
        self.bytes_up += size
        BYTES_UP.inc(size)

    async def do(self, device: DeviceIdentity, stage: RoundStage, digest: bytes, take: Callable[[Member], Awaitable[None]]) -> None:
        """A device does its part of a stage, once: `take` takes what it sent in. Early ones wait for the others. Raises FailedPrecondition
        with reason NOT_SELECTED, ROUND_OVER, STAGE_OVER, STAGE_DONE, and what `take` raises."""
        member = self.member(device)
        async with member.lock:
            if self._has_said(member, stage, digest):
                return
            await self._reach(member, stage)
            await take(member)
            self.check_stage(member, stage)
            member.said[stage] = digest
            REPORTED.labels(stage.value).inc()
            self._undone.discard(device.device_id)
            if not self._undone:
                self._progress.fire()

    def _has_said(self, member: Member, stage: RoundStage, digest: bytes) -> bool:
        before = member.said.get(stage)
        if before is not None and before != digest:
            raise stage_done(stage)
        return before is not None

    async def _reach(self, member: Member, stage: RoundStage) -> None:
        until = self._clock() + _EARLY_S
        with self._attending(member):
            while self.state is RoundState.OPEN and _ORDER[self.stage] < _ORDER[stage] and (left := until - self._clock()) > 0:
                await self._changed.wait(left)
        self.check_stage(member, stage)

    def check_stage(self, member: Member, stage: RoundStage) -> None:
        """Raises FailedPrecondition unless the round is in this stage, and the device in the round."""
        if self.state is not RoundState.OPEN or self._given_up is not None:
            raise round_over(self.record.id, self.reason)
        if member.dropped is not None:
            raise not_selected(self.record.id)
        if self.stage is not stage:
            raise stage_over(stage)

    async def view(self, device: DeviceIdentity, known: RoundStage | None, wait_s: float) -> RoundView:
        """Where it stands, once its stage is another than `known`."""
        member = self.member(device)
        until = self._clock() + wait_s
        with self._attending(member):
            while self.state is RoundState.OPEN and self.stage is known and (left := until - self._clock()) > 0:
                await self._changed.wait(left)
        if self.state is not RoundState.OPEN:
            return RoundView(self.state, reason=self.reason)
        if member.dropped is not None:
            raise not_selected(self.record.id)
        deadline = self.at(self._deadline)
        if member.group is None:
            return RoundView(self.state, self.stage, deadline)
        return member.group.sums.view(self.stage, deadline, member.device.device_id)

    @contextmanager
    def _attending(self, member: Member) -> Iterator[None]:
        member.polls += 1
        away_s = 0.0
        try:
            yield
        except asyncio.CancelledError:
            # Its connection has ended, and perhaps the device: it has some seconds to come back, not all that a busy one has.
            away_s = max(self._silence_s - _BACK_WITHIN_S, 0)
            raise
        finally:
            member.polls -= 1
            member.seen = self._clock() - away_s

    # How it goes on.

    async def select(self) -> None:
        """Until all have come, or time is up. Raises GivenUp."""
        while True:
            self.raise_if_given_up()
            now = self._clock()
            for member in self._silent(self.present, now):
                self._drop(member, RoundStage.SELECTING)
            if self._all_came() or now >= self._deadline:
                break
            await self._progress.wait(self._until_next(self.present, now))
        self.available = max(self.available, len(self.members))

    def divide(self, groups: Sequence[Sequence[Member]], make: Callable[[Sequence[Member]], Sums]) -> None:
        """Puts each device into its group."""
        for members in groups:
            group = Group(list(members), make(members))
            for member in members:
                member.group = group
            self.groups.append(group)

    def enter(self, stage: RoundStage, *, until: float | None = None) -> None:
        """The next stage begins."""
        now = self._clock()
        STAGE_DURATION.labels(self.stage.value).observe(now - self._entered)
        self.stage, self._entered = stage, now
        self._deadline = now + self.ordered.times.stage_s if until is None else until
        self._undone = {member.device.device_id for member in self.present}
        log.debug("stage", round_id=str(self.record.id), stage=stage.value, devices=len(self._undone))
        self._changed.fire()

    async def pass_stage(self, stage: RoundStage, *, needed: int, until: float | None = None) -> None:
        """From the beginning of a stage until all that are there have done it, or time is up; who has not has left. A group that has fewer
        than `needed` then is out. Raises GivenUp when too few are left."""
        self.enter(stage, until=until)
        while True:
            self.raise_if_given_up()
            now = self._clock()
            waiting = [self.members[device_id] for device_id in self._undone]
            for member in waiting if now >= self._deadline else self._silent(waiting, now):
                self._drop(member, stage)
            self.keep_groups(stage, needed)
            if not self._undone:
                break
            await self._progress.wait(self._until_next(waiting, now))

    def keep_groups(self, stage: RoundStage, needed: int) -> None:
        """Leaves out the groups that have become too small. Raises GivenUp when too few groups are left."""
        for group in self.groups:
            if not group.failed and len(group.present) < needed:
                self.fail_group(group, stage)
        left = [group for group in self.groups if not group.failed]
        # The median of two is no defence.
        if len(left) < min(len(self.groups), 3):
            largest = max(len(group.members) - sum(one.dropped is not None for one in group.members) for group in self.groups)
            raise too_few(largest, needed, f"after {stage.value}")

    def fail_group(self, group: Group, stage: RoundStage) -> None:
        """Its devices are out, and what they sent does not count."""
        group.failed = True
        if sum(not one.failed for one in self.groups) >= min(len(self.groups), 3):
            for member in group.present:
                self._drop(member, stage)

    def drop_others(self, group: Group, staying: set[UUID], stage: RoundStage) -> None:
        """Devices that the protocol goes on without."""
        for member in group.present:
            if member.device.device_id not in staying:
                self._drop(member, stage)

    def _drop(self, member: Member, stage: RoundStage) -> None:
        member.dropped = stage
        self._undone.discard(member.device.device_id)
        DROPPED.labels(stage.value).inc()
        log.info("a device has left the round", round_id=str(self.record.id), stage=stage.value)

    def _silent(self, members: Sequence[Member], now: float) -> list[Member]:
        return [member for member in members if not member.polls and now - member.seen >= self._silence_s]

    def _until_next(self, members: Sequence[Member], now: float) -> float:
        """Until something may have to be done though nobody says anything."""
        silence = min((member.seen + self._silence_s for member in members if not member.polls), default=now + self._silence_s)
        return min(self._deadline, max(silence, now + _SWEEP * self._silence_s)) - now
