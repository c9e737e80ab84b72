"""A user's own categorizer on the model that ships: what is said is learned, each step is told, and too little is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from models.artifact import load, pack, read_manifest, save
from models.hypcd.classifier import Classifier
from models.hypcd.user_head import UserHead
from services.kit.errors import FailedPrecondition
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, NOBODY, LiveArtifact, Progress, Trained
from services.training.trainers.categorizer import CategorizerTrainer
from services.training.trainers.global_model import MODELS_DIR, GlobalModel
from services.training.trainers.payments import TrainingPayment
from tests.support.training_fakes import a_job

SHOPS = {
    "garden": ["ROSE NURSERY", "GREEN FINGERS GARDEN CENTRE", "HILL PLANTS", "THE TREE SHOP", "OAK LANDSCAPES", "BULB AND SEED CO"],
    "groceries_supermarket": ["TESCO STORES", "ALDI", "LIDL", "SAINSBURYS", "ASDA", "MORRISONS"],
}


def bought(count: int, *, labelled: bool = True, corrected: bool = True) -> Sequence[TrainingPayment]:
    rows = []
    for number in range(count):
        category = list(SHOPS)[number % 2]
        shop = SHOPS[category][number // 2 % 6]
        day = date(2026, 1, 1) + timedelta(days=number)
        text = f"{shop} {number * 37 % 1000} LEEDS"
        rows.append(TrainingPayment(f"t{number}", text, "", Decimal("-12.30"), day, category if labelled else "", corrected and labelled))
    return rows


class Payments:
    """`UserPayments` in memory."""

    def __init__(self, rows: Sequence[TrainingPayment]) -> None:
        self._rows = rows

    async def corrections(self) -> AsyncIterator[TrainingPayment]:
        for one in self._rows:
            if one.corrected:
                yield one

    async def transactions(self) -> AsyncIterator[TrainingPayment]:
        for one in reversed(self._rows):
            yield one


class Live:
    """`LiveModels` in memory."""

    def __init__(self, **artifacts: LiveArtifact) -> None:
        self._artifacts = artifacts
        self.asked: list[tuple[UUID, str]] = []

    async def live(self, user_id: UUID, model_type: str) -> LiveArtifact | None:
        self.asked.append((user_id, model_type))
        return self._artifacts.get(model_type.replace("-", "_"))


class Reports:
    def __init__(self, stop_at: int | None = None) -> None:
        self.told: list[Progress] = []
        self._stop_at = stop_at

    async def __call__(self, progress: Progress) -> None:
        self.told.append(progress)
        if self._stop_at is not None and progress.step >= self._stop_at:
            raise PermissionError("given up")


async def train(user_id: UUID, rows: Sequence[TrainingPayment], *, live: Live | None = None, reports: Reports | None = None) -> Trained:
    models = live or Live()
    trainer = CategorizerTrainer(Payments(rows), GlobalModel(models), models, most_payments=1000)
    return await trainer.train(a_job(user_id), reports or Reports())


async def test_what_the_user_said_becomes_a_head_on_the_global_model(user_id: UUID) -> None:
    live, reports, before = Live(), Reports(), datetime.now(UTC)
    # By rules, say, and not by corrections: these would answer for themselves.
    trained = await train(user_id, bought(60, corrected=False), live=live, reports=reports)
    head = UserHead.load(trained.artifact)
    assert (head.base_version, head.own, trained.parent_version) == (Classifier.load(MODELS_DIR).ball, ("garden",), "hypcd-1")
    assert trained.better
    metrics = trained.metrics
    assert (metrics["payments"], metrics["labelled"], metrics["corrections"], metrics["held_out"]) == (60, 60, 0, 12)
    assert float(metrics["accuracy"]) > float(metrics["present_accuracy"])
    assert before <= trained.data_cutoff_at <= datetime.now(UTC)
    phases = [one.phase for one in reports.told]
    assert list(dict.fromkeys(phases)) == ["collecting", "training", "evaluating"]
    assert (reports.told[-1].step, reports.told[-1].total) == (300, 300)
    assert reports.told[-1].loss is not None
    assert live.asked == [(NOBODY, CATEGORIZER_GLOBAL), (user_id, CATEGORIZER)]


@pytest.mark.parametrize("count", [0, 19])
async def test_too_little_is_refused_in_words_for_the_user(user_id: UUID, count: int) -> None:
    with pytest.raises(FailedPrecondition, match=rf"There are {count} payments .* Put some more categories right") as refused:
        await train(user_id, [*bought(count), *bought(40, labelled=False)[count:]])
    assert refused.value.reason == "TOO_FEW_EXAMPLES"


async def test_a_job_that_is_given_up_stops_in_the_middle(user_id: UUID) -> None:
    with pytest.raises(PermissionError, match="given up"):
        await train(user_id, bought(60), reports=Reports(stop_at=1))


async def test_it_is_trained_on_the_global_model_that_is_live(user_id: UUID, tmp_path: Path) -> None:
    shipped = read_manifest(MODELS_DIR)
    save(tmp_path, "hypcd-1+abc", {name: load(shipped, name) for name in shipped.hashes}, {})
    broken_head = LiveArtifact("2-old", b"no head")
    live = Live(categorizer_global=LiveArtifact("7-deadbeef", pack(tmp_path)), categorizer=broken_head)
    trained = await train(user_id, bought(40), live=live)
    assert UserHead.load(trained.artifact).base_version == Classifier.load(tmp_path).ball
    assert (trained.parent_version, trained.metrics["base_version"]) == ("7-deadbeef", "hypcd-1+abc")


async def test_without_a_global_model_nothing_can_be_built(user_id: UUID) -> None:
    with pytest.raises(FailedPrecondition, match="ask whoever runs SCALE") as refused:
        await train(user_id, bought(40), live=Live(categorizer_global=LiveArtifact("7-deadbeef", b"damaged")))
    assert refused.value.reason == "NO_GLOBAL_MODEL"


async def test_a_head_is_judged_beside_the_shipped_rules_that_answer_with_the_network(user_id: UUID) -> None:
    """The network alone takes the first for fuel and the second for a hairdresser: to beat it would be no merit."""
    said = {"STADTWERKE ELECTRICITY": "utilities_energy", "LOYER AVRIL": "housing_rent"}
    rows = [
        replace(one, description=f"{text} {number}", category=said[text])
        for number, one in enumerate(bought(60, corrected=False))
        for text in [list(said)[number % 2]]
    ]
    trained = await train(user_id, rows)
    assert (trained.metrics["present_accuracy"], trained.metrics["accuracy"]) == (1, 1)
    assert float(trained.metrics["present_log_loss"]) < 0.2


async def test_a_head_that_answers_already_is_not_beaten_by_its_like(user_id: UUID) -> None:
    rows = bought(80, corrected=False)
    first = await train(user_id, rows[:60])
    live = Live(categorizer=LiveArtifact("1-abc", first.artifact))
    again = await train(user_id, rows, live=live)
    assert again.metrics["held_out"] == 16
    assert float(again.metrics["present_accuracy"]) > 0.9
    assert not again.better
