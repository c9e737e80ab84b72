"""Trains the global categorizer anew, with what users agree about."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from services.kit.errors import FailedPrecondition
from services.training.domain import Job, LiveArtifact, Progress, Trained
from services.training.protocols import Report
from services.training.trainers.checkpoints import CheckpointFolders
from services.training.trainers.global_model import GlobalModel
from services.training.trainers.in_thread import Tell, in_thread
from services.training.trainers.payments import AgreedCorrection, AgreedCorrections

if TYPE_CHECKING:
    from models.hypcd.retrain import Recipe


class GlobalCategorizerTrainer:
    """`Trainer` of CATEGORIZER_GLOBAL."""

    def __init__(
        self,
        agreed: AgreedCorrections,
        global_model: GlobalModel,
        checkpoints: CheckpointFolders,
        *,
        least_users: int,
        recipe: Recipe | None = None,
    ) -> None:
        """`least_users` must agree about a merchant; `recipe`: in place of what ships."""
        self._agreed = agreed
        self._global = global_model
        self._least_users = least_users
        self._checkpoints = checkpoints
        self._recipe = recipe

    async def train(self, job: Job, report: Report) -> Trained:
        """See `Trainer`. Raises FailedPrecondition with reason TOO_FEW_EXAMPLES, and OSError where there is no room for checkpoints."""
        cutoff = datetime.now(UTC)
        await report(Progress(0, 0, None, "collecting"))
        said = [one async for one in self._agreed.agreed(least_users=self._least_users)]
        base = await self._global.artifact()
        folder = self._checkpoints.of(job.id)
        return await in_thread(lambda tell: self._learn(job, said, base, cutoff, folder, tell), report)

    def _learn(
        self, job: Job, said: Sequence[AgreedCorrection], base: LiveArtifact | None, cutoff: datetime, checkpoints: Path, tell: Tell
    ) -> Trained:
        from models.artifact import pack
        from models.cores import use_one_core
        from models.hypcd.retrain import Agreed, TooFewAgree, retrain
        from models.hypcd.train import VERSION

        # The same rows shall give the same model.
        use_one_core()
        present = self._global.load(base)
        with tempfile.TemporaryDirectory(prefix="scale-model-") as made:
            try:
                learned = retrain(
                    [Agreed(one.merchant_key, one.category, one.credit) for one in said],
                    present,
                    Path(made),
                    f"{VERSION}+{job.id.hex[-12:]}",
                    checkpoints=checkpoints,
                    recipe=self._recipe,
                    step=lambda phase, number, total, loss: tell(Progress(number, total, loss, phase)),
                )
            except TooFewAgree as error:
                raise FailedPrecondition(str(error), reason="TOO_FEW_EXAMPLES") from error
            return Trained(pack(Path(made)), learned.better, learned.metrics, base.version if base is not None else present.version, cutoff)
