"""Artefacts that are missing, cut, exchanged, or hold more than weights are refused with a reason; good ones are read."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models import artifact
from models.artifact import MAX_BYTES, ArtifactError, load, pack, read_manifest, save, unpack, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path, "test-1", {"a.pt": {"weights": torch.arange(3), "names": ["x"]}}, {"data": {"rows": 3}})
    return tmp_path


def sign(folder: Path, name: str) -> None:
    """Makes the manifest agree with a file, as one who can write both could."""
    path = folder / artifact.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
    path.write_text(json.dumps(manifest))


def test_what_was_saved_is_read(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.version, manifest.facts) == ("test-1", {"data": {"rows": 3}})
    content = load(manifest, "a.pt")
    assert (content["weights"].tolist(), content["names"]) == ([0, 1, 2], ["x"])
    assert verify(folder) == "test-1"


def test_the_same_content_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        save(tmp_path / name, "v", {"a.pt": {"weights": torch.arange(9.0)}}, {})
    assert read_manifest(tmp_path / "one").hashes == read_manifest(tmp_path / "other").hashes


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "is damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused(folder: Path, harm: Callable[[Path], object], reason: str) -> None:
    harm(folder / "a.pt")
    with pytest.raises(ArtifactError, match=reason):
        load(read_manifest(folder), "a.pt")
    with pytest.raises(ArtifactError, match=reason):
        verify(folder)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "\x00", '{"format": 1, "version": "v"}', '{"format": 1, "version": "", "files": {}}',
        '{"format": 2, "version": "v", "files": {}}', '{"format": 1, "version": "v", "files": {"a.pt": "x"}}',
        '{"format": 1, "version": "two\\nlines", "files": {}}', '{"format": 1, "version": "<b>", "files": {}}',
        '{"format": 1, "version": "../v", "files": {}}', '{"format": 1, "version": "' + "v" * 101 + '", "files": {}}',
        "[" * 60_000, '{"a": "' + "x" * 70_000,
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / artifact.MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_manifest(folder)


def test_a_file_that_no_manifest_lists_is_refused(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"does not list b\.pt"):
        load(read_manifest(folder), "b.pt")


class Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path("/nonexistent/never").touch, ())


@pytest.mark.parametrize("write", [lambda path: torch.save({"x": Payload()}, path), lambda path: path.write_bytes(pickle.dumps(Payload()))])
def test_code_in_a_file_is_not_run_even_where_its_hash_fits(folder: Path, write: Callable[[Path], object]) -> None:
    write(folder / "a.pt")
    sign(folder, "a.pt")
    with pytest.raises(ArtifactError, match="something other than weights"):
        load(read_manifest(folder), "a.pt")


def test_a_file_without_a_dictionary_is_refused(folder: Path) -> None:
    torch.save([1, 2], folder / "a.pt")
    sign(folder, "a.pt")
    with pytest.raises(ArtifactError, match="holds a list"):
        load(read_manifest(folder), "a.pt")


def test_a_file_beyond_the_cap_is_not_read_whole(folder: Path) -> None:
    with (folder / "a.pt").open("r+b") as file:
        file.truncate(artifact.MAX_BYTES + 1)
    with pytest.raises(ArtifactError, match="larger than"):
        load(read_manifest(folder), "a.pt")


def test_a_folder_goes_through_one_file_unchanged(tmp_path: Path) -> None:
    save(tmp_path / "one", "v1", {"a.pt": {"x": torch.ones(3)}, "b.pt": {"y": 1}}, {"made": "here"})
    content = pack(tmp_path / "one")
    assert content == pack(tmp_path / "one")
    unpack(content, tmp_path / "other")
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"a.pt", "b.pt", "manifest.json"}
    manifest = read_manifest(tmp_path / "other")
    assert (manifest.version, manifest.facts) == ("v1", {"made": "here"})
    assert torch.equal(load(manifest, "a.pt")["x"], torch.ones(3))


def _zip(*entries: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        _zip(),
        _zip(("a.pt", b"x")),
        _zip(("../a.pt", b"x"), ("manifest.json", b"{}")),
        _zip(("/tmp/a.pt", b"x"), ("manifest.json", b"{}")),
        _zip(("a.pt", bytes(MAX_BYTES)), ("manifest.json", b"{}")),
        _zip(("a.pt", b"x" * 1000), ("manifest.json", b"{}")).replace(b"PK\x03\x04", b"PK\x03\x05", 1),
    ],
    ids=["empty", "no archive", "no entries", "no manifest", "above", "absolute", "too much", "damaged"],
)
def test_what_was_not_packed_here_is_not_unpacked(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArtifactError):
        unpack(content, tmp_path / "folder")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
