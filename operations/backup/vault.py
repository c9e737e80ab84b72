"""The place where backups are: its layout, and what counts as good there.

    wal/<cluster>/<timeline>/<segment>      a segment of the log, or the history of a timeline
    bases/<cluster>/<base>/part-00000 …     a base backup: one tar, in pieces
    bases/<cluster>/<base>/manifest.json    written last: without it there is no base backup
    recovery-log/<id>.json                  each attempt to restore; the database's own table may be what is lost

`cluster` is PostgreSQL's system identifier, so that two databases never meet.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from operations.backup import wal
from operations.backup.problem import BackupProblem
from operations.backup.sealing import Sealing
from services.kit.errors import AlreadyExists, NotFound, ScaleError
from services.kit.storage import ObjectStorage, StoredObject

_FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One piece of a base backup as it is stored."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Base:
    """What the manifest of a base backup says. By itself it brings back the moment of `finished_at`, by the database's own clock."""

    cluster: str
    id: str
    started_at: datetime
    finished_at: datetime
    timeline: int
    start_lsn: str
    stop_lsn: str
    segment_bytes: int
    postgres_version: str
    content_bytes: int
    content_sha256: str
    key_id: str | None
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def first_segment(self) -> int:
        """The number of the first segment that a restore of it reads."""
        return wal.parse_lsn(self.start_lsn) // self.segment_bytes

    @property
    def last_segment(self) -> int:
        """The number of the last one that it brings itself."""
        return wal.parse_lsn(self.stop_lsn) // self.segment_bytes

    @property
    def stored_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)


class Vault:
    """Backups at `url`, sealed by `sealing`. Every object is there whole or not at all."""

    def __init__(self, url: str, sealing: Sealing) -> None:
        try:
            self._storage = ObjectStorage(url)
        except ValueError as error:
            raise BackupProblem(f"SCALE_BACKUP_URL: {error}.") from error
        self.url = url
        self.sealing = sealing

    # The log

    async def put_log(self, cluster: str, name: str, content: bytes) -> bool:
        """Stores a segment or a history; False where this very content is there already. Raises BackupProblem for another content."""
        key = _log_key(cluster, name)
        try:
            await self._storage.put_bytes(key, self.sealing.seal(key, content), new=True)
        except AlreadyExists:
            if await self.read_log(cluster, name) == content:
                return False
            raise BackupProblem(
                f"{key} at {self.url} has another content: two databases write one log there. Nothing was overwritten; "
                "give the copy another SCALE_BACKUP_URL, or stop it."
            ) from None
        except ScaleError as error:
            raise _problem(error, self.url) from error
        return True

    async def read_log(self, cluster: str, name: str) -> bytes | None:
        """A segment or a history; None where there is none. Raises BackupProblem where it is damaged."""
        key = _log_key(cluster, name)
        sealed = await self._read(key)
        return None if sealed is None else self.sealing.open(key, sealed)

    async def log(self, cluster: str) -> dict[str, StoredObject]:
        """What there is of a cluster's log, by name."""
        return {found.key.rpartition("/")[2]: found async for found in self._list(f"wal/{cluster}/")}

    def log_folder(self, cluster: str) -> Path | None:
        """Where a cluster's log lies, in a vault that is a folder of this machine."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) / "wal" / cluster if parts.scheme == "file" else None

    async def archived(self, cluster: str) -> dict[str, datetime]:
        """When each file of a cluster's log was archived."""
        return {name: found.modified_at for name, found in (await self.log(cluster)).items()}

    async def delete_log(self, cluster: str, name: str) -> None:
        await self._delete(_log_key(cluster, name))

    # Base backups

    async def put_part(self, cluster: str, base: str, number: int, content: bytes) -> Part:
        """Stores a piece of a base backup that is being made."""
        name = f"part-{number:05}"
        key = f"bases/{cluster}/{base}/{name}"
        sealed = await asyncio.to_thread(self.sealing.seal, key, content)
        try:
            await self._storage.put_bytes(key, sealed)
        except ScaleError as error:
            raise _problem(error, self.url) from error
        return Part(name, len(sealed), hashlib.sha256(sealed).hexdigest())

    async def read_part(self, base: Base, part: Part) -> bytes:
        """A piece of a base backup, checked. Raises BackupProblem."""
        key = f"bases/{base.cluster}/{base.id}/{part.name}"
        sealed = await self._read(key)
        if sealed is None:
            raise BackupProblem(f"{key} is gone from {self.url}: restore from another base backup.")
        if hashlib.sha256(sealed).hexdigest() != part.sha256:
            raise BackupProblem(f"{key} at {self.url} is damaged: restore from another base backup.")
        return await asyncio.to_thread(self.sealing.open, key, sealed)

    async def finish_base(self, base: Base) -> None:
        """Writes the manifest: from now on the base backup counts."""
        values = asdict(base) | {"format": _FORMAT, "started_at": base.started_at.isoformat(), "finished_at": base.finished_at.isoformat()}
        try:
            await self._storage.put_bytes(_manifest_key(base.cluster, base.id), json.dumps(values, indent=1).encode())
        except ScaleError as error:
            raise _problem(error, self.url) from error

    async def bases(self, cluster: str | None = None) -> list[Base]:
        """The good base backups, oldest first: those with a manifest and every piece at its size."""
        sizes = {found.key: found.size_bytes async for found in self._list(f"bases/{cluster}/" if cluster else "bases/")}
        found = [await self._manifest(key) for key in sizes if key.endswith("/manifest.json")]
        good = [base for base in found if base and all(sizes.get(_part_key(base, part)) == part.size_bytes for part in base.parts)]
        return sorted(good, key=lambda base: base.finished_at)

    async def base_folders(self, cluster: str) -> dict[str, list[StoredObject]]:
        """Everything under bases/, by base backup, finished or not."""
        folders: dict[str, list[StoredObject]] = {}
        async for found in self._list(f"bases/{cluster}/"):
            folders.setdefault(found.key.split("/")[2], []).append(found)
        return folders

    async def delete_base(self, cluster: str, base: str) -> None:
        """Removes a base backup, its manifest first: what dies half way is no base backup any more."""
        await self._delete(_manifest_key(cluster, base))
        for found in (await self.base_folders(cluster)).get(base, ()):
            await self._delete(found.key)

    # Attempts to restore

    async def put_attempt(self, id: str, attempt: dict[str, Any]) -> None:
        try:
            await self._storage.put_bytes(f"recovery-log/{id}.json", json.dumps(attempt, indent=1).encode())
        except ScaleError as error:
            raise _problem(error, self.url) from error

    async def attempts(self) -> list[dict[str, Any]]:
        """Every attempt to restore, oldest first."""
        found = [await self._read(each.key) async for each in self._list("recovery-log/")]
        return sorted((json.loads(each) for each in found if each), key=lambda attempt: str(attempt["time"]))

    async def clusters(self) -> list[str]:
        """The databases that have anything here."""
        found = {each.key.split("/")[1] async for each in self._list("bases/")} | {
            each.key.split("/")[1] async for each in self._list("wal/")
        }
        return sorted(found)

    async def _manifest(self, key: str) -> Base | None:
        text = await self._read(key)
        if text is None:
            return None
        try:
            values = json.loads(text)
            if values.pop("format") != _FORMAT:
                raise ValueError("another format")
            parts = tuple(Part(**part) for part in values.pop("parts"))
            values |= {name: datetime.fromisoformat(values[name]) for name in ("started_at", "finished_at")}
            return Base(**values, parts=parts)
        except (ValueError, KeyError, TypeError) as error:
            raise BackupProblem(f"{key} at {self.url} cannot be read ({error}): take it away to go on without this base backup.") from error

    async def _read(self, key: str) -> bytes | None:
        try:
            return b"".join([piece async for piece in self._storage.read(key)])
        except NotFound:
            return None
        except ScaleError as error:
            raise _problem(error, self.url) from error

    async def _list(self, prefix: str) -> AsyncIterator[StoredObject]:
        try:
            async for found in self._storage.list(prefix):
                yield found
        except ScaleError as error:
            raise _problem(error, self.url) from error

    async def _delete(self, key: str) -> None:
        try:
            await self._storage.delete(key)
        except ScaleError as error:
            raise _problem(error, self.url) from error


def _log_key(cluster: str, name: str) -> str:
    return f"wal/{cluster}/{name[:8]}/{name}"


def _manifest_key(cluster: str, base: str) -> str:
    return f"bases/{cluster}/{base}/manifest.json"


def _part_key(base: Base, part: Part) -> str:
    return f"bases/{base.cluster}/{base.id}/{part.name}"


def _problem(error: ScaleError, url: str) -> BackupProblem:
    if error.reason == "NO_STORAGE_ROOM":
        return BackupProblem(f"There is no room at {url}: make some (python -m operations.backup prune), and the next try goes on.")
    cause = f" ({str(error.__cause__)[:300]})" if error.__cause__ else ""
    return BackupProblem(f"{url} does not answer{cause}: check the address, its credentials and the network.")
