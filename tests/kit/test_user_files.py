"""Files of a user on the wire: whole, or said to be cut short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scale.accounts.v1 import user_data_service_pb2 as pb
from services.kit.errors import Aborted, DeadlineExceeded, InvalidArgument, ResourceExhausted
from services.kit.handover import CHUNK_BYTES, Places
from services.kit.user_files import incoming_files

part = pb.RestoreUserRequest


def end(count: int) -> Any:
    return part(end=pb.RestoreUserEnd(file_count=count))


async def read(*parts: Any, stalls: bool = False) -> dict[str, bytes]:
    async def requests() -> AsyncIterator[Any]:
        for one in parts:
            yield one
        if stalls:
            await asyncio.sleep(10)

    found = {}
    async for file in incoming_files(requests(), idle_timeout_s=0.05):
        found[file.name] = b"".join([chunk async for chunk in file.chunks])
    return found


async def test_files_come_one_after_another() -> None:
    whole = part(file_name="a"), part(chunk=b"1"), part(chunk=b"2"), part(file_name="empty"), part(file_name="b"), part(chunk=b"3"), end(3)
    assert await read(*whole) == {"a": b"12", "empty": b"", "b": b"3"}
    assert await read(end(0)) == {}


async def test_what_is_cut_short_is_aborted() -> None:
    for parts in ((), (part(file_name="a"),), (part(file_name="a"), part(chunk=b"1")), (part(file_name="a"), end(2))):
        with pytest.raises(Aborted) as caught:
            await read(*parts)
        assert caught.value.reason == "RESTORE_INCOMPLETE"
    with pytest.raises(DeadlineExceeded) as stalled:
        await read(part(file_name="a"), part(chunk=b"1"), stalls=True)
    assert stalled.value.reason == "RESTORE_STALLED"


async def test_what_makes_no_sense_is_refused() -> None:
    for parts in ((part(chunk=b"1"),), (part(),), (part(file_name="a"), part(chunk=bytes(CHUNK_BYTES + 1)))):
        with pytest.raises(InvalidArgument):
            await read(*parts)


def test_places_are_given_back() -> None:
    places = Places(1)
    with places.take(), pytest.raises(ResourceExhausted) as caught, places.take():
        pass
    assert caught.value.reason == "TOO_MANY_EXPORTS"
    with pytest.raises(ZeroDivisionError), places.take():
        raise ZeroDivisionError
    with places.take():
        pass
