"""The models of a process: read from a folder, replaced while requests go on, and stood in for by baselines."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from models.artifact import ArtifactError
from models.forecaster.forecast import Forecaster
from services.forecasting.domain import Granularity, Source
from services.forecasting.model_folder import ModelUnfit
from services.forecasting.predictor import ForecastPredictor, check_forecaster
from services.forecasting.protocols import Figures

FIGURES = Figures(np.abs(np.random.default_rng(2).normal(20, 5, 150)), date(2026, 1, 1), Granularity.DAY, "GB", None, "total")


def load(folder: Path) -> Forecaster:
    """Whole where the folder has a version."""
    return Forecaster(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["version"])


def keep(folder: Path, version: str) -> None:
    (folder / "manifest.json").write_text(json.dumps({"version": version}), encoding="utf-8")


def test_what_answers_with_its_baselines_alone_is_no_forecaster(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is missing"):
        check_forecaster(tmp_path)


def packed(manifest: str) -> bytes:
    """A packed folder for `load`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", manifest)
    return buffer.getvalue()


@pytest.fixture
async def predictor(tmp_path: Path) -> AsyncIterator[ForecastPredictor]:
    """On a folder that is empty."""
    made = ForecastPredictor(tmp_path, load=load, watch_s=60)
    yield made
    await made.close()


@pytest.mark.requirement("FCT-09")
@pytest.mark.parametrize("content", [None, "{", '{"version": "x"}'])
async def test_without_whole_artefacts_a_baseline_answers(tmp_path: Path, content: str | None) -> None:
    """As it is loaded in earnest."""
    if content is not None:
        (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    predictor = ForecastPredictor(tmp_path)
    assert predictor.info().degraded
    await predictor.start()
    found = await predictor.predict(FIGURES, 14)
    await predictor.close()
    assert (found.source, found.degraded, found.quantiles.shape) == (Source.BASELINE, True, (14, 3))
    assert found.reason == predictor.info().reason != ""
    assert str(tmp_path) not in found.reason
    assert found.model_version == predictor.info().version
    assert "seasonal_naive" in predictor.info().candidates
    assert [one.pinball for one in found.backtest] == sorted(one.pinball for one in found.backtest)
    assert any(one.served for one in found.backtest)


async def test_how_far_off_payments_may_be_is_told_to_the_models(predictor: ForecastPredictor) -> None:
    came = np.where(np.arange(157) % 30 == 3, 2000.0, 0.0)
    ways = np.stack([np.zeros(7), np.full(7, 2000.0)])
    figures = replace(FIGURES, values=came[:150], known=came)
    plain = await predictor.predict(figures, 7)
    found = await predictor.predict(replace(figures, foreseen=lambda length: (came[length : length + 7], ways)), 7)
    assert not np.ptp(plain.quantiles, axis=1).any()
    np.testing.assert_allclose(found.quantiles[:, [0, 2]], [[0, 2000]] * 7)


async def test_whoever_asks_first_has_the_models_loaded(predictor: ForecastPredictor, tmp_path: Path) -> None:
    keep(tmp_path, "one")
    assert predictor.info().version == ""
    assert (await predictor.predict(FIGURES, 3)).model_version == "one"
    assert not predictor.info().degraded


async def test_another_version_is_taken_up_and_half_of_one_waits(predictor: ForecastPredictor, tmp_path: Path) -> None:
    keep(tmp_path, "one")
    await predictor.start()
    keep(tmp_path, "another")
    await predictor.look()
    assert predictor.info().version == "another"
    (tmp_path / "manifest.json").write_text('{"vers', encoding="utf-8")
    await predictor.look()
    assert (predictor.info().version, predictor.info().degraded) == ("another", False)
    # Nobody goes on writing.
    await predictor.look()
    assert predictor.info().degraded
    keep(tmp_path, "third")
    await predictor.look()
    assert (predictor.info().version, predictor.info().degraded) == ("third", False)


async def test_what_takes_the_folders_place_answers_until_it_is_given_back(predictor: ForecastPredictor, tmp_path: Path) -> None:
    keep(tmp_path, "shipped")
    await predictor.start()
    await predictor.replace(packed('{"version": "one"}'))
    # What is put into the folder meanwhile waits, and what cannot be used changes nothing.
    keep(tmp_path, "shipped-anew")
    await predictor.look()
    for content, error in ((b"no zip at all", ArtifactError), (packed("{"), ModelUnfit)):
        with pytest.raises(error):
            await predictor.replace(content)
    assert (predictor.info().version, predictor.info().degraded) == ("one", False)
    assert (await predictor.predict(FIGURES, 3)).model_version == "one"
    for _ in range(2):
        await predictor.give_back()
    assert (predictor.info().version, predictor.info().degraded) == ("shipped-anew", False)


async def test_it_looks_by_itself(tmp_path: Path) -> None:
    predictor = ForecastPredictor(tmp_path, load=load, watch_s=0.01)
    await predictor.start()
    keep(tmp_path, "one")
    async with asyncio.timeout(10):
        while predictor.info().degraded:
            await asyncio.sleep(0.01)
    await predictor.close()


async def test_the_event_loop_goes_on_while_a_model_thinks(predictor: ForecastPredictor) -> None:
    await predictor.start()
    task = asyncio.create_task(predictor.predict(FIGURES, 90))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 1
    assert task.result().quantiles.shape == (90, 3)
