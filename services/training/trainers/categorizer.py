"""Trains a user's own categorizer: a head on the global model, from what the user has said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from services.kit.errors import FailedPrecondition
from services.training.domain import CATEGORIZER, Job, LiveArtifact, Metrics, Progress, Trained
from services.training.protocols import LiveModels, Report
from services.training.trainers.global_model import GlobalModel
from services.training.trainers.in_thread import Tell, in_thread
from services.training.trainers.payments import TrainingPayment, UserPayments, collect, counts

if TYPE_CHECKING:
    from models.hypcd.classifier import Classifier
    from models.hypcd.user_head import UserHead
    from models.hypcd.user_head_fit import Examples

_EPOCH = date(1970, 1, 1).toordinal()
_BATCH = 1000


class CategorizerTrainer:
    """`Trainer` of CATEGORIZER."""

    def __init__(self, payments: UserPayments, global_model: GlobalModel, live: LiveModels, *, most_payments: int) -> None:
        """`most_payments`: of a user, the newest, are learned from."""
        self._payments = payments
        self._global = global_model
        self._live = live
        self._most_payments = most_payments

    async def train(self, job: Job, report: Report) -> Trained:
        """See `Trainer`. Raises FailedPrecondition with reason TOO_FEW_EXAMPLES."""
        cutoff = datetime.now(UTC)
        await report(Progress(0, 0, None, "collecting"))
        rows = await collect(self._payments, most=self._most_payments)
        base, present = await self._global.artifact(), await self._live.live(job.user_id, CATEGORIZER)
        return await in_thread(lambda tell: self._learn(rows, base, present, cutoff, tell), report)

    def _learn(
        self, rows: Sequence[TrainingPayment], base: LiveArtifact | None, present: LiveArtifact | None, cutoff: datetime, tell: Tell
    ) -> Trained:
        from models.cores import use_one_core
        from models.hypcd.user_head_fit import TooFewExamples, learn_head

        # The same rows shall give the same head.
        use_one_core()
        model = self._global.load(base)
        try:
            learned = learn_head(
                _examples(model, rows),
                model,
                _read(present),
                step=lambda phase, number, total, loss: tell(Progress(number, total, loss, phase)),
            )
        except TooFewExamples as error:
            raise FailedPrecondition(str(error), reason="TOO_FEW_EXAMPLES") from error
        metrics: Metrics = {
            **counts(rows),
            "held_out": learned.held_out,
            "accuracy": round(learned.trained.accuracy, 4),
            "log_loss": round(learned.trained.log_loss, 4),
            "present_accuracy": round(learned.present.accuracy, 4),
            "present_log_loss": round(learned.present.log_loss, 4),
            "base_version": model.version,
        }
        return Trained(learned.head.to_bytes(), learned.better, metrics, base.version if base is not None else model.version, cutoff)


def _read(present: LiveArtifact | None) -> UserHead | None:
    """The live head; None as well for one that cannot be read: it does not answer either."""
    from models.artifact import ArtifactError
    from models.hypcd.user_head import UserHead

    try:
        return UserHead.load(present.content) if present is not None else None
    except ArtifactError:
        return None


def _examples(model: Classifier, rows: Sequence[TrainingPayment]) -> Examples:
    """Where payments lie, and what the global model says of them with the shipped rules beside it, as whoever answers sees it."""
    import numpy as np

    from models.hypcd.classifier import Items
    from models.hypcd.merchant import merchant_keys
    from models.hypcd.user_head_fit import Examples
    from models.knowledge.pooling import with_rules

    keys = merchant_keys([row.merchant for row in rows], [row.description for row in rows])
    # Sign and magnitude are all that is looked at: no money, so a float does.
    amounts = np.array([float(row.amount) for row in rows], np.float64)
    points = np.empty((len(rows), model.dimension), np.float32)
    likely = np.empty((len(rows), len(model.categories)), np.float32)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        end = start + len(part)
        weekdays = [row.day.weekday() if row.day is not None else -1 for row in part]
        descriptions, merchants = [row.description for row in part], [row.merchant for row in part]
        found = model.predict(Items(descriptions, merchants, amounts[start:end], weekdays))
        points[start:end] = found.points
        likely[start:end] = with_rules(model.categories, found.probabilities, descriptions, merchants, amounts[start:end])
    days = np.array([row.day.toordinal() - _EPOCH if row.day is not None else 0 for row in rows], np.int32)
    return Examples(
        points, likely, keys, amounts, days, [row.category for row in rows], np.array([row.corrected for row in rows], np.bool_)
    )
