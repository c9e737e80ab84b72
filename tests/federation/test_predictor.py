"""The gate judges heads off the event loop, and says what is wrong with those that it cannot judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from models import hypcd
from models.artifact import ArtifactError
from models.federated.head import Head
from models.hypcd.classifier import Classifier
from services.federation.predictor import HoldOutGate

SHIPPED = Path(hypcd.__file__).parent


@pytest.fixture
async def gate() -> AsyncIterator[HoldOutGate]:
    found = HoldOutGate(SHIPPED)
    yield found
    await found.close()


@pytest.fixture(scope="module")
def vector() -> np.ndarray:
    return Head.of(Classifier.load(SHIPPED)).vector


async def test_a_head_is_judged_by_how_many_rows_it_answers_right(gate: HoldOutGate, vector: np.ndarray) -> None:
    shipped, same, worse = [await gate.accuracy(one) for one in (vector, vector.copy(), -vector)]
    assert shipped == same > 0.7
    assert worse < 0.3


async def test_the_event_loop_goes_on_meanwhile(gate: HoldOutGate, vector: np.ndarray) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await gate.accuracy(vector)
    started = time.thread_time()
    await gate.accuracy(vector)
    ticking.cancel()
    assert ticks > 3
    assert time.thread_time() - started < 0.05


async def test_what_is_no_head_of_these_categories_is_refused(gate: HoldOutGate, vector: np.ndarray) -> None:
    with pytest.raises(ValueError, match="vector"):
        await gate.accuracy(vector[:-1])
    with pytest.raises(ValueError, match="finite"):
        await gate.accuracy(np.full_like(vector, np.nan))
    assert await gate.accuracy(vector) > 0.7


async def test_without_a_categorizer_it_says_so_and_looks_again(tmp_path: Path, vector: np.ndarray) -> None:
    gate = HoldOutGate(tmp_path)
    with pytest.raises(ArtifactError, match="missing"):
        await gate.accuracy(vector)
    for name in ("manifest.json", "hypcd_model.pt", "anchors.pt"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    assert await gate.accuracy(vector) > 0.7
    await gate.close()
