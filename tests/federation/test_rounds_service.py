"""What administrators are told of rounds, and what is closed for them, without a database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from models.federated.privacy import Spending
from services.federation.domain import RoundOptions, RoundStage, RoundState, Trigger, round_open
from services.federation.ending import charged_noise
from services.federation.plans import Plans
from services.federation.protocols import LiveRound
from services.federation.service import RoundsService
from services.federation.settings import RoundSettings
from services.kit.errors import Aborted, AlreadyExists
from tests.federation.test_running import Codec, Line, Records, open_round


@dataclass
class Book(Records):
    """Rounds in memory, one of them open."""

    opened: Any = None

    async def open(self, round_id: UUID, **_: Any) -> Any:
        if self.opened is not None:
            raise round_open(self.opened.id)
        self.opened = replace(open_round().record, id=round_id)
        return self.opened

    async def find(self, request_id: str, request_hash: bytes) -> None:
        return None

    async def get_open(self) -> Any:
        return self.opened

    async def close(self, ended: Any) -> None:
        await super().close(ended)
        self.opened = None


@dataclass
class StillEngine:
    """`Engine`: nothing moves."""

    active: bool = True
    available_count: int = 0
    alive: dict[UUID, LiveRound] = field(default_factory=dict)

    async def start(self, opened: Any, *_: Any) -> None:
        self.alive[opened.id] = LiveRound(RoundStage.SELECTING, 0, 0, 0, 0)

    def live(self, round_id: UUID) -> LiveRound | None:
        return self.alive.get(round_id)

    async def abort(self, round_id: UUID) -> bool:
        return False

    async def wait_ended(self, round_id: UUID, seconds: float) -> None:
        return None


def service(book: Book, engine: StillEngine) -> RoundsService:
    plans = Plans(RoundSettings(), development=True)
    return RoundsService(book, Line(), engine, plans, Codec(), budget_epsilon=8, interval_hours=0)


async def start(rounds: RoundsService, request_id: str) -> Any:
    return await rounds.start_round(RoundOptions(), request_id=request_id, trigger=Trigger.ADMIN)


async def test_a_round_of_ones_own_whose_end_is_not_on_record_makes_room() -> None:
    book, engine = Book(), StillEngine()
    rounds = service(book, engine)
    first = await start(rounds, "1")
    with pytest.raises(AlreadyExists):
        await start(rounds, "2")
    assert book.closed == [], "it goes on"

    engine.alive.clear()
    second = await start(rounds, "3")

    ((closed),) = book.closed
    assert (closed.id, closed.state, closed.reason, closed.paid) == (first.id, RoundState.FAILED, "NOT_RECORDED", True)
    assert second.id == book.opened.id != first.id


async def test_a_round_of_ones_own_that_somebody_closes_just_now_is_no_trouble() -> None:
    book, engine = Book(), StillEngine()
    rounds = service(book, engine)
    await start(rounds, "1")
    engine.alive.clear()
    book.troubles.append(Aborted("not open any more", reason="ROUND_OVER"))

    with pytest.raises(AlreadyExists):
        await start(rounds, "2")


async def test_the_round_of_another_coordinator_is_not_ended() -> None:
    """One that has lost its place a moment ago, and does not know yet, is asked for a round: its successor has begun one."""
    book, engine = Book(), StillEngine()
    rounds = service(book, engine)
    await start(rounds, "1")
    engine.alive.clear()
    book.opened = another = open_round().record

    with pytest.raises(AlreadyExists) as refused:
        await start(rounds, "2")

    assert refused.value.metadata["round_id"] == str(another.id)
    assert (book.closed, book.opened) == ([], another)


async def test_what_is_spent_counts_every_round_that_was_paid_for() -> None:
    book, engine = Book(), StillEngine()
    rounds = service(book, engine)
    noise = charged_noise(open_round().record.plan)

    async def spent() -> float:
        return (await rounds.status()).spent_epsilon

    assert await spent() == Line().newest.unamplified_epsilon
    book.lost = [open_round().record.plan] * 2
    assert await spent() == pytest.approx(Spending((4.0, noise, noise)).epsilon())
    opened = await start(rounds, "1")
    assert await spent() == pytest.approx(Spending((4.0, noise, noise)).epsilon()), "nobody has sent an update yet"
    engine.alive[opened.id] = LiveRound(RoundStage.UPLOADING, 1, 1, 0, 0)
    assert await spent() == pytest.approx(Spending((4.0, noise, noise, noise)).epsilon())
    engine.alive.clear()
    assert await spent() == pytest.approx(Spending((4.0, noise, noise, noise)).epsilon()), "another coordinator's"
    assert np.isfinite(await spent())
