"""Artefacts of networks, read as what they are: files that may be missing, cut short, or somebody else's.

A folder holds a `manifest.json` with a format, a version, and the size and SHA-256 of each file beside it. A file is read once, checked,
and only then handed to torch, which may build tensors from it and nothing else (`weights_only`).
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle  # nosec B403  # for its error only
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
FORMAT = 1
MAX_BYTES = 64 * 1024 * 1024
_MAX_MANIFEST_BYTES = 64 * 1024
# It stands in answers, rows, logs and keys of caches.
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class ArtifactError(Exception):
    """An artefact cannot be used; the text names the file, what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder of artefacts says about itself."""

    folder: Path
    version: str
    hashes: dict[str, str]  # SHA-256 by file name
    facts: dict[str, Any] = field(default_factory=dict)  # how it was made and what it reached


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing; restore the folder from the release, or train it again") from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > most:
        raise ArtifactError(f"{path} is larger than {most} bytes; this is no artefact of ours")
    return content


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder. Raises ArtifactError."""
    path = folder / MANIFEST
    try:
        content = json.loads(_read(path, _MAX_MANIFEST_BYTES))
        form, version = content["format"], content["version"]
        hashes = {str(name): str(entry["sha256"]) for name, entry in content["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is not a manifest: {type(error).__name__}: {error}") from error
    if form != FORMAT:
        raise ArtifactError(f"{path} has format {form!r}; this version reads format {FORMAT}")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ArtifactError(f"{path} names no version such as hypcd-1.0.0+1a2b3c4d: {str(version)[:100]!r}")
    facts = {key: value for key, value in content.items() if key not in ("format", "version", "files")}
    return Manifest(folder, version, hashes, facts)


def check(manifest: Manifest, name: str) -> bytes:
    """What a file of the folder holds, which is what the manifest says. Raises ArtifactError."""
    path = manifest.folder / name
    if name not in manifest.hashes:
        raise ArtifactError(f"{manifest.folder / MANIFEST} does not list {name}")
    content = _read(path, MAX_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.hashes[name]:
        raise ArtifactError(f"{path} is damaged or of another version: its SHA-256 is {found}, the manifest says {manifest.hashes[name]}")
    return content


def verify(folder: Path) -> str:
    """The version of a folder all of whose files are what its manifest says. Raises ArtifactError."""
    manifest = read_manifest(folder)
    for name in manifest.hashes:
        check(manifest, name)
    return manifest.version


def load(manifest: Manifest, name: str) -> dict[str, Any]:
    """The dictionary of tensors and plain values in a file of the folder. Raises ArtifactError."""
    # Here, for those who only ask what a folder holds: it takes seconds.
    import torch

    path, content = manifest.folder / name, check(manifest, name)
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} holds something other than weights: {type(error).__name__}") from error
    if not isinstance(loaded, dict):
        raise ArtifactError(f"{path} holds a {type(loaded).__name__}, not a dictionary")
    return loaded


def save(folder: Path, version: str, files: Mapping[str, dict[str, Any] | bytes], facts: dict[str, Any]) -> None:
    """Writes the files and, last, the manifest: a reader in between meets a hash that does not match, never a mixture. Bytes, such as
    `check` gives of another folder, are written as they are."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, content in files.items():
        if isinstance(content, bytes):
            written = content
        else:
            buffer = io.BytesIO()
            torch.save(content, buffer)
            written = buffer.getvalue()
        _replace(folder / name, written)
        entries[name] = {"sha256": hashlib.sha256(written).hexdigest(), "bytes": len(written)}
    manifest = {"format": FORMAT, "version": version, "files": entries, **facts}
    _replace(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def pack(folder: Path) -> bytes:
    """A folder's manifest and files as one, for where one object is kept: a zip archive, the same bytes each time. Raises ArtifactError."""
    manifest, buffer = read_manifest(folder), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in (*sorted(manifest.hashes), MANIFEST):
            archive.writestr(zipfile.ZipInfo(name), _read(folder / name, MAX_BYTES))
    return buffer.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Writes what `pack` made into a folder, the manifest last. Raises ArtifactError for anything else; what the files hold is checked by
    whoever loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if not entries or entries[-1].filename != MANIFEST or sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise ArtifactError("this is no packed model: it has no manifest at its end, or too much in it")
            if any(Path(entry.filename).name != entry.filename for entry in entries):
                raise ArtifactError("this is no packed model: it has folders in it")
            for entry in entries:
                with archive.open(entry) as file:
                    # No more than the entry says, whatever is packed in it.
                    _replace(folder / entry.filename, file.read(entry.file_size))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"this is no packed model: {type(error).__name__}: {error}") from error


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
