"""What a silo agrees to, and what leaves it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner

from clients.device.ledger_export import LabelledRow
from clients.device.problem import DeviceProblem, PolicyRefused
from clients.device.silo.__main__ import app
from clients.device.silo.silo import LEDGER, Silo
from clients.device.trainer import Parts, Trained
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2

LENGTH = 2000
CLIP_NORM, NOISE = 0.2, 4.0
HEAD, ENCODER = b"a head", b"an encoder"
ROWS = [LabelledRow("Corner Shop Zanzibar", "", -12.3, None, "groceries_supermarket")]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assignment(**changes: Any) -> pb.Assignment:
    """A round of silos; `changes` are of its plan."""
    plan = round_pb2.RoundPlan(
        algorithm=round_pb2.ALGORITHM_FEDAVG,
        epochs=1,
        learning_rate=0.5,
        batch_size=32,
        update_length=LENGTH,
        privacy=round_pb2.PrivacyPlan(
            clip_norm=CLIP_NORM,
            noise_multiplier=NOISE,
            noise_contributor_count=1,
            delta=1e-5,
            example_noise_multiplier=1.0,
            example_clip_norm=1.0,
        ),
    )
    plan.MergeFrom(round_pb2.RoundPlan(**changes))
    parts = [
        pb.ModelPart(name=name, content_hash=digest(content), size_bytes=len(content))
        for name, content in (("encoder", ENCODER), ("head", HEAD))
    ]
    return pb.Assignment(round_id=str(uuid4()), model_version=3, plan=plan, model_parts=parts)


@dataclass
class FakeTrainer:
    """An update in one direction, much longer than a silo may send."""

    asked: list[Parts] = field(default_factory=list)

    def train(self, parts: Parts, rows: Sequence[LabelledRow], plan: round_pb2.RoundPlan) -> Trained:
        self.asked.append(parts)
        update = np.zeros(LENGTH, np.float32)
        update[0] = 50.0
        return Trained(update, len(rows), 1, 0.1, 2.0, ((1.0, 0.5, 2),))


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture
def silo(tmp_path: Path, trainer: FakeTrainer) -> Silo:
    Silo.create(tmp_path)
    return opened(tmp_path, trainer)


def opened(folder: Path, trainer: FakeTrainer, rows: Sequence[LabelledRow] = ROWS) -> Silo:
    return Silo(folder, lambda: rows, trainer=trainer, encoder=lambda: (ENCODER, digest(ENCODER)))


def train(silo: Silo, asked: pb.Assignment) -> np.ndarray:
    return silo.train(asked.SerializeToString(), HEAD)


def test_what_leaves_is_clipped_and_carries_all_of_the_noise(silo: Silo, trainer: FakeTrainer) -> None:
    update = train(silo, assignment())

    assert update.dtype == np.float32
    assert update.shape == (LENGTH,)
    deviation = NOISE * CLIP_NORM
    assert float(np.std(update[1:])) == pytest.approx(deviation, rel=0.1), "of one silo alone: nobody else adds to it"
    assert abs(update[0]) < CLIP_NORM + 6 * deviation, "the update was 50 long"
    assert trainer.asked == [Parts(ENCODER, digest(ENCODER), HEAD)]


def test_no_two_silos_add_the_same_noise(tmp_path: Path, trainer: FakeTrainer) -> None:
    asked = assignment()
    updates = []
    for name in ("one", "two"):
        Silo.create(tmp_path / name)
        updates.append(train(opened(tmp_path / name, trainer), asked))

    assert abs(float(np.corrcoef(updates[0][1:], updates[1][1:])[0, 1])) < 0.15


def test_what_it_costs_is_on_the_disk(silo: Silo, tmp_path: Path, trainer: FakeTrainer) -> None:
    train(silo, assignment())

    again = opened(tmp_path, trainer)
    assert 0 < again.spent_epsilon == silo.spent_epsilon < 8


def test_a_round_is_answered_once(silo: Silo) -> None:
    asked = assignment()
    train(silo, asked)
    spent = silo.spent_epsilon

    with pytest.raises(PolicyRefused, match="paid for before") as refused:
        train(silo, asked)

    assert refused.value.reason == "BEGUN_BEFORE"
    assert silo.spent_epsilon == spent


def test_a_budget_that_is_spent_ends_it(silo: Silo) -> None:
    for _ in range(100):
        try:
            train(silo, assignment())
        except PolicyRefused as refused:
            assert refused.reason == "BUDGET_SPENT"
            break
    else:
        pytest.fail("it never ended")

    assert 0 < silo.spent_epsilon <= 8


def without_privacy() -> pb.Assignment:
    found = assignment()
    found.plan.ClearField("privacy")
    return found


def masked() -> pb.Assignment:
    return assignment(
        secure_aggregation=round_pb2.SecureAggregationPlan(
            word_bits=24, quantization_scale=1e-4, complete_graph_limit=32, neighbor_count=24, clip_norm=CLIP_NORM
        )
    )


def shared() -> pb.Assignment:
    return assignment(privacy=round_pb2.PrivacyPlan(noise_contributor_count=10))


def other_encoder() -> pb.Assignment:
    found = assignment()
    found.model_parts[0].content_hash = digest(b"another")
    return found


def other_head() -> pb.Assignment:
    found = assignment()
    found.model_parts[1].content_hash = digest(b"another")
    return found


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (without_privacy, "NO_PRIVACY"),
        (masked, "PLAN_INVALID"),
        (shared, "NOISE_SHARED"),
        (other_encoder, "MODEL_MISMATCH"),
        (other_head, "MODEL_MISMATCH"),
        (lambda: assignment(epochs=4), "EPOCHS"),
        (lambda: assignment(weight_cap=1000), "WEIGHTS"),
        (lambda: assignment(privacy=round_pb2.PrivacyPlan(noise_multiplier=0.01)), "TOO_LITTLE_NOISE"),
        (lambda: assignment(privacy=round_pb2.PrivacyPlan(noise_multiplier=math.nan)), "TOO_LITTLE_NOISE"),
        (lambda: assignment(privacy=round_pb2.PrivacyPlan(clip_norm=1000)), "CLIP_NORM"),
        (lambda: assignment(privacy=round_pb2.PrivacyPlan(delta=0.1)), "DELTA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_silo_does_not_do(silo: Silo, trainer: FakeTrainer, make: Any, reason: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        train(silo, make())

    assert refused.value.reason == reason
    assert trainer.asked == []
    assert silo.spent_epsilon == 0


@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"", pb.Assignment(round_id="../../etc").SerializeToString()])
def test_what_is_no_assignment_is_refused(silo: Silo, content: bytes) -> None:
    with pytest.raises(PolicyRefused) as refused:
        silo.train(content, HEAD)

    assert refused.value.reason == "MALFORMED"


def test_without_a_labelled_row_nothing_is_paid(tmp_path: Path, trainer: FakeTrainer) -> None:
    Silo.create(tmp_path)
    silo = opened(tmp_path, trainer, rows=())

    with pytest.raises(DeviceProblem, match="no labelled transaction"):
        train(silo, assignment())

    assert silo.spent_epsilon == 0


def test_a_silo_that_has_lost_its_ledger_does_not_begin_anew(silo: Silo, tmp_path: Path, trainer: FakeTrainer) -> None:
    (tmp_path / LEDGER).unlink()

    with pytest.raises(DeviceProblem):
        opened(tmp_path, trainer)


def test_a_silo_is_made_once_and_says_its_key(tmp_path: Path) -> None:
    folder, runner = tmp_path / "silo", CliRunner()

    made = runner.invoke(app, ["create", "--folder", str(folder)])
    again = runner.invoke(app, ["create", "--folder", str(folder)])
    status = runner.invoke(app, ["status", "--folder", str(folder)])

    assert made.exit_code == 0
    assert made.stdout.startswith("ecdsa-sha2-nistp384 ")
    assert again.exit_code == 1
    assert "not forgotten" in again.stderr
    assert "0.00 of 8.00" in status.stdout
    assert [(path.stat().st_mode & 0o777) for path in (folder, folder / "silo-key")] == [0o700, 0o600]
