"""Trains everybody's forecaster anew, on the daily sums of many users."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from services.kit.errors import FailedPrecondition
from services.training.domain import FORECASTER_GLOBAL, NOBODY, Job, LiveArtifact, Progress, Trained
from services.training.protocols import LiveModels, Report
from services.training.trainers.histories import HISTORY_DAYS, Histories, draw, series_of
from services.training.trainers.in_thread import Tell, in_thread

if TYPE_CHECKING:
    from models.forecaster.series import Series

log = structlog.get_logger()

MODELS_DIR = Path(__file__).resolve().parents[3] / "models" / "forecaster"
"""The models that come with the product."""


class GlobalForecasterTrainer:
    """`Trainer` of FORECASTER_GLOBAL."""

    def __init__(
        self, histories: Histories, live: LiveModels, folder: Path, *, least_users: int, most_users: int, least_days: int, steps: int
    ) -> None:
        """`folder`: of the models that answer while the registry has none. `least_users` must have ledgers of `least_days`; of these users
        `most_users` are learned from, in about so many `steps`."""
        self._histories = histories
        self._live = live
        self._folder = folder
        self._least_users = least_users
        self._most_users = most_users
        self._least_days = least_days
        self._steps = steps

    async def train(self, job: Job, report: Report) -> Trained:
        """See `Trainer`. Raises FailedPrecondition with reason TOO_FEW_EXAMPLES."""
        cutoff = datetime.now(UTC)
        await report(Progress(0, 0, None, "collecting"))
        # A job that is tried again draws the same ones.
        drawn = await draw(self._histories.users(least_days=self._least_days), most=self._most_users, seed=job.id.int)
        self._check_enough(len(drawn))
        yesterday = cutoff.date() - timedelta(days=1)
        series: list[Series] = []
        users = 0
        for number, user_id in enumerate(drawn, start=1):
            sums = await self._histories.daily_sums(user_id, date_from=yesterday - timedelta(days=HISTORY_DAYS), date_to=yesterday)
            of_user = await asyncio.to_thread(series_of, sums)
            series += of_user
            users += bool(of_user)
            await report(Progress(number, len(drawn), None, "collecting"))
        self._check_enough(users)
        live = await self._live.live(NOBODY, FORECASTER_GLOBAL)
        return await in_thread(lambda tell: self._learn(job, series, users, live, cutoff, tell), report)

    def _check_enough(self, users: int) -> None:
        if users < self._least_users:
            raise FailedPrecondition(
                f"{users} users have ledgers of {self._least_days} days or more, and everybody's forecaster learns from "
                f"{self._least_users} at least; try again when more have",
                reason="TOO_FEW_EXAMPLES",
            )

    def _learn(self, job: Job, series: Sequence[Series], users: int, live: LiveArtifact | None, cutoff: datetime, tell: Tell) -> Trained:
        from models.cores import use_one_core
        from models.forecaster.fit import fit
        from models.forecaster.forecast import Forecaster
        from models.forecaster.train import VERSION

        def told(number: int, total: int, loss: float) -> None:
            tell(Progress(number, total, loss, "training" if number < total else "evaluating"))

        # The same sums shall give the same networks.
        use_one_core()
        with tempfile.TemporaryDirectory(prefix="scale-model-") as unpacked:
            answers = self._present(live, Path(unpacked))
            parent = live.version if live is not None and answers != self._folder else Forecaster.load(answers).version
            try:
                made = fit(series, answers, steps=self._steps, progress=told, version=f"{VERSION}+{job.id.hex[-12:]}")
            except ValueError as error:
                raise FailedPrecondition(f"The ledgers of {users} users are not enough: {error}", reason="TOO_FEW_EXAMPLES") from error
        return Trained(made.content, made.better, {"users": users, **made.metrics}, parent, cutoff)

    def _present(self, live: LiveArtifact | None, folder: Path) -> Path:
        """Where the models lie that answer now: a live one that cannot be read does not answer either."""
        from models.artifact import ArtifactError, unpack
        from models.forecaster.forecast import Forecaster

        if live is None:
            return self._folder
        try:
            unpack(live.content, folder)
        except ArtifactError as error:
            reason = str(error)
        else:
            reason = Forecaster.load(folder).reason
        if reason:
            log.error("the live forecaster cannot be read", version=live.version, error=reason)
            return self._folder
        return folder
