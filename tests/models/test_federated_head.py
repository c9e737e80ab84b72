"""The head that devices train: taken from a categorizer, sent in bytes that any language reads, and put back beside the same encoder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import hypcd
from models.artifact import ArtifactError, read_manifest
from models.federated.head import Head, apply, encoder_bytes, load_encoder
from models.hypcd.classifier import MODEL_FILE, Classifier, Items
from tests.support.small_model import write_present

SHIPPED = Path(hypcd.__file__).parent
ITEMS = Items(["tesco leeds", "shell york", "aldi hull", "salary"], [""] * 4, [-12.0, -40.0, -9.5, 2_000.0], [0, 6, -1, 3])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("small")
    write_present(made)
    return made


@pytest.fixture(scope="module")
def head(folder: Path) -> Head:
    return Head.of(Classifier.load(folder))


@pytest.mark.requirement("FED-18")
def test_the_shipped_categorizers_head_is_a_few_kilobytes_and_says_what_it_said() -> None:
    shipped = Classifier.load(SHIPPED)
    head = Head.of(shipped)
    assert head.length == len(shipped.heads.detailed) * shipped.dimension
    assert len(head.to_bytes()) < 20_000
    torch.testing.assert_close(head.heads().anchors, shipped.heads.anchors, rtol=0, atol=1e-6)
    found = Classifier("again", load_encoder(encoder_bytes(SHIPPED)[0]), head.heads())
    np.testing.assert_allclose(found.predict(ITEMS).probabilities, shipped.predict(ITEMS).probabilities, atol=1e-5)


@pytest.mark.requirement("FED-18")
def test_bytes_bring_back_the_same_head_and_the_same_bytes(head: Head) -> None:
    content = head.to_bytes()
    again = Head.load(content)
    assert again.to_bytes() == content
    np.testing.assert_array_equal(again.vector, head.vector)
    assert (again.slugs, again.temperature, again.threshold) == (head.slugs, head.temperature, head.threshold)


def test_whoever_knows_json_and_little_endian_numbers_reads_a_head(head: Head) -> None:
    content = head.to_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert (8 + length) % 8 == 0
    assert header["head"]["shape"] == [len(head.detailed), head.dimension]
    np.testing.assert_array_equal(np.frombuffer(content, "<f4", offset=8 + length), head.vector)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-4],
        lambda whole: whole + b"\0" * 4,
        lambda whole: b"",
        lambda whole: b"\xff" * 8 + whole[8:],
        lambda whole: whole[:8] + b"[" * 100_000,
        lambda whole: whole[:-4] + np.float32("nan").tobytes(),
        lambda whole: whole.replace(b"scale-federated-head-1", b"scale-federated-head-9"),
        lambda whole: whole.replace(b'"F32"', b'"F64"'),
        lambda whole: whole.replace(b'"curvature":"1.0"', b'"curvature":"-10"'),
        lambda whole: b"\0" * (5 * 1024 * 1024 + 1),
    ],
    ids=["short", "long", "empty", "length", "nested", "nan", "format", "type", "curvature", "large"],
)
def test_bytes_that_are_no_head_are_refused_with_a_reason(head: Head, damage) -> None:
    damaged = damage(head.to_bytes())
    assert damaged != head.to_bytes()
    with pytest.raises(ArtifactError, match="head"):
        Head.load(damaged)


def test_parts_that_do_not_fit_together_make_no_head(head: Head) -> None:
    for parts in (
        {"vector": head.vector[:-1]},
        {"detailed": head.detailed[:-1]},
        {"parent": np.zeros_like(head.parent)},
        {"primaries": (*head.primaries[:-1], head.detailed[0])},
        {"temperature": 0.0},
    ):
        with pytest.raises(ValueError):
            replace(head, **parts)


def test_an_update_is_the_difference_of_two_heads(head: Head) -> None:
    update = np.full(head.length, 0.01, np.float32)
    np.testing.assert_allclose(head.moved(update).vector - head.vector, update, atol=1e-6)
    with pytest.raises(ValueError, match="update"):
        head.moved(update[:-1])
    with pytest.raises(ValueError, match="finite"):
        head.moved(np.full(head.length, np.inf, np.float32))


def test_a_new_version_is_a_categorizer_with_the_same_encoder_byte_for_byte(folder: Path, head: Head, tmp_path: Path) -> None:
    before = Classifier.load(folder)
    moved = head.moved(np.random.default_rng(1).normal(0, 0.05, head.length).astype(np.float32))
    apply(folder, moved.to_bytes(), tmp_path, "federated-2", {"federated": {"round": "r2"}})
    after, manifest = Classifier.load(tmp_path), read_manifest(tmp_path)
    assert (after.version, manifest.facts["federated"]) == ("federated-2", {"round": "r2"})
    assert encoder_bytes(tmp_path) == encoder_bytes(folder)
    assert hashlib.sha256((tmp_path / MODEL_FILE).read_bytes()).hexdigest() == encoder_bytes(folder)[1]
    np.testing.assert_array_equal(after.predict(ITEMS).points, before.predict(ITEMS).points)
    np.testing.assert_allclose(Head.of(after).vector, moved.vector, atol=1e-5)
    assert not np.allclose(after.anchors, before.anchors, atol=1e-3)


def test_a_head_of_other_categories_is_put_beside_no_encoder(folder: Path, tmp_path: Path) -> None:
    other = Head.of(Classifier.load(SHIPPED))
    with pytest.raises(ArtifactError, match="other"):
        apply(folder, other.to_bytes(), tmp_path / "new", "federated-2")
    assert not (tmp_path / "new").exists()


def test_bytes_that_are_no_encoder_are_refused() -> None:
    for content in (b"", b"PK\x03\x04", encoder_bytes(SHIPPED)[0][:5_000]):
        with pytest.raises(ArtifactError, match="encoder"):
            load_encoder(content)


def test_nobody_earns_by_paying(head: Head) -> None:
    income = head.primaries.index("income")
    place = head.detailed.index("income_salary")
    points = head.heads().anchors[place : place + 1].numpy()
    assert head.primary_probabilities(points, np.array([False])).argmax() == income
    assert head.primary_probabilities(points, np.array([True]))[0, income] == 0
