"""The zip of a user's data on its way back: checked from its first byte to its last before anything of it is used.

Free of any waiting: for threads.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.export_zip import FORMAT, MANIFEST, README, VERSION
from services.kit.errors import FieldError, InvalidArgument

_LOCAL_HEADER = b"PK\x03\x04"
_END_RECORD = struct.Struct("<4sHHHHIIH")
_END_SIGNATURE = b"PK\x05\x06"
_WIDE_LOCATOR = b"PK\x06\x07"
_WIDE_LOCATOR_BYTES = 20
_MAX_ENTRIES = 200
_MAX_DIRECTORY_BYTES = 64 * 1024
_MAX_MANIFEST_BYTES = 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
_FLAG_ENCRYPTED = 0x1


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _ManifestFile(_Part):
    name: str = Field(pattern=r"^[a-z0-9_]{1,60}\.(csv|jsonl)$")
    rows: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _ManifestService(_Part):
    name: str = Field(pattern="^[a-z]{1,40}$")
    files: list[_ManifestFile]


class _Manifest(_Part):
    format: str
    version: int
    services: list[_ManifestService]


@dataclass(frozen=True)
class ReceivedZip:
    """An export whose every byte was checked. Its files can be read as long as the upload is there."""

    file_hash: str
    """Lower-case hex SHA-256 of the zip."""
    files: dict[str, list[str]]
    """Of each service, in the order of the export."""
    _zip: zipfile.ZipFile

    def open(self, service: str, name: str) -> IO[bytes]:
        """The bytes of a file."""
        return self._zip.open(f"{service}/{name}")


def is_export(head: bytes) -> bool:
    """Whether a file begins as an export does, whole or not. No other zip that is a bank statement begins with a README."""
    return head.startswith(_LOCAL_HEADER) and head[30 : 30 + len(README)] == README.encode()


def open_export(file: IO[bytes], *, max_bytes: int, services: Mapping[str, object]) -> ReceivedZip:
    """Checks an export from its first byte to its last, in bounded memory and for at most `max_bytes` unpacked.

    Raises InvalidArgument: EXPORT_INVALID says what is wrong with it, FILE_TOO_LARGE that it unpacks to more.
    """
    _check_directory(file)
    try:
        opened = zipfile.ZipFile(file)
        return _check(opened, file, max_bytes=max_bytes, services=services)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, UnicodeDecodeError) as error:
        raise _invalid("file", f"is damaged: {error}") from error


def _invalid(field: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {reason}", reason="EXPORT_INVALID", fields=[FieldError(field, reason)])


def _check_directory(file: IO[bytes]) -> None:
    """zipfile reads the whole directory into memory: how large it is stands in the last 22 bytes, and ours has no comment after it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_RECORD.size - _WIDE_LOCATOR_BYTES))
    tail = file.read()
    if tail[-_END_RECORD.size :][:4] != _END_SIGNATURE:
        raise _invalid("file", "does not end as an export does: it was cut short or packed anew; send the zip as you got it")
    _, _, _, _, entries, directory_bytes, _, _ = _END_RECORD.unpack(tail[-_END_RECORD.size :])
    if entries > _MAX_ENTRIES or directory_bytes > _MAX_DIRECTORY_BYTES or tail.startswith(_WIDE_LOCATOR):
        raise _invalid("file", "holds more files than an export has")


def _check(opened: zipfile.ZipFile, file: IO[bytes], *, max_bytes: int, services: Mapping[str, object]) -> ReceivedZip:
    entries = {info.filename: info for info in opened.infolist()}
    if len(entries) != len(opened.infolist()):
        raise _invalid("file", "holds two files with one name")
    for info in entries.values():
        if info.flag_bits & _FLAG_ENCRYPTED:
            raise _invalid(info.filename[:100], "is encrypted")
    manifest = _manifest(opened, entries)
    files: dict[str, list[str]] = {}
    total = 0
    for service in manifest.services:
        if service.name not in services or service.name in files:
            raise _invalid(MANIFEST, f"names the service {service.name!r}, which is not here or is there twice")
        files[service.name] = []
        for one in service.files:
            total += one.size_bytes
            if total > max_bytes:
                raise InvalidArgument(
                    f"The export unpacks to more than {max_bytes} bytes.", reason="FILE_TOO_LARGE", metadata={"limit": str(max_bytes)}
                )
            _check_file(opened, entries.pop(f"{service.name}/{one.name}", None), service.name, one)
            files[service.name].append(one.name)
    if unknown := sorted(set(entries) - {README, MANIFEST}):
        raise _invalid(unknown[0][:100], "is not in the manifest")
    return ReceivedZip(_hash(file), files, opened)


def _manifest(opened: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> _Manifest:
    if MANIFEST not in entries:
        raise _invalid(MANIFEST, "is missing: this is not a whole export")
    with opened.open(MANIFEST) as member:
        content = member.read(_MAX_MANIFEST_BYTES + 1)
    if len(content) > _MAX_MANIFEST_BYTES:
        raise _invalid(MANIFEST, "is too large")
    try:
        manifest = _Manifest.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise _invalid(MANIFEST, f"is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _invalid(MANIFEST, f"{place}: {first['msg']}") from error
    if manifest.format != FORMAT:
        raise _invalid(MANIFEST, f"is of the format {manifest.format[:40]!r}, not {FORMAT}")
    if manifest.version != VERSION:
        raise _invalid(MANIFEST, f"is of version {manifest.version}; this SCALE reads version {VERSION}")
    return manifest


def _check_file(opened: zipfile.ZipFile, info: zipfile.ZipInfo | None, service: str, said: _ManifestFile) -> None:
    """Unpacks it once, so that nothing is stored of an export that turns out to be damaged further on."""
    name = f"{service}/{said.name}"
    if info is None:
        raise _invalid(name, "is missing, or there twice in the manifest")
    if info.file_size != said.size_bytes:
        raise _invalid(name, f"has {info.file_size} bytes, not the {said.size_bytes} that the manifest says")
    digest = hashlib.sha256()
    size = 0
    with opened.open(info) as member:
        while block := member.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    if size != said.size_bytes or digest.hexdigest() != said.sha256:
        raise _invalid(name, "is not what was exported: its SHA-256 is not the one that the manifest says")


def _hash(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
