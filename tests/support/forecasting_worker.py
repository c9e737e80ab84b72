"""The forecasting worker with work that leaves traces, for tests: `python -m tests.support.forecasting_worker FOLDER`.

It waits for as long as FOLDER/hang is there, and its result is a scan of as many transactions as it was tried times. Each try is a line in
FOLDER/tries.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from services.forecasting.jobs import repository
from services.forecasting.jobs.domain import Job, JobKind
from services.forecasting.jobs.protocols import JobWork
from services.forecasting.settings import ForecastingWorkerSettings
from services.forecasting.worker import work
from services.kit.job_runs import attempt_over
from services.kit.postgres import Database
from services.kit.settings import load_settings

FOLDER = Path(sys.argv[1])
_RESULT = """
    INSERT INTO forecasting.scans (user_id, id, transaction_count, found_count, resolved_count, data_cutoff_at)
    VALUES ($1, $2, $3, 0, 0, now())
"""


class TracingWork:
    """`JobWork`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry_out(self, running: Job) -> None:
        """Finds nothing."""
        with (FOLDER / "tries").open("a") as file:
            file.write(f"{running.user_id} {running.id}\n")
        while (FOLDER / "hang").exists():
            await asyncio.sleep(0.02)
        async with self._database.transaction(running.user_id) as connection:
            if not await repository.succeed(connection, running):
                raise attempt_over(running.id)
            await connection.execute(_RESULT, running.user_id, running.id, running.tries)


def works(database: Database) -> Mapping[JobKind, JobWork]:
    """The same for each kind."""
    return dict.fromkeys(JobKind, TracingWork(database))


if __name__ == "__main__":
    work(load_settings(ForecastingWorkerSettings), works)
