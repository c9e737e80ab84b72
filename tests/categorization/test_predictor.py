"""The model of the process: read once, replaced while calls go on, stood in for by rules, back without a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from models.artifact import MANIFEST
from models.hypcd.classifier import ANCHORS_FILE, MODEL_FILE
from services.categorization.columns import NO_DAY, Columns
from services.categorization.predictor import LoadedModel, ModelPredictor, load_hypcd
from services.categorization.protocols import Model
from services.categorization.rules_model import RulesModel
from services.categorization.settings import MODELS_DIR
from tests.support.categorization_fakes import Loads

ONE = Columns(["REWE MARKT"], [""], np.array([-1.0]), np.array([NO_DAY], np.int32))
Open = Callable[..., Awaitable[ModelPredictor]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Starts predictors on the folder of the test, which look when they are told to."""
    predictors: list[ModelPredictor] = []

    async def start(**changes: object) -> ModelPredictor:
        predictors.append(ModelPredictor(tmp_path, RulesModel(), **{"watch_s": 3600, **changes}))  # type: ignore[arg-type]
        await predictors[-1].start()
        return predictors[-1]

    yield start
    for predictor in predictors:
        await predictor.close()


def put(folder: Path, text: str) -> None:
    (folder / "version.json").write_text(text, encoding="utf-8")


async def version(predictor: ModelPredictor) -> str:
    answered: str = await predictor.run(lambda model: model.version)
    assert answered == predictor.info().version
    return answered


async def test_a_folder_that_does_not_change_is_read_once(tmp_path: Path, opened: Open) -> None:
    put(tmp_path, "1")
    loads = Loads()
    predictor = await opened(load=loads)
    for _ in range(5):
        await predictor.look()
    assert (loads.tried, await version(predictor)) == (1, "1")


async def test_another_version_takes_over_and_is_told_of(tmp_path: Path, opened: Open) -> None:
    put(tmp_path, "1")
    told: list[str] = []

    async def changed(loaded: LoadedModel) -> None:
        told.append(loaded.model.version)

    predictor = await opened(load=Loads(), changed=changed)
    put(tmp_path, "22")
    await predictor.look()
    assert (await version(predictor), told) == ("22", ["1", "22"])


async def test_without_a_model_the_rules_answer_until_there_is_one(tmp_path: Path, opened: Open) -> None:
    loads = Loads()
    predictor = await opened(load=loads)
    assert await version(predictor) == "rules-1"
    assert predictor.info().degraded
    await predictor.look()
    assert loads.tried == 1, "nothing has changed, so that there is nothing to read"
    put(tmp_path, "1")
    await predictor.look()
    assert (await version(predictor), predictor.info().degraded) == ("1", False)


async def test_files_that_are_half_written_cost_no_answer(tmp_path: Path, opened: Open) -> None:
    put(tmp_path, "1")
    predictor = await opened(load=Loads())
    put(tmp_path, "broken")
    await predictor.look()
    assert await version(predictor) == "1"
    put(tmp_path, "22")
    await predictor.look()
    assert await version(predictor) == "22"


@pytest.mark.parametrize("harm", [lambda path: path.write_text("broken"), lambda path: path.unlink()])
async def test_what_stays_broken_is_given_up_and_heals(tmp_path: Path, opened: Open, harm: Callable[[Path], object]) -> None:
    put(tmp_path, "1")
    predictor = await opened(load=Loads())
    harm(tmp_path / "version.json")
    await predictor.look()
    await predictor.look()
    assert (await version(predictor), predictor.info().degraded) == ("rules-1", True)
    put(tmp_path, "1")
    await predictor.look()
    assert (await version(predictor), predictor.info().degraded) == ("1", False)


async def test_a_reload_under_load_drops_no_request(tmp_path: Path, opened: Open) -> None:
    put(tmp_path, "0")
    predictor = await opened(load=Loads(), watch_s=0.005)
    seen: set[str] = set()

    def ask(model: Model) -> str:
        return f"{model.version} {len(model.opine(ONE).categories)}"

    async def load() -> None:
        for _ in range(150):
            seen.add(await predictor.run(ask))
            await asyncio.sleep(0)

    async def publish() -> None:
        for number in range(1, 6):
            put(tmp_path, f"{number}" * number)
            while predictor.info().version != f"{number}" * number:
                await asyncio.sleep(0.002)

    await asyncio.gather(publish(), *(load() for _ in range(8)))
    assert "rules-1" not in {one.split()[0] for one in seen}
    assert {one.split()[1] for one in seen} == {"4"}


async def test_a_pass_leaves_the_event_loop_free(opened: Open) -> None:
    predictor = await opened(load=Loads())
    loop_thread = await predictor.run(lambda _: __import__("threading").current_thread().name)
    assert loop_thread.startswith("predict")


# The artefacts themselves


def ship(folder: Path) -> None:
    """Puts the project's own model there."""
    for name in (MODEL_FILE, ANCHORS_FILE, MANIFEST):
        shutil.copy(MODELS_DIR / name, folder / name)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def test_the_networks_artefacts_are_loaded(tmp_path: Path, opened: Open) -> None:
    ship(tmp_path)
    predictor = await opened()
    info = predictor.info()
    assert info.version.startswith("hypcd-")
    assert not info.degraded
    assert 0 < info.minimum_confidence < 1
    assert sorted(info.hashes) == sorted([MODEL_FILE, ANCHORS_FILE])
    opinion = await predictor.run(lambda model: model.opine(ONE))
    assert {"groceries_supermarket", "housing"} <= set(opinion.categories)
    assert opinion.probabilities.shape == (1, info.category_count) == (1, len(opinion.categories))
    assert opinion.points is not None
    assert opinion.points.shape == (1, info.dimension)
    placed = await predictor.run(lambda model: model.place(ONE))
    np.testing.assert_array_equal(placed, opinion.points)
    assert await predictor.run(lambda model: model.groups(np.zeros((3, info.dimension), np.float32), None, least_members=5)) == []


@pytest.mark.requirement("CAT-09", "CAT-10")
@pytest.mark.parametrize("name", [MODEL_FILE, ANCHORS_FILE, MANIFEST])
@pytest.mark.parametrize("harm", [Path.unlink, truncate, flip])
async def test_artefacts_that_are_damaged_are_found_out_and_heal(
    tmp_path: Path, opened: Open, harm: Callable[[Path], None], name: str
) -> None:
    """CAT-10: by their checksum; CAT-09: the rules answer."""
    ship(tmp_path)
    whole = (tmp_path / name).read_bytes()
    harm(tmp_path / name)
    predictor = await opened(load=load_hypcd)
    assert predictor.info().degraded
    assert name in predictor.info().reason or name == MANIFEST
    assert str(tmp_path) not in predictor.info().reason
    assert (await predictor.run(lambda model: model.opine(ONE))).categories == ["groceries_supermarket"]
    (tmp_path / name).write_bytes(whole)
    await predictor.look()
    assert (await version(predictor)).startswith("hypcd-")
    assert not predictor.info().degraded
