"""One round from its record to its end: devices are found, a strategy makes a model of what they send, and that is judged and published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import structlog

from services.federation.collecting import collect, select
from services.federation.domain import LEAST_CONTRIBUTORS, NewVersion, Round, RoundStage, RoundState, standby
from services.federation.ending import Judge, Outcome, Refusal, charged_noise, rounds_before, spent
from services.federation.grid import CoordinatorGrid, Reply
from services.federation.metrics import ACCURACY, EPSILON, MODEL_VERSION, ROUND_DURATION, ROUNDS, UPDATE_NORM
from services.federation.protocols import HeadCodec, RoundsRepository, SiloRounds, Versions
from services.federation.stages import GivenUp, OpenRound, too_few
from services.federation.strategies import train_once
from services.kit.errors import Aborted, ScaleError

log = structlog.get_logger()

_RECORD_TRIES = 90
"""To put a round's end on record, for about three minutes."""
_RECORD_PAUSE_S = 2.0


class Runner:
    """Carries rounds out, one at a time."""

    def __init__(
        self, rounds: RoundsRepository, versions: Versions, judge: Judge, codec: HeadCodec, silos: SiloRounds | None = None
    ) -> None:
        self._rounds = rounds
        self._versions = versions
        self._judge = judge
        self._codec = codec
        self._silos = silos

    async def run(self, found: OpenRound, active: Callable[[], bool]) -> Round:
        """Its end, which is on record then, unless this coordinator is not the `active` one any more. Raises nothing."""
        ended, new = await self._carry_out(found)
        ended = replace(
            ended,
            selected_count=found.selected_count,
            contributor_count=new.contributor_count if new is not None else found.contributor_count,
            dropped_count=found.dropped_count,
            bytes_up=found.bytes_up,
            paid=found.paid,
            closed_at=datetime.now(UTC),
        )
        if new is None:
            ended = await _with_costs(ended, found)
        try:
            ended = await self._record(ended, new, active)
        except Exception as error:
            log.error("the end of a round is not on record", round_id=str(ended.id), error=str(error))
            if ended.state is RoundState.PUBLISHED:
                ended = replace(ended, state=RoundState.FAILED, reason="NOT_RECORDED", version=None)
        _tell(ended, found.duration_s)
        return ended

    async def hand_on(self, found: OpenRound, ended: Round) -> None:
        """After the commit: a version that was published goes where it is used."""
        if ended.version is None:
            return
        try:
            newest = await self._versions.latest()
            if newest.round_id == ended.id:
                await self._versions.published(newest, promote=found.ordered.promote)
        except Exception:
            log.exception("a version was not handed on", version=ended.version)

    async def _carry_out(self, found: OpenRound) -> tuple[Round, NewVersion | None]:
        record, step = found.record, found.ordered.server_learning_rate
        preparing: asyncio.Task[float] | None = None
        try:
            head = await self._versions.head(found.base.version)
            found.unpublished = await self._rounds.unpublished()
            preparing = asyncio.create_task(self._judge.prepare(found.base, head))
            outcome = await (self._ask_silos(found, head) if found.ordered.silos else self._ask_devices(found, head))
            found.raise_if_given_up()
            return await self._judge.judge(
                record, found.base, head, outcome, await preparing, server_learning_rate=step, unpublished=found.unpublished
            )
        except GivenUp as given_up:
            ended = given_up.ended if isinstance(given_up, Refusal) else record
            reason = given_up.reason if given_up.state is RoundState.FAILED else ""
            return replace(ended, state=given_up.state, reason=reason, reason_message=given_up.message), None
        except Exception as error:
            log.exception("a round broke", round_id=str(record.id))
            reason = error.reason if isinstance(error, ScaleError) else "INTERNAL"
            return replace(record, state=RoundState.FAILED, reason=reason, reason_message="Something broke; the log says what."), None
        finally:
            if preparing is not None:
                preparing.cancel()
                await asyncio.wait([preparing])

    async def _ask_devices(self, found: OpenRound, head: bytes) -> Outcome:
        """The strategy runs in a thread, and waits there for what devices do here."""
        await select(found)
        loop = asyncio.get_running_loop()

        def exchange(config: dict[str, object]) -> Sequence[Reply]:
            log.debug("the strategy asks", round_id=str(found.record.id), config=config)
            return asyncio.run_coroutine_threadsafe(collect(found), loop).result()

        asked = len(found.present)
        grid = CoordinatorGrid([member.node_id for member in found.present], exchange)
        base = self._codec.vector(head).astype(np.float64)
        step = found.ordered.server_learning_rate
        model = await asyncio.to_thread(train_once, found.record.plan, base, grid, least=found.least, server_learning_rate=step)
        if model is None:
            raise too_few(found.contributor_count, found.least, "in the sum")
        return Outcome(model, found.contributor_count, asked, found.available)

    async def _ask_silos(self, found: OpenRound, head: bytes) -> Outcome:
        record, times = found.record, found.ordered.times
        if self._silos is None:
            raise GivenUp(RoundState.FAILED, "NO_SILOS", "This coordinator lets no organisations join.")
        found.enter(RoundStage.UPLOADING, until=found.train_deadline)
        vector, timeout_s = self._codec.vector(head), times.selection_s + times.training_s
        training = asyncio.create_task(self._silos.train(record.id, found.base, head, vector, record.plan, timeout_s=timeout_s))
        found.paid = True
        try:
            await found.wait_given_up(training)
            came = await training
        except GivenUp:
            # Too few were there, and none was asked; else somebody has given it up.
            found.paid = not training.done()
            raise
        finally:
            training.cancel()
        found.count_silos(came.asked_count, came.contributor_count, came.bytes_up)
        if came.contributor_count < LEAST_CONTRIBUTORS:
            raise too_few(came.contributor_count, LEAST_CONTRIBUTORS, "of the organisations")
        found.enter(RoundStage.AGGREGATING)
        model = vector.astype(np.float64) + found.ordered.server_learning_rate * came.update.astype(np.float64)
        return Outcome(model, came.contributor_count, came.asked_count, came.asked_count)

    async def _record(self, ended: Round, new: NewVersion | None, active: Callable[[], bool]) -> Round:
        """Puts the end on record, as often as it takes while this coordinator is the active one. Raises ScaleError."""
        if new is not None:
            try:
                await _insist(lambda: self._rounds.publish(ended, new), active)
                return ended
            except Aborted as error:
                stored = await self._rounds.get(ended.id)
                if stored is not None and stored.state is not RoundState.OPEN:
                    return stored  # the answer to an earlier try was lost, or somebody has closed it
                message = f"Another version of the model came between: {error.message}"
                ended = replace(ended, state=RoundState.FAILED, reason="BASE_REPLACED", reason_message=message, version=None)
        with suppress(Aborted):  # somebody has closed it already
            await _insist(lambda: self._rounds.close(ended), active)
        return ended


async def _insist(write: Callable[[], Awaitable[None]], active: Callable[[], bool]) -> None:
    for number in range(_RECORD_TRIES):
        if not active():
            raise standby()
        try:
            await write()
            return
        except Aborted as error:
            if error.reason != "DB_CONFLICT":
                raise
        except ScaleError as error:
            log.warning("the end of a round cannot be put on record yet", reason=error.reason)
        await asyncio.sleep(min(0.05 * 2**number, _RECORD_PAUSE_S))
    await write()


async def _with_costs(ended: Round, found: OpenRound) -> Round:
    """Of a round without a model: whoever sent an update has paid for it."""
    epsilon, unamplified = found.base.epsilon, found.base.unamplified_epsilon
    rounds = rounds_before(found.base, found.unpublished)
    if found.paid:
        rounds.append((charged_noise(ended.plan), min(found.selected_count / max(found.available, 1), 1.0)))
    if found.paid or found.unpublished:
        epsilon, unamplified = await spent(rounds)
    return replace(ended, epsilon=epsilon, unamplified_epsilon=unamplified)


def _tell(ended: Round, duration_s: float) -> None:
    ROUNDS.labels(ended.state.value, ended.reason).inc()
    ROUND_DURATION.labels(ended.state.value).observe(duration_s)
    if ended.update_norm is not None:
        UPDATE_NORM.set(ended.update_norm)
    if ended.state is RoundState.PUBLISHED:
        MODEL_VERSION.set(ended.version or 0)
        EPSILON.labels("amplified").set(ended.epsilon)
        EPSILON.labels("unamplified").set(ended.unamplified_epsilon)
        ACCURACY.set(ended.accuracy or 0)
    log.info(
        "round ended",
        round_id=str(ended.id),
        number=ended.number,
        state=ended.state.value,
        reason=ended.reason or None,
        why=ended.reason_message or None,
        selected=ended.selected_count,
        contributors=ended.contributor_count,
        dropped=ended.dropped_count,
        bytes_up=ended.bytes_up,
        duration_s=round(duration_s, 3),
    )
