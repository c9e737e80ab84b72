"""Rounds of silos through the whole coordinator: what they send becomes the next version, as what devices send does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.device.ledger_export import LabelledRow
from clients.device.silo.client_app import answer
from clients.device.silo.silo import Silo
from clients.device.trainer import Parts, Trained
from scale.federation.v1 import round_pb2
from tests.federation.rounds.conftest import Coordinator, StartCoordinator
from tests.support.federation_rounds import FAILED, PUBLISHED
from tests.support.ports import free_port
from tests.support.silo_nodes import SiloNodes, joined, silo_keys

SILOS = 10
NOISE, CLIP_NORM = 4.0, 0.2


class StepTrainer:
    """Every silo learns the same."""

    def train(self, parts: Parts, rows: Sequence[LabelledRow], plan: round_pb2.RoundPlan) -> Trained:
        update = np.full(plan.update_length, 1.0, np.float32)
        return Trained(update, len(rows), 1, 0.1, 1.0)


@pytest.mark.slow
async def test_ten_silos_make_a_version(start_coordinator: StartCoordinator, tmp_path: Path) -> None:
    folder, rows = tmp_path / "keys", [LabelledRow("Corner Shop", "", -1.0, None, "groceries_supermarket")]
    folder.mkdir()
    keys, silos = silo_keys(SILOS, folder), []
    for number in keys:
        Silo.create(tmp_path / f"silo-{number}")
        silos.append(Silo(tmp_path / f"silo-{number}", lambda: rows, trainer=StepTrainer()))

    async with start_coordinator(silos=True, silo_port=free_port(), silo_keys_folder=folder) as coordinator:
        await coordinator.active()
        administrator = coordinator.administrator
        options: dict[str, Any] = {"silos": True, "noise_multiplier": NOISE, "clip_norm": CLIP_NORM, "training_seconds": 60}

        nobody = await administrator.round((await administrator.start(**options)).round_id, wait_s=30)
        assert (nobody.state, nobody.reason) == (FAILED, "TOO_FEW_CONTRIBUTORS")

        assert coordinator.app.silos is not None
        with SiloNodes(coordinator.app.silos, keys, lambda number, message: answer(silos[number], message)):
            await joined(coordinator.app.silos, SILOS)
            before = (await administrator.status()).model_version
            ended = await administrator.round((await administrator.start(**options)).round_id, wait_s=60)

    assert ended.state == PUBLISHED, ended.reason_message
    assert (ended.base_version, ended.version) == (before, before + 1)
    assert (ended.selected_count, ended.contributor_count, ended.dropped_count) == (SILOS, SILOS, 0)
    length = ended.plan.update_length
    assert 4 * length * SILOS <= ended.bytes_up < 4.1 * length * SILOS + 10_000
    # Each has added all of the noise, so that the mean holds a tenth of it in variance, and cost each what a round of devices costs.
    moved = coordinator.gate.heads[-2] - coordinator.gate.heads[-1]
    assert abs(np.std(moved)) == pytest.approx(NOISE * CLIP_NORM / np.sqrt(SILOS), rel=0.1)
    assert all(0 < silo.spent_epsilon < 8 for silo in silos)
    assert ended.unamplified_epsilon >= silos[0].spent_epsilon > 0


async def test_without_silos_a_round_of_silos_says_so(coordinator: Coordinator) -> None:
    ended = await coordinator.administrator.round((await coordinator.administrator.start(silos=True)).round_id, wait_s=30)

    assert (ended.state, ended.reason) == (FAILED, "NO_SILOS")
