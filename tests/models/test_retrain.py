"""Global training anew: what users agree about is learned, nothing shipped is forgotten, and a fit that died goes on to the same end."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from models.artifact import pack
from models.folders import remove_abandoned, used_bytes, write_whole
from models.hypcd.checkpoints import Checkpoint, FitCheckpoints, surplus
from models.hypcd.classifier import Classifier, Items
from models.hypcd.corpus import held_out
from models.hypcd.retrain import Agreed, Retrained, TooFewAgree, retrain
from tests.support.small_model import RECIPE, SAID, shops, write_present


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("present")
    write_present(folder)
    return Classifier.load(folder)


@pytest.fixture(scope="module")
def trained(present: Classifier, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Retrained, list[tuple[str, int, int, float]]]:
    folder, told = tmp_path_factory.mktemp("trained"), list[tuple[str, int, int, float]]()
    return folder, retrain(SAID, present, folder, "small-1+x", recipe=RECIPE, step=lambda *step: told.append(step)), told


def test_the_recipe_is_one_that_can_be_asked() -> None:
    assert {held_out(row[0]) for row in shops()} == {held_out(one.merchant_key) for one in SAID} == {True, False}


def test_what_users_agree_about_is_learned_and_what_was_known_is_not_forgotten(
    present: Classifier, trained: tuple[Path, Retrained, list[tuple[str, int, int, float]]]
) -> None:
    folder, result, told = trained
    assert result.better
    assert result.metrics["agreed_accuracy"] > result.metrics["present_agreed_accuracy"] + 0.5
    assert result.metrics["agreed_accuracy_held_out"] > result.metrics["agreed_accuracy_held_out_without"]
    assert result.metrics["known_accuracy"] >= result.metrics["present_known_accuracy"] - 0.005
    model = Classifier.load(folder)
    found = model.predict(Items(["KIBBLES RYE 12", "TESCO RYE"], ["", ""], [-9.0, -9.0], [1, 1])).probabilities.argmax(axis=1)
    assert [model.categories[place] for place in found] == ["shopping_pets", "groceries_supermarket"]
    assert (model.version, model.threshold, model.heads.temperature) == ("small-1+x", present.threshold, present.heads.temperature)
    assert [step[1] for step in told[:-1]] == list(range(1, 73))
    assert {step[2] for step in told} == {72}
    assert [step[0] for step in told[-2:]] == ["training", "evaluating"]


def test_too_few_merchants_are_said_in_words(present: Classifier, tmp_path: Path) -> None:
    unknown = [Agreed(f"shop {n}", "one of my own", credit=False) for n in range(40)]
    with pytest.raises(TooFewAgree, match="agree about 9 merchants; it takes 10"):
        retrain([*SAID[:9], *SAID[:9], *unknown], present, tmp_path, "small-2", recipe=RECIPE)


@pytest.mark.parametrize("dies_at", [12, 30, 70])
def test_a_fit_that_died_is_carried_on_to_the_same_model(
    present: Classifier, trained: tuple[Path, Retrained, list[tuple[str, int, int, float]]], tmp_path: Path, dies_at: int
) -> None:
    def die(phase: str, number: int, total: int, loss: float) -> None:
        if number == dies_at:
            raise KeyboardInterrupt

    checkpoints, told = tmp_path / "job", list[int]()
    with pytest.raises(KeyboardInterrupt):
        retrain(SAID, present, tmp_path / "made", "small-1+x", checkpoints=checkpoints, recipe=RECIPE, step=die)
    result = retrain(
        SAID, present, tmp_path / "made", "small-1+x", checkpoints=checkpoints, recipe=RECIPE, step=lambda *step: told.append(step[1])
    )
    # At most one epoch is made again.
    assert told[0] == (dies_at - 1) // 8 * 8 + 1
    assert result == trained[1]
    assert pack(tmp_path / "made") == pack(trained[0])


def test_checkpoints_of_other_words_are_not_carried_on(present: Classifier, tmp_path: Path) -> None:
    retrain(SAID, present, tmp_path / "made", "small-1+x", checkpoints=tmp_path / "job", recipe=RECIPE)
    told = list[int]()
    retrain(
        SAID[:-1], present, tmp_path / "made", "v", checkpoints=tmp_path / "job", recipe=RECIPE, step=lambda *step: told.append(step[1])
    )
    assert told[0] == 1


def checkpoint(epoch: int, loss: float) -> Checkpoint:
    return Checkpoint(Path(f"{epoch}"), epoch, loss)


@pytest.mark.parametrize(
    ("losses", "gone"),
    [([], []), ([3.0, 2.0, 1.0], []), ([3, 2, 1, 0.5], [1]), ([0.1, 2, 1, 0.5, 3, 4], [2, 3]), ([1, 1, 1, 1, 1], [1, 2])],
)
def test_the_best_and_the_last_three_stay(losses: list[float], gone: list[int]) -> None:
    found = surplus([checkpoint(epoch, loss) for epoch, loss in enumerate(losses, 1)])
    assert [one.epoch for one in found] == gone


def test_a_folder_holds_no_more_than_stays(tmp_path: Path) -> None:
    keeper = FitCheckpoints(tmp_path, "all", fingerprint="x")
    (tmp_path / "other-0001-0.100000.pt").touch()
    for epoch, loss in enumerate([0.5, 0.1, 0.4, 0.3, 0.2, 0.25, 0.22], 1):
        keeper.save(epoch, loss, {"epoch": epoch})
    assert sorted(one.epoch for one in keeper.all()) == [2, 5, 6, 7]
    assert keeper.latest() == {"epoch": 7}
    assert FitCheckpoints(tmp_path, "all", fingerprint="y").latest() is None
    assert [path.name for path in tmp_path.iterdir()] == ["other-0001-0.100000.pt"]


def test_a_checkpoint_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    keeper = FitCheckpoints(tmp_path, "all", fingerprint="x")
    for epoch in (1, 2):
        keeper.save(epoch, 1.0, {"epoch": epoch})
    newest = max(keeper.all(), key=lambda one: one.epoch).path
    newest.write_bytes(newest.read_bytes()[:100])
    assert keeper.latest() == {"epoch": 1}


def test_a_full_disk_is_an_error_and_what_was_kept_before_is_still_there(tmp_path: Path) -> None:
    keeper = FitCheckpoints(tmp_path, "all", fingerprint="x")
    keeper.save(1, 1.0, {"weights": torch.zeros(10)})
    ignored, (soft, hard) = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            keeper.save(2, 0.5, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == ["all-0001-1.000000.pt"]
    latest = keeper.latest()
    assert latest is not None
    assert torch.equal(latest["weights"], torch.zeros(10))


def test_what_nobody_went_on_with_is_removed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        write_whole(tmp_path / name / "results.json", json.dumps({}).encode())
    now = (tmp_path / "new").stat().st_mtime
    assert used_bytes(tmp_path) == 4
    assert remove_abandoned(tmp_path, older_than_s=60, now=now) == []
    for path in (tmp_path / "old" / "results.json", tmp_path / "old"):
        os.utime(path, (now - 100, now - 100))
    assert remove_abandoned(tmp_path, older_than_s=60, now=now) == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert remove_abandoned(tmp_path / "nowhere", older_than_s=0) == []
    assert used_bytes(tmp_path / "nowhere") == 0
