"""The networks of forecasts: they learn, the same every time; damaged ones are named and done without; training says what is better."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artifact import unpack
from models.forecaster import pooled, tft
from models.forecaster.candidates import Networks
from models.forecaster.fit import Trained, fit, write
from models.forecaster.forecast import POOLED_FILE, TFT_FILE, Forecaster
from models.forecaster.households import households
from models.forecaster.series import Granularity, Series
from models.forecaster.windows import cut

DAY, WEEK = Granularity.DAY, Granularity.WEEK
SMALL = tft.Shape(window=28, hidden=8, heads=1, continuous=4)
SMALL_POOLED = pooled.Shape(window=28, horizon=30, hidden=16)


def wave(seed: int, length: int = 160) -> Series:
    """Much on one weekday, little on the others."""
    chance = np.random.default_rng(seed)
    days = np.arange(length)
    return Series(-20 - 200.0 * (days % 7 == seed % 7) + chance.normal(0, 4, length), date(2025, 1, 6), DAY, "GB")


@pytest.fixture(scope="module")
def waves() -> list[Series]:
    return [wave(seed) for seed in range(12)]


@pytest.fixture(scope="module")
def learned(waves) -> tuple[tft.Tft, list[float]]:
    losses: list[float] = []
    network = tft.fit(
        waves, {DAY: 14}, SMALL, tft.Options(70, batch=32, learning_rate=1e-2), step=lambda number, total, loss: losses.append(loss)
    )
    return tft.Tft(network, SMALL), losses


@pytest.fixture(scope="module")
def networks(waves, learned) -> Networks:
    network = pooled.fit(waves, SMALL_POOLED, pooled.Options(120, batch=64))
    return Networks(pooled.Pooled({DAY: network}), learned[0])


@pytest.fixture(scope="module")
def kept(networks, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("forecaster")
    write(folder, "forecaster-test", networks, {})
    return folder


@pytest.mark.requirement("FCT-04")
def test_the_tft_learns_and_its_quantiles_are_in_order(learned, waves) -> None:
    network, losses = learned
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    found = network.predict(cut(waves, [(0, 0), (1, 30)], 21), 21)
    assert found.shape == (2, 21, 9)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=2) >= 0).all()


def test_the_tft_takes_a_history_shorter_than_its_window(learned) -> None:
    [short] = learned[0].predict(cut([wave(3, length=5)], [(0, 0)], 90), 90)
    assert np.isfinite(short).all()


def test_the_tft_reads_the_calendar_and_the_schedule(learned) -> None:
    quiet = wave(0)
    one = learned[0].predict(cut([quiet], [(0, 0)], 7), 7)
    moved = Series(quiet.values, date(2025, 1, 8), DAY, "GB")
    assert not np.allclose(one, learned[0].predict(cut([moved], [(0, 0)], 7), 7))


def test_the_pooled_network_sees_the_week(networks, waves) -> None:
    [found] = networks.pooled.predict(cut(waves[:1], [(0, 0)], 14), 14) * cut(waves[:1], [(0, 0)], 14).unit
    next_day = 160 % 7
    busy = (np.arange(14) + next_day) % 7 == 0
    assert (found[busy, 4] < -150).all()
    assert (found[~busy, 4] > -80).all()


def test_the_same_series_make_the_same_networks(waves) -> None:
    for one, other in zip(*(tft.fit(waves, {DAY: 7}, SMALL, tft.Options(3, batch=8)).state_dict().values() for _ in range(2)), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(
        *(pooled.fit(waves, SMALL_POOLED, pooled.Options(5, batch=8)).state_dict().values() for _ in range(2)), strict=True
    ):
        assert torch.equal(one, other)


def test_networks_are_among_the_candidates_and_named(kept, waves) -> None:
    forecaster = Forecaster.load(kept)
    [found] = forecaster.forecast(waves[:1], 14)
    assert not found.degraded
    assert (forecaster.version, found.model_version) == ("forecaster-test", "forecaster-test")
    assert {"pooled", "tft", "recent", "seasonal_naive"} <= {one.model for one in found.backtest}
    assert found.all_quantiles.shape == (14, 9)
    np.testing.assert_array_equal(found.quantiles, found.all_quantiles[:, [0, 4, 8]])


def test_a_horizon_beyond_the_pooled_network_does_without_it(kept, waves) -> None:
    [found] = Forecaster.load(kept).forecast(waves[:1], 31)
    assert "pooled" not in {one.model for one in found.backtest}
    assert not found.degraded


def damaged(kept: Path, folder: Path, name: str, content: bytes | None, *, hashed: bool = False) -> Path:
    shutil.copytree(kept, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    if hashed and content is not None:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        manifest["files"][name]["sha256"] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _torch_bytes(tmp_path: Path, content: object) -> bytes:
    torch.save(content, tmp_path / "saved")
    return (tmp_path / "saved").read_bytes()


@pytest.mark.parametrize("name", [POOLED_FILE, TFT_FILE])
@pytest.mark.parametrize("how", ["missing", "cut short", "no weights", "other weights", "other shape"])
def test_a_damaged_network_is_named_and_the_rest_answers(kept, waves, tmp_path, name, how) -> None:
    content = {
        "missing": None,
        "cut short": (kept / name).read_bytes()[:100],
        "no weights": b"nothing of the kind",
        "other weights": _torch_bytes(tmp_path, {"day": {"shape": {}, "state": {}}, "shape": {"window": 1}, "state": {}}),
        "other shape": _torch_bytes(tmp_path, {"no such granularity": {"shape": 3}, "shape": 4}),
    }[how]
    forecaster = Forecaster.load(damaged(kept, tmp_path / "damaged", name, content, hashed=how not in ("missing", "cut short")))
    [found] = forecaster.forecast(waves[:1], 7)
    assert found.degraded
    assert name in found.reason
    answered = {one.model for one in found.backtest}
    assert ("tft" in answered) == (name == POOLED_FILE)
    assert ("pooled" in answered) == (name == TFT_FILE)


def test_a_manifest_that_is_none_leaves_baselines(kept, waves, tmp_path) -> None:
    [found] = Forecaster.load(damaged(kept, tmp_path / "damaged", "manifest.json", b"{}")).forecast(waves[:1], 7)
    assert found.degraded
    assert found.model_version == "baselines-1"


@pytest.fixture(scope="module")
def trained(kept) -> tuple[Trained, list[tuple[int, int, float]]]:
    told: list[tuple[int, int, float]] = []
    some = [one for one in households(6, seed=3) if one.granularity is DAY]
    return fit(some, kept, steps=12, progress=lambda *step: told.append(step)), told


def test_training_goes_on_from_what_there_is_and_makes_one_artefact(trained, kept, waves, tmp_path) -> None:
    found, told = trained
    assert [step[0] for step in told] == list(range(1, 13))
    assert {step[1] for step in told} == {12}
    unpack(found.content, tmp_path / "new")
    forecaster = Forecaster.load(tmp_path / "new")
    assert not forecaster.degraded
    assert forecaster.networks.pooled is not None
    assert forecaster.networks.pooled.networks[DAY].shape == SMALL_POOLED
    assert len(forecaster.forecast(waves[:2], 7)) == 2


def test_training_says_how_new_and_present_do_on_days_held_out(trained) -> None:
    metrics = trained[0].metrics
    assert metrics["pinball"] > 0
    assert metrics["present_pinball"] > 0
    assert trained[0].better == (metrics["pinball"] < metrics["present_pinball"])


def test_days_held_out_teach_nothing() -> None:
    some = [one for one in households(4, seed=5) if one.granularity is DAY]
    other = [Series(np.append(one.values[:-28], one.values[-28:] * 7 + 1), one.start, DAY, one.country, kind=one.kind) for one in some]
    plain = [Series(one.values, one.start, DAY, one.country, kind=one.kind) for one in some]
    states = []
    for which in (plain, other):
        told: list[tuple[int, int, float]] = []
        fit(which, None, steps=4, progress=lambda *step, told=told: told.append(step))
        states.append(told)
    assert states[0] == states[1]


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="long enough"):
        fit([wave(1, length=40)], None, steps=4)
