"""From the devices of an open round to what a strategy makes a model of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import structlog

from services.federation.domain import LEAST_CONTRIBUTORS, RoundStage, RoundState
from services.federation.grid import Reply
from services.federation.members import Group, Member
from services.federation.secagg import Refused, TooFew
from services.federation.stages import OpenRound, too_few
from services.federation.sums import MaskedSums, PlainSums, Sums, parameters_of

log = structlog.get_logger()

_BEFORE_UPLOAD = (RoundStage.ADVERTISING, RoundStage.SHARING, RoundStage.UPLOADING)


async def select(open_round: OpenRound) -> None:
    """Finds the devices and draws their groups. Raises GivenUp."""
    await open_round.select()
    present, count = open_round.present, open_round.ordered.group_count
    needed = max(open_round.least * count, LEAST_CONTRIBUTORS)
    if len(present) < needed:
        spent = f"; {len(open_round.turned_away)} have spent their budgets" if open_round.turned_away else ""
        raise too_few(len(present), needed, f"when time was up to find some{spent}")
    random.SystemRandom().shuffle(present)
    open_round.divide([present[number::count] for number in range(count)], lambda members: _sums(open_round, members))


def _sums(open_round: OpenRound, members: Sequence[Member]) -> Sums:
    record = open_round.record
    if record.plan.secure_aggregation is None:
        return PlainSums(record.plan)
    return MaskedSums(parameters_of(record.id, open_round.base, record.plan), record.plan, members[0].node_id)


async def collect(open_round: OpenRound) -> list[Reply]:
    """Leads the devices through all stages: one reply for each group, or without secure aggregation one for each device. Raises GivenUp."""
    if open_round.record.plan.secure_aggregation is None:
        await open_round.pass_stage(RoundStage.UPLOADING, needed=LEAST_CONTRIBUTORS, until=open_round.train_deadline)
        open_round.enter(RoundStage.AGGREGATING)
        return [reply for group in open_round.groups if isinstance(group.sums, PlainSums) for reply in group.sums.replies]
    for stage in (*_BEFORE_UPLOAD, RoundStage.CONFIRMING, RoundStage.UNMASKING):
        # What is in the sum cannot be taken out again; so many must still be there to open it.
        needed = open_round.least if stage in _BEFORE_UPLOAD else LEAST_CONTRIBUTORS
        until = open_round.train_deadline if stage is RoundStage.ADVERTISING else None
        await open_round.pass_stage(stage, needed=needed, until=until)
        for group, sums in _masked(open_round):
            _close(open_round, group, sums, stage)
        open_round.keep_groups(stage, needed)
    open_round.enter(RoundStage.AGGREGATING)
    replies = []
    for group, sums in _masked(open_round):
        try:
            replies.append(await asyncio.to_thread(sums.total))
        except (TooFew, Refused, ValueError) as error:
            _leave_out(open_round, group, RoundStage.AGGREGATING, error)
    open_round.keep_groups(RoundStage.AGGREGATING, 0)
    return replies


def _masked(open_round: OpenRound) -> list[tuple[Group, MaskedSums]]:
    return [(group, group.sums) for group in open_round.groups if not group.failed and isinstance(group.sums, MaskedSums)]


def _close(open_round: OpenRound, group: Group, sums: MaskedSums, stage: RoundStage) -> None:
    try:
        staying = sums.close(stage)
    except (TooFew, Refused) as error:
        _leave_out(open_round, group, stage, error)
        return
    if staying is not None:
        open_round.drop_others(group, staying, stage)


def _leave_out(open_round: OpenRound, group: Group, stage: RoundStage, error: Exception) -> None:
    log.warning("a group is left out", round_id=str(open_round.record.id), stage=stage.value, why=str(error))
    if len(open_round.groups) == 1:
        if isinstance(error, TooFew):
            raise too_few(error.left, error.needed, f"after {stage.value}") from error
        open_round.give_up(RoundState.FAILED, "SUM_INVALID", f"What the devices sent does not fit together: {error}")
        open_round.raise_if_given_up()
    open_round.fail_group(group, stage)
