"""How a round's end gets on record when things go wrong: with organisations in place of devices, for their updates come in one piece."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
import uuid_utils.compat

from models.federated.privacy import Spending
from services.federation.domain import (
    Algorithm,
    DeviceIdentity,
    FederatedVersion,
    NewVersion,
    PrivacyPlan,
    Round,
    RoundPlan,
    RoundStage,
    RoundState,
    Trigger,
)
from services.federation.ending import Judge, Outcome, charged_noise, largest_norm, rounds_of, spent
from services.federation.protocols import Floats, Ordered, RoundTimes
from services.federation.running import Runner
from services.federation.stages import GivenUp, OpenRound
from services.kit.errors import Aborted, ScaleError, Unavailable

LENGTH = 50


class Codec:
    """Heads are their numbers."""

    def vector(self, head: bytes) -> Floats:
        return np.frombuffer(head, np.float32)

    def with_vector(self, head: bytes, vector: Floats) -> bytes:
        return vector.tobytes()


class Came(NamedTuple):
    update: Floats
    asked_count: int = 12
    contributor_count: int = 11
    bytes_up: int = 1000


@dataclass
class Silos:
    """`SiloRounds`: what they bring, or raise."""

    brings: Came | Exception = field(default_factory=lambda: Came(np.full(LENGTH, 0.01, np.float32)))
    waits_s: float = 0

    async def train(self, *_: Any, **__: Any) -> Came:
        await asyncio.sleep(self.waits_s)
        if isinstance(self.brings, Exception):
            raise self.brings
        return self.brings


@dataclass
class Records:
    """Rounds in memory; `troubles` happen one by one, then all is well."""

    troubles: list[ScaleError] = field(default_factory=list)
    stored: Round | None = None
    published: list[tuple[Round, NewVersion]] = field(default_factory=list)
    closed: list[Round] = field(default_factory=list)
    lost: list[RoundPlan] = field(default_factory=list)
    """Of rounds that made no model and were paid for."""

    def _trouble(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)

    async def publish(self, ended: Round, new: NewVersion) -> None:
        self._trouble()
        self.published.append((ended, new))

    async def close(self, ended: Round) -> None:
        self._trouble()
        self.closed.append(ended)

    async def get(self, round_id: UUID) -> Round | None:
        return self.stored

    async def open(self, *_: Any, **__: Any) -> Round:
        raise NotImplementedError

    async def find(self, request_id: str, request_hash: bytes) -> Round | None:
        raise NotImplementedError

    async def get_open(self) -> Round | None:
        raise NotImplementedError

    async def list_rounds(self, *, limit: int, below: int | None) -> Sequence[Round]:
        raise NotImplementedError

    async def unpublished(self) -> Sequence[RoundPlan]:
        return self.lost

    async def close_open(self, reason: str, message: str) -> Sequence[Round]:
        raise NotImplementedError


BASE = FederatedVersion(
    version=3,
    parent_version=2,
    round_id=None,
    contributor_count=0,
    encoder_hash="e" * 64,
    encoder_size_bytes=1,
    head_hash="h" * 64,
    head_size_bytes=4 * LENGTH,
    categorizer_version="1",
    accuracy=None,
    epsilon=0.5,
    unamplified_epsilon=1.0,
    privacy={"rounds": [[4.0, 0.5]]},
    metrics={},
    registry_version="",
    created_at=datetime.now(UTC),
)


@dataclass
class Line:
    """`Versions` with one version."""

    newest: FederatedVersion = BASE
    handed_on: list[tuple[int, bool]] = field(default_factory=list)
    breaks: bool = False

    async def latest(self) -> FederatedVersion:
        return self.newest

    async def head(self, version: int) -> bytes:
        return np.zeros(LENGTH, np.float32).tobytes()

    async def published(self, version: FederatedVersion, *, promote: bool) -> None:
        if self.breaks:
            raise RuntimeError("the registry is a teapot")
        self.handed_on.append((version.version, promote))


@dataclass
class Gate:
    """Everything is as good."""

    breaks: bool = False
    good: float = 0.5

    async def accuracy(self, head: Floats) -> float:
        if self.breaks:
            raise OSError("the rows held out are gone")
        return self.good


def open_round(**changes: Any) -> OpenRound:
    privacy = PrivacyPlan(1.0, 4.0, 1, 1e-5, 1.0, 1.0)
    plan = RoundPlan(Algorithm.FEDAVG, 1, 0.1, 32, 0, 0, LENGTH, privacy, None)
    record = Round(uuid_utils.compat.uuid7(), 7, RoundState.OPEN, "", "", 3, None, plan, Trigger.ADMIN, datetime.now(UTC))
    ordered = Ordered(10, 1, RoundTimes(0.1, 0.1, 0.1), server_learning_rate=0.5, promote=True, silos=changes.pop("silos", True))
    return OpenRound(record, BASE, ordered, most=0 if ordered.silos else 13, available=0, silence_s=1)


@dataclass
class Bench:
    """A runner among fakes."""

    records: Records = field(default_factory=Records)
    line: Line = field(default_factory=Line)
    silos: Silos | None = field(default_factory=Silos)
    gate: Gate = field(default_factory=Gate)
    active: bool = True

    async def run(self, found: OpenRound | None = None, meanwhile: Callable[[OpenRound], Awaitable[None]] | None = None) -> Round:
        found = found or open_round()
        runner = Runner(self.records, self.line, Judge(self.gate, Codec(), tolerance=0), Codec(), self.silos)
        running = asyncio.create_task(runner.run(found, lambda: self.active))
        if meanwhile is not None:
            await meanwhile(found)
        ended = await running
        await runner.hand_on(found, ended)
        return ended


async def test_what_organisations_bring_is_published_as_that_of_devices() -> None:
    bench = Bench()

    ended = await bench.run()

    assert (ended.state, ended.version, ended.selected_count, ended.contributor_count, ended.dropped_count) == (
        RoundState.PUBLISHED,
        4,
        12,
        11,
        1,
    )
    ((_, new),) = bench.records.published
    assert np.allclose(np.frombuffer(new.head, np.float32), 0.005), "half of the mean, as the server's step says"
    assert new.parent_version == 3
    assert rounds_of(replace(BASE, privacy=new.privacy))[0] == (4.0, 0.5)
    assert len(rounds_of(replace(BASE, privacy=new.privacy))) == 2
    assert ended.unamplified_epsilon > 1
    assert bench.line.handed_on == [], "the newest version is not of this round here"


async def test_a_version_is_handed_on_after_the_commit_and_trouble_there_is_no_trouble_here() -> None:
    found = open_round()
    bench = Bench(line=Line(newest=replace(BASE, version=4, round_id=found.record.id)))
    assert (await bench.run(found)).state is RoundState.PUBLISHED
    assert bench.line.handed_on == [(4, True)]

    found = open_round()
    bench = Bench(line=Line(newest=replace(BASE, version=4, round_id=found.record.id), breaks=True))
    assert (await bench.run(found)).state is RoundState.PUBLISHED


@pytest.mark.parametrize("trouble", [Unavailable("away", reason="DB_UNAVAILABLE"), Aborted("raced", reason="DB_CONFLICT")])
async def test_an_end_is_put_on_record_once_the_database_is_back(trouble: ScaleError) -> None:
    bench = Bench(records=Records(troubles=[trouble]))

    ended = await bench.run()

    assert ended.state is RoundState.PUBLISHED
    assert len(bench.records.published) == 1


async def test_an_answer_that_was_lost_is_read_again() -> None:
    bench = Bench(records=Records(troubles=[Aborted("not open any more", reason="ROUND_OVER")]))
    found = open_round()
    bench.records.stored = replace(found.record, state=RoundState.PUBLISHED, version=4)

    ended = await bench.run(found)

    assert (ended.state, ended.version) == (RoundState.PUBLISHED, 4)
    assert (bench.records.published, bench.records.closed) == ([], [])


async def test_a_version_that_came_between_ends_the_round_without_one() -> None:
    bench = Bench(records=Records(troubles=[Aborted("there is one", reason="VERSION_TAKEN")]))

    ended = await bench.run()

    assert (ended.state, ended.reason, ended.version) == (RoundState.FAILED, "BASE_REPLACED", None)
    assert bench.records.closed[0].reason == "BASE_REPLACED"


async def test_a_coordinator_that_has_lost_its_place_leaves_the_record_alone() -> None:
    bench = Bench(active=False)

    ended = await bench.run()

    assert (ended.state, ended.reason, ended.version) == (RoundState.FAILED, "NOT_RECORDED", None)
    assert (bench.records.published, bench.records.closed) == ([], [])


@pytest.mark.parametrize(
    ("brings", "reason"),
    [
        (Unavailable("away", reason="SUPERLINK_AWAY"), "SUPERLINK_AWAY"),
        (ValueError("a bug"), "INTERNAL"),
        (Came(np.full(LENGTH, np.nan, np.float32)), "NOT_FINITE"),
        (Came(np.full(LENGTH, 1e3, np.float32)), "UPDATE_TOO_LARGE"),
        (Came(np.zeros(LENGTH, np.float32), contributor_count=9), "TOO_FEW_CONTRIBUTORS"),
        (GivenUp(RoundState.FAILED, "TOO_FEW_CONTRIBUTORS", "9 were there"), "TOO_FEW_CONTRIBUTORS"),
    ],
)
async def test_what_goes_wrong_ends_the_round_with_a_reason(brings: Came | Exception, reason: str) -> None:
    bench = Bench(silos=Silos(brings))

    ended = await bench.run()

    assert (ended.state, ended.reason) == (RoundState.FAILED, reason)
    assert bench.records.closed == [ended]


async def test_what_cannot_be_judged_is_not_published() -> None:
    ended = await Bench(gate=Gate(breaks=True)).run()

    assert (ended.state, ended.reason) == (RoundState.FAILED, "INTERNAL")


async def test_without_organisations_there_is_no_round_with_them() -> None:
    ended = await Bench(silos=None).run()

    assert ended.reason == "NO_SILOS"


async def test_giving_up_does_not_wait_for_organisations() -> None:
    async def give_up(found: OpenRound) -> None:
        await asyncio.sleep(0.02)
        found.give_up(RoundState.ABORTED, "", "enough")

    async with asyncio.timeout(2):
        ended = await Bench(silos=Silos(waits_s=30)).run(meanwhile=give_up)

    assert (ended.state, ended.reason, ended.reason_message) == (RoundState.ABORTED, "", "enough")


async def test_a_round_without_a_model_has_cost_what_its_devices_have_paid() -> None:
    unpaid, paid = open_round(silos=False), open_round(silos=False)
    for number, found in enumerate((unpaid, paid)):
        found.available = 20
        member = found.join(DeviceIdentity(UUID(int=1), UUID(int=2), b""))
        assert member is not None
        if number:
            found.paid = True

    ended = [await Bench().run(found) for found in (unpaid, paid)]

    assert {one.reason for one in ended} == {"TOO_FEW_CONTRIBUTORS"}
    assert ended[0].unamplified_epsilon == BASE.unamplified_epsilon < ended[1].unamplified_epsilon


async def test_rounds_that_made_no_model_are_in_the_figures_of_those_that_come_after() -> None:
    plan = open_round().record.plan
    noise, bench = charged_noise(plan), Bench(records=Records(lost=[plan, plan]))

    ended = await bench.run()
    failed = await Bench(records=Records(lost=[plan, plan])).run(open_round(silos=False))
    lost = await Bench(records=Records(lost=[plan, plan]), silos=Silos(Unavailable("away", reason="SUPERLINK_AWAY"))).run()

    ((_, new),) = bench.records.published
    whole = Spending((4.0, noise, noise, noise)).epsilon(1e-5)
    assert new.unamplified_epsilon == ended.unamplified_epsilon == pytest.approx(whole)
    assert new.epsilon <= whole
    assert len(rounds_of(replace(BASE, privacy=new.privacy))) == 2, "the others are on record as rounds, and counted once"
    assert failed.unamplified_epsilon == pytest.approx(Spending((4.0, noise, noise)).epsilon(1e-5)), "nobody has paid for this one"
    assert lost.unamplified_epsilon == pytest.approx(whole), "what came of this one, nobody knows"
    assert (ended.paid, failed.paid, lost.paid) == (True, False, True)


async def test_organisations_that_were_not_asked_have_paid_nothing() -> None:
    few = GivenUp(RoundState.FAILED, "TOO_FEW_CONTRIBUTORS", "9 were there")

    async def give_up(found: OpenRound) -> None:
        await asyncio.sleep(0.02)
        found.give_up(RoundState.ABORTED, "", "enough")

    assert not (await Bench(silos=Silos(few)).run()).paid
    assert (await Bench(silos=Silos(waits_s=30)).run(meanwhile=give_up)).paid


async def test_nobody_has_a_place_in_a_round_of_organisations() -> None:
    found = open_round()

    assert found.join(DeviceIdentity(UUID(int=1), UUID(int=2), b"")) is None
    assert found.stage is RoundStage.SELECTING
    assert found.live.selected_count == 0


async def test_epsilon_is_infinite_once_there_was_no_noise_and_amplified_is_never_more() -> None:
    assert await spent([(4.0, 1.0), (0.0, 1.0)]) == (math.inf, math.inf)
    amplified, plain = await spent([(4.0, 0.1), (2.0, 1.0)])
    assert 0 < amplified <= plain
    assert await spent([]) == (0.0, 0.0)


def test_without_any_bound_no_norm_is_too_large() -> None:
    plan = RoundPlan(Algorithm.FEDAVG, 1, 0.1, 32, 0, 100, LENGTH, None, None)

    assert largest_norm(plan, 10, 1.0) == math.inf


async def test_little_by_little_the_model_gets_no_worse_than_three_tolerances() -> None:
    base, before = BASE, 0.80
    gate, head = Gate(), np.zeros(LENGTH, np.float32).tobytes()
    judge, outcome = Judge(gate, Codec(), tolerance=0.01), Outcome(np.full(LENGTH, 0.001), 11, 12, 24)
    for gate.good in (0.792, 0.784, 0.776):
        _, new = await judge.judge(open_round().record, base, head, outcome, before, server_learning_rate=1.0)
        base, before = replace(base, metrics=new.metrics), gate.good

    gate.good = 0.768
    with pytest.raises(GivenUp, match=r"the best of those before 80\.0%") as caught:
        await judge.judge(open_round().record, base, head, outcome, before, server_learning_rate=1.0)
    assert caught.value.reason == "LESS_ACCURATE"
