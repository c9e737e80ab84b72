"""When a round is due, who sees it through, and that nothing is left behind where none can be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.federation.scheduled import CoordinatorStatus, ScheduledRounds, SeenRound
from services.kit.errors import AlreadyExists, FailedPrecondition, ScaleError, Unavailable

HOUR = 3600.0
INTERVAL = 6 * HOUR
LIMIT = 840.0
START = 1_770_000_000 // INTERVAL * INTERVAL
"""When an interval begins."""


class FakeCoordinator:
    """`Coordinator`. A round ends after `lasts_s`, with what `endings` holds for it, one after the other; waiting turns the clock."""

    def __init__(self) -> None:
        self.now = START + 60
        self.available_count = 12
        self.lasts_s = 40.0
        self.endings: list[str] = []
        self.open_round: SeenRound | None = None
        self.rounds: dict[str, SeenRound] = {}
        self.asked: list[str] = []
        self.error: ScaleError | None = None

    def clock(self) -> float:
        return self.now

    async def status(self) -> CoordinatorStatus:
        self.asked.append("status")
        return CoordinatorStatus(self.available_count, self.open_round)

    async def start_round(self, request_id: str) -> SeenRound:
        self.asked.append(f"start {request_id}")
        if self.error is not None:
            raise self.error
        if request_id not in self.rounds:
            self.open_round = SeenRound(request_id, True, True, self.now, 0, "")
            self.rounds[request_id] = self.open_round
        return self.rounds[request_id]

    async def wait(self, round_id: str, *, seconds: int) -> SeenRound:
        self.asked.append(f"wait {seconds}")
        found = self.rounds[round_id]
        if not found.open:
            return found
        ends_at = found.opened_at + self.lasts_s
        self.now = min(self.now + seconds, max(self.now, ends_at))
        return self.end(round_id) if self.now >= ends_at else found

    async def abort_round(self, round_id: str) -> SeenRound:
        self.asked.append("abort")
        if not self.rounds[round_id].open:
            raise FailedPrecondition("It has ended.", reason="ROUND_OVER")
        self.open_round = None
        self.rounds[round_id] = replace(self.rounds[round_id], open=False)
        return self.rounds[round_id]

    def end(self, round_id: str) -> SeenRound:
        reason = self.endings.pop(0) if self.endings else ""
        self.open_round = None
        self.rounds[round_id] = replace(self.rounds[round_id], open=False, reason=reason, version=0 if reason else 7)
        return self.rounds[round_id]


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


def scheduled(coordinator: FakeCoordinator, *, interval_s: float = INTERVAL) -> ScheduledRounds:
    return ScheduledRounds(coordinator, interval_s=interval_s, time_limit_s=LIMIT, clock=coordinator.clock)


@pytest.mark.requirement("FED-01", "FED-13")
async def test_an_interval_has_one_round_however_often_the_clock_strikes(coordinator: FakeCoordinator) -> None:
    """FED-01, FED-13."""
    clock, other_clock = scheduled(coordinator), scheduled(coordinator)
    found = await clock.run_when_due()
    assert found is not None
    assert (found.open, found.version) == (False, 7)
    for again in (clock, other_clock):
        same = await again.run_when_due()
        assert same == found
    assert list(coordinator.rounds) == [f"schedule-{START:.0f}"]
    coordinator.now = START + INTERVAL - 1
    await clock.run_when_due()
    assert len(coordinator.rounds) == 1
    coordinator.now = START + INTERVAL
    await clock.run_when_due()
    assert list(coordinator.rounds)[1:] == [f"schedule-{START + INTERVAL:.0f}"]
    assert all(len(name) <= 36 for name in coordinator.rounds)


async def test_with_fewer_devices_than_a_model_needs_nothing_is_begun(coordinator: FakeCoordinator) -> None:
    """And with the tenth the round of that interval is."""
    coordinator.available_count = 9
    for _ in range(3):
        assert await scheduled(coordinator).run_when_due() is None
    assert coordinator.asked == ["status"] * 3
    coordinator.available_count = 10
    assert await scheduled(coordinator).run_when_due() is not None


async def test_without_an_interval_the_clock_begins_none(coordinator: FakeCoordinator) -> None:
    assert await scheduled(coordinator, interval_s=0).run_when_due() is None
    assert coordinator.rounds == {}


async def test_a_round_without_a_model_is_no_failure_and_not_tried_again(coordinator: FakeCoordinator) -> None:
    coordinator.endings = ["TOO_FEW_CONTRIBUTORS"]
    clock = scheduled(coordinator)
    for _ in range(2):
        found = await clock.run_when_due()
        assert found is not None
        assert (found.version, found.reason) == (0, "TOO_FEW_CONTRIBUTORS")
    assert len(coordinator.rounds) == 1


async def test_a_round_whose_coordinator_died_is_tried_once_more(coordinator: FakeCoordinator) -> None:
    coordinator.endings = ["COORDINATOR_RESTARTED", "COORDINATOR_RESTARTED"]
    clock = scheduled(coordinator)
    for _ in range(3):
        await clock.run_when_due()
    name = f"schedule-{START:.0f}"
    assert list(coordinator.rounds) == [name, f"{name}-again"]


async def test_an_interval_that_begins_meanwhile_does_not_change_the_name(coordinator: FakeCoordinator) -> None:
    coordinator.now = START + INTERVAL - 10
    await scheduled(coordinator).run_when_due()
    assert list(coordinator.rounds) == [f"schedule-{START:.0f}"]
    assert coordinator.now > START + INTERVAL


async def test_a_round_that_takes_too_long_is_given_up(coordinator: FakeCoordinator) -> None:
    """TRN-06: the queue would kill the task a minute later."""
    coordinator.lasts_s = 10 * HOUR
    found = await scheduled(coordinator).run_when_due()
    assert found is not None
    assert not found.open
    assert coordinator.asked[-1] == "abort"
    assert LIMIT <= coordinator.now - found.opened_at <= LIMIT + 31


async def test_one_that_ends_just_then_is_not_said_to_be_given_up(coordinator: FakeCoordinator) -> None:
    coordinator.lasts_s = 10 * HOUR

    class EndsAtTheLastMoment(FakeCoordinator):
        async def abort_round(self, round_id: str) -> SeenRound:
            self.end(round_id)
            return await super().abort_round(round_id)

    late = EndsAtTheLastMoment()
    late.lasts_s = 10 * HOUR
    found = await scheduled(late).run_when_due()
    assert found is not None
    assert found.version == 7


async def test_the_open_round_of_a_worker_that_died_is_seen_through(coordinator: FakeCoordinator) -> None:
    """With what is left of its time."""
    begun = await coordinator.start_round("schedule-1")
    coordinator.now += 30
    found = await scheduled(coordinator).run_when_due()
    assert found is not None
    assert (found.round_id, found.open) == (begun.round_id, False)
    assert list(coordinator.rounds) == ["schedule-1"]
    late = await coordinator.start_round("schedule-2")
    coordinator.lasts_s, coordinator.now = 10 * HOUR, late.opened_at + LIMIT
    await scheduled(coordinator).run_when_due()
    assert coordinator.asked[-1] == "abort"


async def test_an_administrators_round_is_left_alone(coordinator: FakeCoordinator) -> None:
    coordinator.open_round = replace(await coordinator.start_round("by hand"), scheduled=False)
    coordinator.now += HOUR
    assert await scheduled(coordinator).run_when_due() is None
    assert coordinator.asked[-1] == "status"


async def test_who_was_faster_and_what_is_refused(coordinator: FakeCoordinator, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal of an interval is told once, not every minute."""
    clock = scheduled(coordinator)
    coordinator.error = AlreadyExists("Another is open.", reason="ROUND_OPEN")
    assert await clock.run_when_due() is None
    coordinator.error = FailedPrecondition("The budget is spent.", reason="BUDGET_SPENT")
    for _ in range(3):
        assert await clock.run_when_due() is None
    assert capsys.readouterr().out.count("BUDGET_SPENT") == 1
    coordinator.now += INTERVAL
    await clock.run_when_due()
    assert capsys.readouterr().out.count("BUDGET_SPENT") == 1


async def test_a_coordinator_that_is_away_is_the_queues_to_wait_for(coordinator: FakeCoordinator) -> None:
    coordinator.error = Unavailable("Away.", reason="STANDBY")
    with pytest.raises(Unavailable):
        await scheduled(coordinator).run_when_due()
