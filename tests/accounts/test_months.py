"""Months made ahead: on the plain ledger nothing, on the partitioned one what is due, and later when it is busy."""

from __future__ import annotations

import pytest
import structlog

from services.accounts.months import MONTHS_AHEAD, MonthsAhead
from services.accounts.repository.partitions import PostgresPartitionsRepository
from services.accounts.schedule import CREATE_PARTITIONS, SCHEDULE, UPKEEP
from services.kit.errors import DeadlineExceeded
from services.kit.postgres import Database


class Partitions:
    """Answers as told."""

    def __init__(self, answer: int | Exception) -> None:
        self.answer = answer
        self.asked: list[int] = []

    async def create_monthly_partitions(self, months_ahead: int) -> int:
        self.asked.append(months_ahead)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_the_plain_ledger_has_no_months(database: Database) -> None:
    assert await PostgresPartitionsRepository(database).create_monthly_partitions(MONTHS_AHEAD) == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (0, []),
        (1, ["months made ahead"]),
        (DeadlineExceeded("busy", reason="DB_STATEMENT_TIMEOUT"), ["the ledger is busy, its months are made later"]),
    ],
)
async def test_the_clock_makes_what_is_due(answer: int | Exception, said: list[str]) -> None:
    partitions = Partitions(answer)
    with structlog.testing.capture_logs() as lines:
        await MonthsAhead(partitions).create_partitions()
    assert [line["event"] for line in lines] == said
    assert partitions.asked == [2]


@pytest.mark.requirement("DB-50")
def test_the_clock_asks_every_hour() -> None:
    assert [(every.seconds, every.queue) for every in SCHEDULE if every.task == CREATE_PARTITIONS] == [(3600, UPKEEP)]
