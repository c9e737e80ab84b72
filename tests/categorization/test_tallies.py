"""Counts on their way to the database: added up, sent by and by, kept while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest

from services.categorization.learning.domain import Tally
from services.categorization.learning.tallies import AcceptanceTallies
from services.kit import context
from services.kit.errors import Unavailable


class FakeAcceptance:
    """`AcceptanceRepository`, as far as it adds."""

    def __init__(self) -> None:
        self.added: list[Tally] = []
        self.ages: list[float] = []
        self.error: Exception | None = None
        self.request_ids: list[str] = []

    async def add_acceptance(self, tallies: Sequence[Tally], *, age_s: float) -> None:
        if self.error is not None:
            raise self.error
        self.added += tallies
        self.ages.append(age_s)
        self.request_ids.append(context.request_id())


def counts(repository: FakeAcceptance) -> list[tuple[int, int]]:
    return sorted((one.classified, one.corrected) for one in repository.added)


async def test_counts_are_added_up_and_sent_by_and_by_in_nobodys_name() -> None:
    repository, users = FakeAcceptance(), [uuid4(), uuid4()]
    tallies = AcceptanceTallies(repository, every_s=0.01)  # type: ignore[arg-type]
    context.bind_request_id("somebody's")
    tallies.add(users[0], classified=2)
    tallies.add(users[0], classified=1, corrected=1)
    tallies.add(users[1], corrected=1)
    tallies.add(users[1])
    assert repository.added == []
    async with asyncio.timeout(5):
        while not repository.added:
            await asyncio.sleep(0.005)
    assert counts(repository) == [(0, 1), (3, 1)]
    assert repository.request_ids == [""]
    assert 0 <= repository.ages[0] < 5
    tallies.add(users[0], classified=1)
    await tallies.close()
    assert counts(repository) == [(0, 1), (1, 0), (3, 1)]


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("broken")])
async def test_what_the_database_does_not_take_stays(error: Exception) -> None:
    repository, user = FakeAcceptance(), uuid4()
    repository.error = error
    tallies = AcceptanceTallies(repository, every_s=0.01)  # type: ignore[arg-type]
    tallies.add(user, classified=2)
    await asyncio.sleep(0.05)
    tallies.add(user, classified=1)
    repository.error = None
    async with asyncio.timeout(5):
        while not repository.added:
            await asyncio.sleep(0.005)
    assert counts(repository) == [(3, 0)]
    assert repository.ages[0] >= 0.04
    await tallies.close()


async def test_there_is_an_end_to_what_waits() -> None:
    repository, users = FakeAcceptance(), [uuid4() for _ in range(3)]
    tallies = AcceptanceTallies(repository, every_s=3600, most_waiting=2)  # type: ignore[arg-type]
    for user in users:
        tallies.add(user, classified=1)
    tallies.add(users[0], classified=1)
    await tallies.close()
    assert counts(repository) == [(1, 0), (2, 0)]


async def test_many_users_go_in_parts_and_a_part_that_is_in_is_not_sent_again() -> None:
    repository = FakeAcceptance()
    tallies = AcceptanceTallies(repository, every_s=3600)  # type: ignore[arg-type]
    for _ in range(700):
        tallies.add(uuid4(), classified=1)
    add = repository.add_acceptance

    async def once(rows: Sequence[Tally], *, age_s: float) -> None:
        await add(rows, age_s=age_s)
        repository.error = Unavailable("away")

    repository.add_acceptance = once  # type: ignore[method-assign, assignment]
    await tallies.flush()
    assert len(repository.added) == 500
    repository.error = None
    repository.add_acceptance = add  # type: ignore[method-assign]
    await tallies.close()
    assert len(repository.added) == 700
