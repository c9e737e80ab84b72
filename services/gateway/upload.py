"""The multipart form of an upload: fields in any order, the file into a bounded spool, never the whole of it in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.kit.errors import DeadlineExceeded, InvalidArgument, Unavailable, invalid

FILE_FIELD = "file"
MAX_FIELD_BYTES = 64 * 1024
_MAX_PARTS = 32
_MAX_FILE_NAME = 255
# What a form may hold beside the file: all fields at their largest would be 2 MiB, and nobody needs that.
_OVERHEAD_BYTES = 1024 * 1024
_IN_MEMORY_BYTES = 1024 * 1024
_READ_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024
HEAD_BYTES = 256


@dataclass
class Upload:
    """A form that arrived whole."""

    file_name: str
    file: IO[bytes]
    size_bytes: int = 0
    fields: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        """The first bytes, by which its kind is told."""
        self.file.seek(0)
        return self.file.read(HEAD_BYTES)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file from its start, 64 KiB at a time."""
        self.file.seek(0)
        while block := await asyncio.to_thread(self.file.read, _READ_BYTES):
            for start in range(0, len(block), CHUNK_BYTES):
                yield block[start : start + CHUNK_BYTES]


class SpoolRoom:
    """What all uploads in hand may take up together in this process: a disk that they fill is everybody's, and a pod that fills more than
    its share of one is taken away with all that it answers."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def take(self, count: int) -> None:
        """Raises Unavailable (SPOOL_FULL) where there is none left."""
        if count > self._left:
            raise _no_room()
        self._left -= count

    def give_back(self, count: int) -> None:
        """That upload is gone."""
        self._left += count


def _no_room() -> Unavailable:
    return Unavailable("There is no room for the upload; try again later.", reason="SPOOL_FULL", retry_after_s=60)


def file_too_large(limit: int) -> InvalidArgument:
    """The error for a file over the limit."""
    return InvalidArgument(
        f"The file is larger than {limit} bytes; split it by date and import the parts.",
        reason="FILE_TOO_LARGE",
        metadata={"limit": str(limit)},
    )


@asynccontextmanager
async def receive_upload(request: Request, *, max_file_bytes: int, idle_timeout_s: float, room: SpoolRoom) -> AsyncIterator[Upload]:
    """Reads the form of a request; the spool, which takes its place in `room`, is gone when the block ends.

    Raises InvalidArgument (FILE_TOO_LARGE at the first byte above, or by the declared length before any is read), DeadlineExceeded when
    nothing comes for `idle_timeout_s` seconds, Unavailable (SPOOL_FULL) when there is no room, HTTPException 415 for another content type.
    """
    boundary = _boundary(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_file_bytes + _OVERHEAD_BYTES:
        raise file_too_large(max_file_bytes)
    taken = 0
    try:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, prefix="scale-upload-") as spool:
            form = _Form(boundary, max_file_bytes=max_file_bytes)
            body = aiter(request.stream())
            try:
                while True:
                    async with asyncio.timeout(idle_timeout_s):
                        block = await anext(body, None)
                    if block is None:
                        break
                    for data in form.feed(block):
                        room.take(len(data))
                        taken += len(data)
                        await asyncio.to_thread(spool.write, data) if len(data) + form.file_bytes > _IN_MEMORY_BYTES else spool.write(data)
            except TimeoutError:
                raise DeadlineExceeded(f"Nothing of the upload came for {idle_timeout_s:g} s.", reason="UPLOAD_STALLED") from None
            except ClientDisconnect:
                raise asyncio.CancelledError from None
            except OSError as error:
                raise _no_room() from error
            yield form.finish(spool)
    finally:
        room.give_back(taken)


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type != b"multipart/form-data":
        raise HTTPException(415, "Send the file as a form, with Content-Type: multipart/form-data (curl -F file=@statement.csv).")
    boundary = options.get(b"boundary")
    if not boundary:
        raise invalid("Content-Type", "names no boundary")
    return boundary


class _Form:
    """Collects the parts of one form as the parser finds them."""

    def __init__(self, boundary: bytes, *, max_file_bytes: int) -> None:
        self._max_file_bytes = max_file_bytes
        self.file_bytes = 0
        self._file_name: str | None = None
        self._fields: dict[str, str] = {}
        self._ended = False
        self._parts = 0
        # The part in hand.
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._is_file = False
        self._value = bytearray()
        self._file_data: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_text,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError as error:
            raise invalid("Content-Type", f"has a boundary that cannot be used: {error}") from None

    def feed(self, block: bytes) -> list[bytes]:
        """Parses one block of the body; returns what of it belongs to the file."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise invalid("body", f"is not a multipart form: {error}") from None
        data, self._file_data = self._file_data, []
        return data

    def finish(self, spool: IO[bytes]) -> Upload:
        """The form, once its last block was fed."""
        if not self._ended:
            raise invalid("body", "ends in the middle of the form")
        if self._file_name is None:
            raise invalid(FILE_FIELD, "is required: the statement, as a file of the form")
        return Upload(self._file_name, spool, self.file_bytes, self._fields)

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise invalid("body", f"has more than {_MAX_PARTS} parts")
        self._disposition = b""
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise invalid("body", f"part {self._parts} has no Content-Disposition: form-data with a name")
        self._name = _decoded(options[b"name"], "body")
        self._is_file = b"filename" in options
        if (self._name == FILE_FIELD) != self._is_file:
            reason = "must be sent as a file, with a file name" if self._name == FILE_FIELD else "must not be a file"
            raise invalid(self._name[:100], reason)
        if self._is_file:
            if self._file_name is not None:
                raise invalid(FILE_FIELD, "is there twice; import one file at a time")
            self._file_name = _base_name(_decoded(options[b"filename"], FILE_FIELD))
        elif self._name in self._fields:
            raise invalid(self._name[:100], "is there twice")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.file_bytes += end - start
            if self.file_bytes > self._max_file_bytes:
                raise file_too_large(self._max_file_bytes)
            self._file_data.append(data[start:end])
        else:
            self._value += data[start:end]
            if len(self._value) > MAX_FIELD_BYTES:
                raise invalid(self._name[:100], f"is longer than {MAX_FIELD_BYTES} bytes")

    def _part_ends(self) -> None:
        if not self._is_file:
            self._fields[self._name] = _decoded(bytes(self._value), self._name[:100])

    def _form_ends(self) -> None:
        self._ended = True


def _decoded(value: bytes, name: str) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise invalid(name, "is not UTF-8") from None
    if "\x00" in text:
        raise invalid(name, "holds a NUL character")
    return text


def _base_name(name: str) -> str:
    """Without the folders of the caller's machine and without control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(character for character in last if character.isprintable()).strip()
    if not shown:
        raise invalid(FILE_FIELD, "has no file name: no file was chosen")
    return shown[-_MAX_FILE_NAME:]
