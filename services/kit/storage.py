"""Files that outlive a request: in a folder of this machine, or in a bucket that all machines share."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store, from_url

from services.kit.errors import AlreadyExists, NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

log = structlog.get_logger()

_CHUNK_BYTES = 4 * 1024 * 1024
_PARALLEL_CHUNKS = 4
_ABANDONED_AFTER_S = 24 * 3600
_CLIENT: ClientConfig = {"connect_timeout": "5s", "timeout": "300s"}
_RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
# obstore hands on the system's words only.
_NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStorage:
    """Objects under keys such as uploads/<user>/<id>, of plain letters, digits, dots and dashes. An object is there whole or not at all.

    `url`: file:///folder (made when missing, for its owner only), or s3://bucket/prefix, gs://..., az://..., with the credentials that
    the provider's own variables (AWS_*, GOOGLE_*, AZURE_*) name. ValueError for any other. Files go through in pieces of 4 MiB.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._folder: Path | None = None
        self._store: Any
        if parts.scheme == "file":
            self._folder = Path(unquote(parts.path))
            if parts.netloc or not self._folder.is_absolute() or self._folder == Path("/"):
                raise ValueError(f"{url!r} is not file:/// and the path of a folder")
        elif parts.scheme in ("s3", "gs", "az", "memory"):
            if parts.scheme != "memory" and not parts.netloc:
                raise ValueError(f"{url!r} names no bucket")
            self._store = from_url(url) if parts.scheme == "memory" else from_url(url, client_options=_CLIENT, retry_config=_RETRIES)
        else:
            raise ValueError(f"{url!r} is none of file:///folder, s3://bucket/prefix, gs://bucket/prefix and az://account/container")

    async def put_file(self, key: str, path: Path) -> None:
        """Stores a file, over what may be there. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""
        with _translated(_checked(key)):
            await obstore.put_async(await self._opened(), key, path, chunk_size=_CHUNK_BYTES, max_concurrency=_PARALLEL_CHUNKS)
            if self._folder is not None:
                await asyncio.to_thread(_make_durable, self._folder, self._folder / key)

    async def put_bytes(self, key: str, content: bytes, *, new: bool = False) -> None:
        """The same with what is in memory. A `new` object goes over none: raises AlreadyExists, also where two write it at once."""
        with _translated(_checked(key)):
            try:
                await obstore.put_async(await self._opened(), key, content, mode="create" if new else "overwrite")
            except AlreadyExistsError:
                if self._folder is not None:
                    # Whoever wrote it may have died before it was on the disk, and the caller takes it for kept.
                    await asyncio.to_thread(_sync, self._folder, self._folder / key)
                raise
            if self._folder is not None:
                await asyncio.to_thread(_make_durable, self._folder, self._folder / key)

    async def signed_url(self, key: str, *, lifetime_s: float) -> str | None:
        """An address of the bucket itself at which anybody may fetch an object for so long; None where there is no such thing, as for a
        folder, or credentials that cannot sign."""
        store = await self._opened()
        if not isinstance(store, S3Store | GCSStore | AzureStore):
            return None
        try:
            return await obstore.sign_async(store, "GET", _checked(key), timedelta(seconds=lifetime_s))
        except (BaseError, OSError) as error:
            log.warning("object storage cannot sign", error=str(error)[:500])
            return None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces of about 4 MiB. Raises NotFound, or Unavailable."""
        with _translated(_checked(key)):
            found = await obstore.get_async(await self._opened(), key)
            chunks = aiter(found.stream(min_chunk_size=_CHUNK_BYTES))
        while True:
            with _translated(key):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            # What the reader does with it, and what goes wrong there, is not the storage's fault.
            yield bytes(chunk)

    async def delete(self, key: str) -> None:
        """Removes an object; one that is gone already is no mistake."""
        with _translated(_checked(key)), suppress(FileNotFoundError):
            await obstore.delete_async(await self._opened(), key)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object whose key begins with the folder `prefix`, such as uploads/. In a folder of this machine it also clears away what
        processes that died in the middle of a put left behind, a day later."""
        if self._folder is not None:
            await asyncio.to_thread(_remove_abandoned, self._folder)
        with _translated(prefix):
            batches = aiter(obstore.list(await self._opened(), prefix=prefix.rstrip("/")))
        while True:
            with _translated(prefix):
                batch = await anext(batches, None)
            if batch is None:
                return
            for found in batch:
                yield StoredObject(found["path"], found["size"], found["last_modified"])

    async def delete_folder(self, prefix: str) -> None:
        """Removes every object whose key begins with the folder `prefix`, and in a folder of this machine what was being written there,
        too. Raises Unavailable; harmless to repeat."""
        async for found in self.list(prefix):
            await self.delete(found.key)
        if self._folder is not None:
            with _translated(prefix):
                await asyncio.to_thread(_remove_tree, self._folder / _checked(prefix.rstrip("/")))

    async def _opened(self) -> Any:
        """The store; a folder is made at its first use."""
        if self._folder is not None and not self._folder.is_dir():
            await asyncio.to_thread(self._folder.mkdir, 0o700, parents=True, exist_ok=True)
        if not hasattr(self, "_store"):
            self._store = LocalStore(self._folder, automatic_cleanup=True)
        return self._store


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key[:200]!r} is no key of an object")
    return key


def _remove_tree(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _remove_abandoned(folder: Path) -> None:
    # obstore writes to name#1 and renames it in the end; its listings do not show such files.
    # Not rglob, which raises where a folder goes away meanwhile, as those of deleted objects do.
    for within, _, names in os.walk(folder):
        for path in (Path(within, name) for name in names if "#" in name):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                    path.unlink()


def _make_durable(folder: Path, path: Path) -> None:
    """Lets a file survive a power cut, name included, for its owner's eyes only."""
    path.chmod(0o600)
    _sync(folder, path)


def _sync(folder: Path, path: Path) -> None:
    for each in (path, *path.parents):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if each == folder:
            break


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except AlreadyExistsError:
        raise AlreadyExists("There is such a file already.", reason="OBJECT_EXISTS", metadata={"key": key}) from None
    except FileNotFoundError:
        raise NotFound("The stored file is gone.", reason="OBJECT_NOT_FOUND", metadata={"key": key}) from None
    except (BaseError, OSError) as error:
        log.warning("object storage fails", key=key, error=str(error)[:500])
        if any(words in str(error) for words in _NO_ROOM):
            raise Unavailable("There is no room to store the file; try again later.", reason="NO_STORAGE_ROOM", retry_after_s=60) from error
        raise Unavailable(
            "The object storage does not answer; try again shortly.", reason="STORAGE_UNAVAILABLE", retry_after_s=5
        ) from error
