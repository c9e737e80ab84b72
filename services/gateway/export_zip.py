"""The zip of a user's data, made while it is sent. Free of any waiting: for threads.

README.txt first, so that a person sees what it is; manifest.json last, with the size, rows and SHA-256 of each file between them: a zip
without it was cut short.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any, cast

import orjson

FORMAT = "scale-export"
VERSION = 1
README = "README.txt"
MANIFEST = "manifest.json"
README_TEXT = """Everything that SCALE keeps about you, as of the moment that manifest.json names.

  accounts/transactions.csv   your transactions; any spreadsheet program opens it (UTF-8, commas)
  accounts/*.jsonl            your accounts, categories, transfers, budgets, rules, ...: one JSON object on each line
  ingestion/*.jsonl           the statements that you imported, and what became of their rows
  manifest.json               each file's size, number of rows and SHA-256

Amounts are exact decimals, negative when money leaves; instants are UTC. A value that is not there is empty in CSV; an empty text is "".

To bring it back, send this zip as it is to POST /api/v1/restore, or: scale restore FILE
accounts/transactions.csv alone can be imported like any bank statement.

Keep it as you would keep your bank statements: it is not encrypted.
"""

_LEVEL = 3


class _Outlet:
    """Takes what zipfile writes until somebody sends it on."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes, /) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken, self._waiting = bytes(self._waiting), bytearray()
        return taken


class ExportZip:
    """A zip in the making. Each method returns the bytes that can be sent now."""

    def __init__(self, created_at: datetime) -> None:
        self._created_at = created_at
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._outlet), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._member: IO[bytes] | None = None
        self._name = ""
        self._digest = hashlib.sha256()
        self._size = 0
        self._files: dict[str, tuple[int, str]] = {}

    def begin(self, name: str) -> bytes:
        """What is written next belongs to this file."""
        self._finish_member()
        self._name, self._digest, self._size = name, hashlib.sha256(), 0
        self._member = self._zip.open(self._info(name), "w", force_zip64=True)
        return self._outlet.take()

    def write(self, block: bytes) -> bytes:
        """A part of the file that was begun last."""
        if self._member is None:
            raise RuntimeError("no file was begun")
        self._digest.update(block)
        self._size += len(block)
        self._member.write(block)
        return self._outlet.take()

    def readme(self) -> bytes:
        """The first file."""
        self._zip.writestr(self._info(README), README_TEXT)
        return self._outlet.take()

    def end(self, rows: Mapping[str, Mapping[str, int]]) -> bytes:
        """The manifest and the end of the zip. `rows` counts, for each service, those of its files."""
        self._finish_member()
        services = [
            {"name": service, "files": [self._said(service, name, count) for name, count in files.items()]}
            for service, files in rows.items()
        ]
        manifest = {"format": FORMAT, "version": VERSION, "created_at": self._created_at.isoformat(), "services": services}
        self._zip.writestr(self._info(MANIFEST), orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        self._zip.close()
        return self._outlet.take()

    def close(self) -> None:
        """Lets go of what was not ended; what comes of it must not be sent."""
        self._finish_member()
        self._zip.close()

    def _said(self, service: str, name: str, rows: int) -> dict[str, Any]:
        size, digest = self._files[f"{service}/{name}"]
        return {"name": name, "rows": rows, "size_bytes": size, "sha256": digest}

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._created_at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return info

    def _finish_member(self) -> None:
        if self._member is not None:
            self._member.close()
            self._member = None
            self._files[self._name] = (self._size, self._digest.hexdigest())
