"""The multipart form of an upload, as bytes: any order, any split, every way to be wrong, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.gateway.upload import CHUNK_BYTES, SpoolRoom, receive_upload
from services.kit.errors import DeadlineExceeded, InvalidArgument, Unavailable

BOUNDARY = b"----boundary"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return b"--" + BOUNDARY + b"\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def request(blocks: Iterable[bytes], *, content_type: str | None = None, length: int | None = None, ends: bool = True) -> Request:
    messages = [{"type": "http.request", "body": block, "more_body": True} for block in blocks]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if ends else {"type": "http.disconnect"})
    left = iter(messages)

    async def receive():
        return next(left)

    headers = [(b"content-type", (content_type or f"multipart/form-data; boundary={BOUNDARY.decode()}").encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}, receive)


async def read(body: bytes, *, block: int = 65_536, limit: int = 1_000_000, **options) -> tuple[str, bytes, dict[str, str]]:
    blocks = [body[start : start + block] for start in range(0, len(body), block)]
    async with receive_upload(request(blocks, **options), max_file_bytes=limit, idle_timeout_s=5, room=SpoolRoom(10**9)) as upload:
        content = b"".join([chunk async for chunk in upload.chunks()])
        assert upload.size_bytes == len(content)
        return upload.file_name, content, upload.fields


async def test_uploads_in_hand_share_one_room_which_each_gives_back_however_it_ends() -> None:
    room = SpoolRoom(1500)
    body = form(part("file", b"x" * 1000, "x.csv"))

    def receive(limit: int = 1000):
        return receive_upload(request([body]), max_file_bytes=limit, idle_timeout_s=5, room=room)

    async with receive():
        with pytest.raises(Unavailable) as refused:
            async with receive():
                pytest.fail("there is no room for both")
        assert refused.value.reason == "SPOOL_FULL"
    with pytest.raises(InvalidArgument):
        async with receive(limit=999):
            pytest.fail("it is too large")
    with pytest.raises(ZeroDivisionError):
        async with receive():
            raise ZeroDivisionError
    async with receive() as upload:
        assert upload.size_bytes == 1000


async def test_fields_in_any_order() -> None:
    file, currency, columns = part("file", b"a;b\n1;2\n", "x.csv"), part("currency", b"EUR"), part("columns", b"date=1")
    for parts in ((file, currency, columns), (currency, file, columns), (columns, currency, file)):
        assert await read(form(*parts)) == ("x.csv", b"a;b\n1;2\n", {"currency": "EUR", "columns": "date=1"})


@given(content=st.binary(max_size=600), block=st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_file_survives_any_split(content: bytes, block: int) -> None:
    """Also where a block ends in the middle of something that looks like a boundary."""
    for tricky in (content, content + b"\r\n--" + BOUNDARY[:-1], b"\r\n--" + content):
        if b"--" + BOUNDARY in tricky:
            continue
        body = form(part("currency", b"EUR"), part("file", tricky, "x.csv"))
        assert asyncio.run(read(body, block=block)) == ("x.csv", tricky, {"currency": "EUR"})


async def test_large_file_goes_through_disk_in_chunks_of_64_kib() -> None:
    content = bytes(range(256)) * 20_000
    blocks = [form(part("file", content, "big.csv"))]
    async with receive_upload(request(blocks), max_file_bytes=len(content), idle_timeout_s=5, room=SpoolRoom(10**9)) as upload:
        assert getattr(upload.file, "_rolled")  # noqa: B009 - on disk by now, not in memory
        sizes = [len(chunk) async for chunk in upload.chunks()]
    assert sum(sizes) == len(content)
    assert max(sizes) == CHUNK_BYTES


@pytest.mark.requirement("SEC-11")
async def test_limit_is_exact_and_stops_at_the_first_byte_above() -> None:
    at_the_limit = form(part("file", b"x" * 1000, "x.csv"))
    assert (await read(at_the_limit, limit=1000))[1] == b"x" * 1000
    fed = 0

    async def blocks() -> AsyncIterator[bytes]:
        nonlocal fed
        for block in [part("file", b"", "x.csv").removesuffix(b"\r\n")] + [b"x" * 100] * 1000:
            fed += len(block)
            yield block

    stream = blocks()

    async def receive():
        return {"type": "http.request", "body": await anext(stream), "more_body": True}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)],
        "query_string": b"",
    }
    with pytest.raises(InvalidArgument) as caught:
        async with receive_upload(Request(scope, receive), max_file_bytes=1000, idle_timeout_s=5, room=SpoolRoom(10**9)):
            pass
    assert caught.value.reason == "FILE_TOO_LARGE"
    assert caught.value.metadata == {"limit": "1000"}
    assert fed < 1400


async def test_declared_length_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InvalidArgument) as caught:
        await read(b"", length=10_000_000, limit=1000)
    assert caught.value.reason == "FILE_TOO_LARGE"


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (form(part("currency", b"EUR")), "file", "is required"),
        (form(), "file", "is required"),
        (form(part("file", b"x", "a.csv"), part("file", b"y", "b.csv")), "file", "is there twice"),
        (form(part("file", b"x", "")), "file", "has no file name"),
        (form(part("file", b"x", "C:\\\\temp\\\\")), "file", "has no file name"),
        (form(part("file", b"x")), "file", "must be sent as a file"),
        (form(part("currency", b"x", "a.csv")), "currency", "must not be a file"),
        (form(part("currency", b"EUR"), part("currency", b"USD")), "currency", "is there twice"),
        (form(part("currency", b"\xff")), "currency", "is not UTF-8"),
        (form(part("currency", b"a\x00b")), "currency", "holds a NUL"),
        (form(part("columns", b"x" * 70_000)), "columns", "is longer than 65536 bytes"),
        (form(*[part(f"f{number}", b"") for number in range(40)]), "body", "has more than 32 parts"),
        (form(part("file", b"x", "a.csv"))[:-10], "body", "ends in the middle"),
        (part("file", b"x", "a.csv"), "body", "ends in the middle"),
        (b"rubbish", "body", "is not a multipart form"),
        (b"", "body", "ends in the middle"),
        (
            b"--" + BOUNDARY + b"\r\nContent-Type: text/csv\r\n\r\nx\r\n--" + BOUNDARY + b"--\r\n",
            "body",
            "part 1 has no Content-Disposition",
        ),
        (b"--" + BOUNDARY + b"\r\n" + b"X-A: b\r\n" * 50 + b"\r\n", "body", "is not a multipart form"),
        (b"--" + BOUNDARY + b"\r\nX-A: " + b"b" * 50_000, "body", "is not a multipart form"),
    ],
)
async def test_wrong_forms_say_what_is_wrong(body: bytes, field: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await read(body)
    assert caught.value.fields[0].field == field
    assert reason in caught.value.fields[0].reason


@pytest.mark.parametrize("content_type", ["application/json", "text/csv", "application/octet-stream", "multipart/mixed; boundary=x", ""])
async def test_wrong_content_type(content_type: str) -> None:
    with pytest.raises(HTTPException) as caught:
        await read(b"", content_type=content_type or "x")
    assert caught.value.status_code == 415


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
async def test_wrong_boundary(content_type: str) -> None:
    with pytest.raises(InvalidArgument):
        await read(b"", content_type=content_type)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("Umsätze Jänner.csv", "Umsätze Jänner.csv"),
        ("a\tb.csv", "ab.csv"),
        ("x" * 400 + ".csv", "x" * 251 + ".csv"),
    ],
)
async def test_file_name_is_only_a_name(sent: str, shown: str) -> None:
    assert (await read(form(part("file", b"x", sent))))[0] == shown


async def test_a_stalled_upload_is_given_up() -> None:
    async def receive():
        await asyncio.sleep(60)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
        "query_string": b"",
    }
    with pytest.raises(DeadlineExceeded) as caught:
        async with receive_upload(Request(scope, receive), max_file_bytes=1000, idle_timeout_s=0.05, room=SpoolRoom(10**9)):
            pass
    assert caught.value.reason == "UPLOAD_STALLED"


async def test_client_gone_in_the_middle_cancels() -> None:
    with pytest.raises(asyncio.CancelledError):
        await read(form(part("file", b"x" * 100, "a.csv"))[:80], ends=False)
