"""Rules of rounds as administrators see them: one at a time, begun once per request id, held to the budgets of devices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import structlog
import uuid_utils.compat

from models.federated.privacy import Spending
from services.federation.domain import (
    BUDGET_DELTA,
    FederatedVersion,
    Round,
    RoundOptions,
    RoundState,
    Trigger,
    round_not_found,
    round_over,
    standby,
)
from services.federation.ending import charged_noise, rounds_before
from services.federation.plans import Plans
from services.federation.protocols import Engine, HeadCodec, RoundsRepository, Versions
from services.federation.records import options_hash
from services.kit.errors import Aborted, FailedPrecondition

log = structlog.get_logger()

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Status:
    """How the coordinator is."""

    active: bool
    open_round: Round | None
    available_count: int
    model_version: int
    spent_epsilon: float
    """By a device that was in every round, those that made no model too."""
    budget_epsilon: float
    budget_delta: float
    next_round: datetime | None


class RoundsService:
    """Rounds, for administrators and the clock."""

    def __init__(
        self,
        rounds: RoundsRepository,
        versions: Versions,
        engine: Engine,
        plans: Plans,
        codec: HeadCodec,
        *,
        budget_epsilon: float,
        interval_hours: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rounds = rounds
        self._versions = versions
        self._engine = engine
        self._plans = plans
        self._codec = codec
        self._budget_epsilon = budget_epsilon
        self._interval_s = interval_hours * 3600
        self._now = now
        self._starting = asyncio.Lock()
        self._begun: set[UUID] = set()
        """Rounds that were opened here and may not have ended."""

    async def start_round(self, options: RoundOptions, *, request_id: str, trigger: Trigger) -> Round:
        """Opens a round; it goes on by itself. The same request id is the same round.

        Raises InvalidArgument and FailedPrecondition for options that cannot be or may not, FailedPrecondition with reason BUDGET_SPENT for
        noise so small that no device could take part, AlreadyExists with reason ROUND_OPEN or REQUEST_ID_REUSED, Unavailable with reason
        STANDBY.
        """
        if not self._engine.active:
            raise standby()
        request_hash = options_hash(options)
        if (before := await self._rounds.find(request_id, request_hash)) is not None:
            return self._with_live(before)
        async with self._starting:
            return await self._start(options, request_id, request_hash, trigger)

    async def _start(self, options: RoundOptions, request_id: str, request_hash: bytes, trigger: Trigger) -> Round:
        left = await self._rounds.get_open()
        self._begun &= {left.id} if left is not None else set()
        # Only one's own: who has lost its place and does not know yet would end the round of whoever has it now.
        if left is not None and left.id in self._begun and self._engine.live(left.id) is None:
            # Its end could not be put on record when it came: the database had no room, perhaps.
            message = "How it ended could not be put on record."
            with suppress(Aborted):  # somebody has closed it just now
                await self._rounds.close(replace(left, state=RoundState.FAILED, reason="NOT_RECORDED", reason_message=message))
        for _ in range(_TRIES):
            try:
                return await self._begin(options, request_id, request_hash, trigger)
            except Aborted as error:
                if error.reason != "BASE_REPLACED":
                    raise
        raise Aborted("Other versions of the model came between; try again.", reason="DB_CONFLICT", retry_after_s=1)

    async def _begin(self, options: RoundOptions, request_id: str, request_hash: bytes, trigger: Trigger) -> Round:
        base = await self._versions.latest()
        vector = self._codec.vector(await self._versions.head(base.version))
        plan, ordered = self._plans.make(options, update_length=len(vector))
        if plan.privacy is not None:
            self._check_budget(charged_noise(plan))
        round_id = uuid_utils.compat.uuid7()
        self._begun.add(round_id)
        opened = await self._rounds.open(
            round_id,
            request_id=request_id,
            request_hash=request_hash,
            base_version=base.version,
            plan=plan,
            options=options,
            trigger=trigger,
        )
        if opened.id != round_id:
            return self._with_live(opened)
        try:
            await self._engine.start(opened, base, ordered)
        except BaseException as error:
            message = f"The coordinator could not begin it: {error}"
            await self._rounds.close(replace(opened, state=RoundState.FAILED, reason="NOT_BEGUN", reason_message=message, paid=False))
            raise
        return self._with_live(opened)

    async def abort_round(self, round_id: UUID) -> Round:
        """Gives it up. Raises NotFound, and FailedPrecondition with reason ROUND_OVER for one that ended otherwise."""
        if not self._engine.active:
            raise standby()
        await self._engine.abort(round_id)
        found = await self._get(round_id)
        if found.state is not RoundState.ABORTED:
            raise round_over(round_id, f"it is {found.state.value}")
        return found

    async def get_round(self, round_id: UUID, *, wait_s: float = 0) -> Round:
        """One, once it has ended, or as it is after that time. Raises NotFound."""
        await self._engine.wait_ended(round_id, wait_s)
        return self._with_live(await self._get(round_id))

    async def list_rounds(self, *, limit: int, below: int | None) -> tuple[Sequence[Round], bool]:
        """A page, the newest first, and whether there are more."""
        found = await self._rounds.list_rounds(limit=limit + 1, below=below)
        return [self._with_live(one) for one in found[:limit]], len(found) > limit

    async def status(self) -> Status:
        """How the coordinator is."""
        base = await self._versions.latest()
        found = await self._rounds.get_open()
        return Status(
            active=self._engine.active,
            open_round=self._with_live(found) if found is not None else None,
            available_count=self._engine.available_count,
            model_version=base.version,
            spent_epsilon=await self._spent(base, found),
            budget_epsilon=self._budget_epsilon,
            budget_delta=BUDGET_DELTA,
            next_round=self._next_round(),
        )

    async def _spent(self, base: FederatedVersion, opened: Round | None) -> float:
        plans = list(await self._rounds.unpublished())
        if opened is not None:
            live = self._engine.live(opened.id)
            if live is None or live.contributor_count:  # elsewhere it may have been paid for as well
                plans.append(opened.plan)
        if not plans:
            return base.unamplified_epsilon
        return Spending(tuple(noise for noise, _ in rounds_before(base, plans))).epsilon(BUDGET_DELTA)

    async def _get(self, round_id: UUID) -> Round:
        found = await self._rounds.get(round_id)
        if found is None:
            raise round_not_found(round_id)
        return found

    def _with_live(self, found: Round) -> Round:
        """What the database does not know of a round while it is open."""
        live = self._engine.live(found.id) if found.state is RoundState.OPEN else None
        if live is None:
            return found
        return replace(
            found,
            stage=live.stage,
            selected_count=live.selected_count,
            contributor_count=live.contributor_count,
            dropped_count=live.dropped_count,
            bytes_up=live.bytes_up,
        )

    def _check_budget(self, noise_multiplier: float) -> None:
        epsilon = Spending((noise_multiplier,)).epsilon(BUDGET_DELTA)
        if not epsilon <= self._budget_epsilon:
            raise FailedPrecondition(
                f"A round with so little noise costs an epsilon of {epsilon:.2f}; a device has {self._budget_epsilon:.2f} for its life.",
                reason="BUDGET_SPENT",
                metadata={"epsilon": f"{epsilon:.4f}", "budget": f"{self._budget_epsilon:.4f}"},
            )

    def _next_round(self) -> datetime | None:
        """The clock's intervals begin with the epoch; each has a round."""
        if not self._interval_s:
            return None
        return datetime.fromtimestamp((self._now().timestamp() // self._interval_s + 1) * self._interval_s, UTC)
