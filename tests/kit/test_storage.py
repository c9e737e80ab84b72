"""Object storage in a folder and in memory, which stands for a bucket: whole or not at all, private, and honest about what went wrong."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from services.kit.errors import AlreadyExists, NotFound, Unavailable
from services.kit.storage import ObjectStorage

SIZE = 11_000_000  # more than two pieces


@pytest.fixture(params=["file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStorage:
    return ObjectStorage("memory:///" if request.param == "memory" else f"file://{tmp_path}/an%20object%20folder")


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(os.urandom(SIZE))
    return path


async def content(storage: ObjectStorage, key: str) -> bytes:
    return b"".join([piece async for piece in storage.read(key)])


async def test_what_was_put_is_read_listed_and_deleted(storage: ObjectStorage, upload: Path) -> None:
    await storage.put_file("uploads/user/one", upload)
    pieces = [piece async for piece in storage.read("uploads/user/one")]
    assert b"".join(pieces) == upload.read_bytes()
    (found,) = [each async for each in storage.list("uploads/")]
    assert (found.key, found.size_bytes) == ("uploads/user/one", SIZE)
    assert abs((datetime.now(UTC) - found.modified_at).total_seconds()) < 60
    await storage.delete("uploads/user/one")
    assert [each async for each in storage.list("uploads/")] == []


async def test_what_is_in_memory_is_put_whole(storage: ObjectStorage) -> None:
    for stored in (b"one", b"another", b""):
        await storage.put_bytes("models/user/one", stored)
        assert await content(storage, "models/user/one") == stored


async def test_what_is_gone_is_not_found_and_may_be_deleted(storage: ObjectStorage) -> None:
    with pytest.raises(NotFound) as caught:
        await content(storage, "uploads/none")
    assert caught.value.reason == "OBJECT_NOT_FOUND"
    await storage.delete("uploads/none")
    await storage.delete("uploads/none")
    assert [each async for each in storage.list("uploads/")] == []


async def test_a_second_put_replaces_the_first(storage: ObjectStorage, upload: Path, tmp_path: Path) -> None:
    await storage.put_file("uploads/one", upload)
    (tmp_path / "other").write_bytes(b"")
    await storage.put_file("uploads/one", tmp_path / "other")
    assert await content(storage, "uploads/one") == b""


async def test_a_listing_takes_whole_folders(storage: ObjectStorage, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x")
    for key in ("uploads/a", "uploads/b/c", "uploads2/d"):
        await storage.put_file(key, tmp_path / "small")
    assert sorted([each.key async for each in storage.list("uploads/")]) == ["uploads/a", "uploads/b/c"]


async def test_a_folder_goes_with_all_that_is_in_it(storage: ObjectStorage, tmp_path: Path) -> None:
    (small := tmp_path / "small").write_bytes(b"x")
    for key in ("uploads/user/one", "uploads/user/deep/two", "uploads/user2/one", "other/user/one"):
        await storage.put_file(key, small)
    folder = tmp_path / "an object folder" / "uploads" / "user"
    if folder.exists():
        (folder / "three#1").write_bytes(b"half of it")
    await storage.delete_folder("uploads/user/")
    await storage.delete_folder("uploads/user/")
    assert [each.key async for each in storage.list("uploads/")] == ["uploads/user2/one"]
    assert [each.key async for each in storage.list("other/")] == ["other/user/one"]
    assert not folder.exists()


@pytest.mark.parametrize(
    "key", ["../evil", "uploads/../../evil", "/etc/evil", "uploads/", "uploads//one", ".", "uploads/\x00", "one#1", ""]
)
async def test_keys_lead_nowhere_else(storage: ObjectStorage, upload: Path, key: str) -> None:
    for call in (storage.put_file(key, upload), content(storage, key), storage.delete(key)):
        with pytest.raises(ValueError, match="is no key"):
            await call


async def test_what_is_read_may_break_off(storage: ObjectStorage, upload: Path) -> None:
    """A fault of the one who reads is not the storage's."""
    await storage.put_file("one", upload)
    with pytest.raises(OSError, match="mine"):
        async for _ in storage.read("one"):
            raise OSError("mine")


# In a folder


async def test_only_the_owner_may_look(tmp_path: Path, upload: Path) -> None:
    before = os.umask(0)
    try:
        await ObjectStorage(f"file://{tmp_path}/new/objects").put_file("uploads/user/one", upload)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "objects").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "objects" / "uploads" / "user" / "one").stat().st_mode) == 0o600


async def test_folders_go_with_their_last_object(tmp_path: Path, upload: Path) -> None:
    storage = ObjectStorage(f"file://{tmp_path}/objects")
    await storage.put_file("uploads/user/one", upload)
    await storage.delete("uploads/user/one")
    assert list((tmp_path / "objects").iterdir()) == []


async def test_one_that_is_there_already_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever put it may have been killed before it was, and who comes again forgets what it was made of."""
    storage = ObjectStorage(tmp_path.as_uri())
    await storage.put_bytes("log/one", b"1", new=True)
    synced, sync = [], os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(AlreadyExists):
        await storage.put_bytes("log/one", b"1", new=True)
    assert synced == [(tmp_path / name).stat().st_ino for name in ("log/one", "log", ".")]


async def test_a_new_object_goes_over_none(tmp_path: Path) -> None:
    storage = ObjectStorage(f"file://{tmp_path}/objects")
    written = await asyncio.gather(*(storage.put_bytes("one", content, new=True) for content in (b"1", b"2")), return_exceptions=True)
    assert [type(each) for each in written if each] == [AlreadyExists]
    assert [b"".join([chunk async for chunk in storage.read("one")])] == [
        b"12"[index : index + 1] for index in (0, 1) if not written[index]
    ]


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from services.kit.errors import Unavailable
from services.kit.storage import ObjectStorage

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

async def main() -> None:
    try:
        await ObjectStorage(sys.argv[1]).put_file("uploads/one", Path(sys.argv[2]))
    except Unavailable as error:
        print(error.reason)

asyncio.run(main())
"""


async def run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().splitlines()[-1] if output else ""


async def test_no_room_is_said_and_leaves_nothing(tmp_path: Path, upload: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    assert await run(FULL, f"file://{tmp_path}/objects", str(upload)) == "NO_STORAGE_ROOM"
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


async def test_a_folder_that_cannot_be_made(tmp_path: Path, upload: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable) as caught:
        await ObjectStorage(f"file://{tmp_path}/file/objects").put_file("one", upload)
    assert caught.value.reason == "STORAGE_UNAVAILABLE"


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from services.kit.storage import ObjectStorage

async def main() -> None:
    put = asyncio.create_task(ObjectStorage(sys.argv[1]).put_file("uploads/one", Path(sys.argv[2])))
    while not list(Path(sys.argv[3]).rglob("one*")):
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_killed_put_leaves_no_half_object(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200_000_000)
    await run(KILLED, f"file://{tmp_path}/objects", str(big), str(tmp_path / "objects"))
    storage = ObjectStorage(f"file://{tmp_path}/objects")
    assert [each async for each in storage.list("uploads/")] == []
    (left,) = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]  # another process may be at it
    os.utime(left, (0, time.time() - 25 * 3600))
    assert [each async for each in storage.list("uploads/")] == []
    assert not left.exists()
    with pytest.raises(NotFound):
        await content(storage, "uploads/one")


async def test_memory_is_bounded(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(100_000_000)
    storage = ObjectStorage(f"file://{tmp_path}/objects")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    base = psutil.Process().memory_info().rss // 1024
    await storage.put_file("uploads/one", big)
    size = 0
    async for piece in storage.read("uploads/one"):
        assert len(piece) < 20_000_000
        size += len(piece)
    assert size == 100_000_000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - max(before, base)
    assert grown < 60_000, f"{grown} KiB"


# Elsewhere


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "s3://bucket", "gs://bucket/prefix"])
def test_buckets_are_known(url: str) -> None:
    assert "bucket" in repr(ObjectStorage(url)._store)


@pytest.mark.parametrize(
    "url",
    ["", "objects", "/srv/objects", "file:objects", "file://host/objects", "file:///", "s3:///x", "http://example.com/x", "ftp://x/y"],
)
def test_other_addresses_are_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match=url or "''"):
        ObjectStorage(url)


async def test_a_bucket_hands_out_what_it_has_signed(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await storage.signed_url("models/one", lifetime_s=900) is None
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    url = await ObjectStorage("s3://bucket/prefix").signed_url("models/one", lifetime_s=900)
    assert url is not None
    parts = urlsplit(url)
    assert parts.path.endswith("/prefix/models/one")
    query = parse_qs(parts.query)
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Signature"]


async def test_credentials_that_cannot_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_TOKEN", "a bearer token")
    assert await ObjectStorage("az://container").signed_url("models/one", lifetime_s=900) is None


async def test_a_bucket_that_does_not_answer(upload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    storage = ObjectStorage("s3://bucket/prefix")
    with pytest.raises(Unavailable) as caught:
        async with asyncio.timeout(20):
            await storage.put_file("one", upload)
    assert caught.value.reason == "STORAGE_UNAVAILABLE"
