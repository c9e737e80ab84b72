"""What the service says of models that only its workers run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.artifact import pack, save
from models.forecaster.candidates import PRIORS
from models.forecaster.forecast import BASELINE_VERSION as OF_FORECASTER
from services.forecasting.model_folder import ModelUnfit
from services.forecasting.model_names import BASELINE_VERSION, BASELINES, LEARNED, ModelNames


def keep(folder: Path, version: str) -> None:
    save(folder, version, {f"{name}.pt": {"one": 1} for name in LEARNED}, {})


async def test_a_whole_folder_has_its_version_and_all_candidates(tmp_path: Path) -> None:
    keep(tmp_path, "forecaster-1")
    names = ModelNames(tmp_path, watch_s=60)
    await names.start()
    assert (names.info().version, names.info().degraded) == ("forecaster-1", False)
    assert set(names.info().candidates) == set(PRIORS)
    await names.close()


async def test_only_networks_that_are_there_are_named(tmp_path: Path) -> None:
    save(tmp_path, "forecaster-1", {"pooled.pt": {"one": 1}}, {})
    names = ModelNames(tmp_path, watch_s=60)
    await names.start()
    assert set(PRIORS) - set(names.info().candidates) == {"tft"}
    await names.close()


async def test_a_folder_that_is_not_whole_says_why_and_leaves_the_baselines(tmp_path: Path) -> None:
    keep(tmp_path, "forecaster-1")
    (tmp_path / "pooled.pt").write_bytes(b"cut short")
    names = ModelNames(tmp_path, watch_s=60)
    await names.start()
    found = names.info()
    assert (found.version, found.degraded, found.candidates) == (BASELINE_VERSION, True, BASELINES)
    assert found.reason.startswith("pooled.pt is damaged")
    await names.close()


async def test_what_is_live_takes_the_folders_place(tmp_path: Path) -> None:
    keep(tmp_path / "shipped", "shipped")
    keep(tmp_path / "live", "live")
    names = ModelNames(tmp_path / "shipped", watch_s=60)
    await names.start()
    packed = pack(tmp_path / "live")
    await names.replace(packed)
    assert names.info().version == "live"
    (tmp_path / "live/pooled.pt").write_bytes(b"another")
    with pytest.raises(ModelUnfit):
        await names.replace(pack(tmp_path / "live"))
    assert names.info().version == "live"
    await names.give_back()
    assert names.info().version == "shipped"
    await names.close()


def test_names_are_those_of_the_models() -> None:
    assert sorted((*BASELINES, *LEARNED)) == sorted(PRIORS)
    assert BASELINE_VERSION == OF_FORECASTER


def test_the_service_loads_no_network() -> None:
    """It would take seconds, and hundreds of megabytes, at each start."""
    look = "import sys, services.forecasting.app; print(sorted({'torch', 'statsforecast', 'pandas', 'lightning'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
