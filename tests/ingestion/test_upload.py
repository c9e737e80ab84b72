"""An upload on its way in: bounded, hashed, nameless."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.ingestion import upload as upload_module
from services.ingestion.formats import HEAD_BYTES
from services.ingestion.upload import UploadSpool
from services.kit.errors import InvalidArgument, ResourceExhausted, Unavailable


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_an_upload_is_whole_hashed_and_can_be_read_twice(tmp_path: Path) -> None:
    parts = [bytes([number % 251]) * 65_536 for number in range(40)]
    whole = b"".join(parts)
    async with UploadSpool(max_bytes=len(whole), directory=tmp_path / "new").receive(chunks(*parts)) as upload:
        assert (upload.size_bytes, upload.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
        assert (upload.head, upload.line_count) == (whole[:HEAD_BYTES], whole.count(b"\n"))
        assert upload.path.read_bytes() == whole
        assert upload.path.read_bytes() == whole
        assert os.listdir(tmp_path / "new") == [], "the file has no name while it is read"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


async def test_a_file_too_large_is_refused_at_the_first_byte_above(tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 10

    before = open_descriptors()
    with pytest.raises(InvalidArgument) as caught:
        async with UploadSpool(max_bytes=100, directory=tmp_path).receive(endless()):
            raise AssertionError("taken in")
    assert caught.value.reason == "FILE_TOO_LARGE"
    assert taken == 11
    assert open_descriptors() == before
    async with UploadSpool(max_bytes=100, directory=tmp_path).receive(chunks(b"x" * 100)) as upload:
        assert upload.size_bytes == 100


async def test_all_uploads_together_are_bounded(tmp_path: Path) -> None:
    spool = UploadSpool(max_bytes=100, max_total_bytes=150, directory=tmp_path)
    for _ in range(3):  # what was refused gives its room back
        async with spool.receive(chunks(b"x" * 100)):
            with pytest.raises(ResourceExhausted) as caught:
                async with spool.receive(chunks(b"x" * 30, b"x" * 30)):
                    raise AssertionError("taken in")
            assert caught.value.retry_after_s
            async with spool.receive(chunks(b"x" * 50)) as upload:
                assert upload.size_bytes == 50


async def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    for parts in ((), (b"", b"")):
        with pytest.raises(InvalidArgument, match="empty"):
            async with UploadSpool(max_bytes=100, directory=tmp_path).receive(chunks(*parts)):
                raise AssertionError("taken in")


async def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    before = open_descriptors()
    spool = UploadSpool(max_bytes=10_000_000, directory=tmp_path)
    # Writing to this device fails as on a full disk.
    spool._open = lambda: (os.open("/dev/full", os.O_RDWR), tmp_path / "gone")  # type: ignore[method-assign]
    with pytest.raises(Unavailable) as caught:
        async with spool.receive(chunks(*[b"x" * 65_536] * 20)):
            raise AssertionError("taken in")
    assert caught.value.retry_after_s
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert open_descriptors() == before


async def test_a_folder_that_cannot_be_made_is_no_fault_of_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        async with UploadSpool(max_bytes=10, directory=tmp_path / "file" / "folder").receive(chunks(b"x")):
            raise AssertionError("taken in")


async def test_where_there_is_no_proc_the_file_goes_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_module, "_OWN_DESCRIPTORS", tmp_path / "no-proc")
    async with UploadSpool(max_bytes=10, directory=tmp_path).receive(chunks(b"abc")) as upload:
        assert upload.path.parent == tmp_path
        assert upload.path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == []


async def test_a_caller_who_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    before = open_descriptors()
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        waiting.set()
        await asyncio.sleep(60)

    async def take_in() -> None:
        async with UploadSpool(max_bytes=10_000_000, directory=tmp_path).receive(stalled()):
            raise AssertionError("taken in")

    task = asyncio.create_task(take_in())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_descriptors() == before


async def test_many_uploads_at_once_do_not_meet(tmp_path: Path) -> None:
    """Descriptors are numbers that are given out again at once: nobody may use one that is closed."""
    spool = UploadSpool(max_bytes=10_000_000, directory=tmp_path)

    async def take_in(number: int) -> None:
        content = str(number).encode() * 5_000
        async with spool.receive(chunks(content)) as upload:
            await asyncio.sleep(number % 7 / 1000)
            assert await asyncio.to_thread(upload.path.read_bytes) == content

    await asyncio.gather(*(take_in(number) for number in range(300)))
