"""The global categorizer, trained anew from what users agree about: the artefact, the checkpoints on the way, and a disk that is full."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from models.artifact import pack, unpack
from models.hypcd.classifier import Classifier
from services.kit.errors import FailedPrecondition
from services.training.domain import CATEGORIZER_GLOBAL, NOBODY, Job, LiveArtifact
from services.training.trainers.categorizer_global import GlobalCategorizerTrainer
from services.training.trainers.checkpoints import CheckpointFolders
from services.training.trainers.global_model import GlobalModel
from services.training.trainers.payments import AgreedCorrection
from tests.support.small_model import RECIPE, SAID, write_present
from tests.support.training_fakes import a_job
from tests.training.trainers.test_categorizer import Live, Reports


class Agreed:
    """`AgreedCorrections` in memory."""

    def __init__(self, count: int = len(SAID)) -> None:
        self._count = count

    async def agreed(self, *, least_users: int) -> AsyncIterator[AgreedCorrection]:
        for one in SAID[: self._count]:
            yield AgreedCorrection(one.merchant_key, one.category, least_users, one.credit)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the model that answers now."""
    made = tmp_path_factory.mktemp("present")
    write_present(made)
    return made


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def trainer(folder: Path, checkpoints: Path, *, live: Live | None = None, agreed: Agreed | None = None) -> GlobalCategorizerTrainer:
    models = GlobalModel(live or Live(), folder)
    return GlobalCategorizerTrainer(agreed or Agreed(), models, CheckpointFolders(checkpoints), least_users=3, recipe=RECIPE)


def a_global_job() -> Job:
    return a_job(NOBODY, model_type=CATEGORIZER_GLOBAL)


async def test_the_artefact_is_a_whole_model_with_a_version_of_its_own(folder: Path, checkpoints: Path, tmp_path: Path) -> None:
    job, reports = a_global_job(), Reports()
    trained = await trainer(folder, checkpoints).train(job, reports)
    assert trained.better
    assert trained.parent_version == "small-1"
    assert trained.metrics["agreed_merchants"] == len(SAID)
    unpack(trained.artifact, tmp_path / "made")
    assert Classifier.load(tmp_path / "made").version == f"hypcd-1+{job.id.hex[-12:]}"
    assert list(dict.fromkeys(one.phase for one in reports.told)) == ["collecting", "training", "evaluating"]
    # The job is over: nobody goes on from there.
    # What it kept on the way goes with the job's end.
    assert [folder.name for folder in checkpoints.iterdir()] == [str(job.id)]


async def test_a_job_that_died_is_carried_on_where_it_was(folder: Path, checkpoints: Path) -> None:
    job = a_global_job()
    with pytest.raises(PermissionError):
        await trainer(folder, checkpoints).train(job, Reports(stop_at=40))
    assert (checkpoints / str(job.id)).is_dir()
    reports = Reports()
    again = await trainer(folder, checkpoints).train(job, reports)
    assert reports.told[1].step > 24
    assert again.artifact == (await trainer(folder, checkpoints / "elsewhere").train(job, Reports())).artifact


async def test_what_is_live_is_what_must_be_beaten(folder: Path, checkpoints: Path) -> None:
    job = a_global_job()
    first = await trainer(folder, checkpoints).train(job, Reports())
    live = Live(categorizer_global=LiveArtifact("1-abc", first.artifact))
    again = await trainer(folder, checkpoints, live=live).train(job, Reports())
    assert again.parent_version == "1-abc"
    assert again.metrics["present_agreed_accuracy"] == first.metrics["agreed_accuracy"]
    assert not again.better


async def test_users_who_agree_about_too_little_teach_nothing(folder: Path, checkpoints: Path) -> None:
    with pytest.raises(FailedPrecondition, match="agree about 3 merchants") as refused:
        await trainer(folder, checkpoints, agreed=Agreed(3)).train(a_global_job(), Reports())
    assert refused.value.reason == "TOO_FEW_EXAMPLES"


async def test_a_full_disk_ends_the_job_with_what_the_system_says_of_it(folder: Path, checkpoints: Path) -> None:
    before, ignored = pack(folder), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            await trainer(folder, checkpoints).train(a_global_job(), Reports())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert pack(folder) == before


@pytest.mark.requirement("REL-09", "REL-24", "TRN-22")
async def test_what_nobody_went_on_with_is_removed_and_the_disk_is_watched(checkpoints: Path) -> None:
    folders, old, new = CheckpointFolders(checkpoints), a_global_job().id, a_global_job().id
    assert await folders.remove_abandoned(hours=1) == 0
    for job_id in (old, new):
        folders.of(job_id).mkdir(parents=True)
        await asyncio.to_thread((folders.of(job_id) / "results.json").write_bytes, b"x" * 100)
    for path in (folders.of(old) / "results.json", folders.of(old)):
        os.utime(path, (0, 0))
    assert await folders.remove_abandoned(hours=1) == 1
    assert [path.name for path in checkpoints.iterdir()] == [str(new)]
    assert REGISTRY.get_sample_value("scale_training_checkpoint_bytes") == 100
    assert 0 < (REGISTRY.get_sample_value("scale_training_checkpoint_disk_used_ratio") or 0) <= 1
    await folders.remove(new)
    await folders.remove(new)
    assert not list(checkpoints.iterdir())
