"""Saved filters through a real channel, in PostgreSQL: by name, once per request, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from uuid_utils.compat import uuid7

from scale.accounts.v1 import saved_filters_service_pb2 as pb
from scale.accounts.v1.saved_filters_service_pb2_grpc import SavedFiltersServiceStub
from services.kit.auth import mint_token
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound, Unauthenticated
from services.kit.status import from_rpc_error
from tests.accounts.test_servicer import SECRET, address

__all__ = ["address"]


class Client:
    """Calls as one user; raises the errors of the kit."""

    def __init__(self, channel: grpc.aio.Channel, user_id: UUID) -> None:
        self._stub = SavedFiltersServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=user_id)}"),)

    async def __call__(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error

    async def keep(self, name: str, expression: str = "rent", request_id: str = "") -> pb.SavedFilter:
        request = pb.CreateSavedFilterRequest(request_id=request_id or str(uuid7()), name=name, filter=expression)
        return (await self("CreateSavedFilter", request)).saved_filter

    async def names(self, **page: Any) -> list[str]:
        return [one.name for one in (await self("ListSavedFilters", pb.ListSavedFiltersRequest(**page))).saved_filters]


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as opened:
        yield opened


@pytest.fixture
def call(channel: grpc.aio.Channel, user_id: UUID) -> Client:
    return Client(channel, user_id)


@pytest.fixture
def other(channel: grpc.aio.Channel, other_user_id: UUID) -> Client:
    return Client(channel, other_user_id)


async def test_a_saved_filter_from_first_to_last(call: Client, other: Client) -> None:
    kept = await call.keep(" Rent and flat ", "rent OR flat")
    assert (kept.name, kept.filter, kept.create_time.seconds > 0) == ("Rent and flat", "rent OR flat", True)
    asked = pb.GetSavedFilterRequest(saved_filter_id=kept.saved_filter_id)
    assert (await call("GetSavedFilter", asked)).saved_filter == kept

    change = pb.UpdateSavedFilterRequest(saved_filter=pb.SavedFilter(saved_filter_id=kept.saved_filter_id, filter="amount < -50"))
    with pytest.raises(NotFound):
        await other("UpdateSavedFilter", change)
    with pytest.raises(NotFound):
        await other("GetSavedFilter", asked)
    await other("DeleteSavedFilter", pb.DeleteSavedFilterRequest(saved_filter_id=kept.saved_filter_id))
    assert await other.names() == []

    changed = (await call("UpdateSavedFilter", change)).saved_filter
    assert (changed.name, changed.filter) == ("Rent and flat", "amount < -50")
    nothing = pb.UpdateSavedFilterRequest(saved_filter=pb.SavedFilter(saved_filter_id=kept.saved_filter_id))
    assert (await call("UpdateSavedFilter", nothing)).saved_filter == changed
    for _ in range(2):
        await call("DeleteSavedFilter", pb.DeleteSavedFilterRequest(saved_filter_id=kept.saved_filter_id))
    with pytest.raises(NotFound):
        await call("GetSavedFilter", asked)


async def test_names_are_each_users_own_and_told_apart_whatever_the_case(call: Client, other: Client) -> None:
    first, rent = await call.keep("Rent"), await other.keep("rent")
    assert first != rent
    with pytest.raises(AlreadyExists) as taken:
        await call.keep("RENT")
    assert taken.value.reason == "SAVED_FILTER_NAME_TAKEN"
    flat = await call.keep("flat")
    renamed = pb.SavedFilter(saved_filter_id=flat.saved_filter_id, name="rEnt")
    with pytest.raises(AlreadyExists):
        await call("UpdateSavedFilter", pb.UpdateSavedFilterRequest(saved_filter=renamed))
    own = pb.SavedFilter(saved_filter_id=first.saved_filter_id, name="RENT")
    assert (await call("UpdateSavedFilter", pb.UpdateSavedFilterRequest(saved_filter=own))).saved_filter.name == "RENT"


async def test_the_same_request_keeps_one(call: Client) -> None:
    kept = await asyncio.gather(*(call.keep("Rent", "rent", "one") for _ in range(4)))
    assert len({one.saved_filter_id for one in kept}) == 1
    with pytest.raises(AlreadyExists) as reused:
        await call.keep("Rent", "flat", "one")
    assert reused.value.reason == "REQUEST_ID_REUSED"


async def test_pages_by_name(call: Client, other: Client) -> None:
    for name in ("b", "C", "a", "D", "Ä"):
        await call.keep(name)
    page = await call("ListSavedFilters", pb.ListSavedFiltersRequest(page_size=3))
    assert [one.name for one in page.saved_filters] == ["a", "b", "C"]
    assert await call.names(page_size=3, page_token=page.next_page_token) == ["D", "Ä"]
    with pytest.raises(InvalidArgument):
        await other.names(page_token=page.next_page_token)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"filter": "amount >"}, "filter"),
        ({"filter": ""}, "filter"),
        ({"filter": "x" * 4001}, "filter"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"request_id": ""}, "request_id"),
    ],
)
async def test_what_is_wrong_is_named(call: Client, fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await call("CreateSavedFilter", pb.CreateSavedFilterRequest(**{"request_id": "one", "name": "Rent", "filter": "rent"} | fields))
    assert [one.field for one in refused.value.fields] == [field]


async def test_a_changed_filter_may_not_have_a_mistake(call: Client) -> None:
    kept = await call.keep("Rent")
    for filter_, mask in (("amount >", ["filter"]), ("", ["filter"]), ("rent", ["owner"])):
        change = pb.SavedFilter(saved_filter_id=kept.saved_filter_id, filter=filter_)
        with pytest.raises(InvalidArgument) as refused:
            await call("UpdateSavedFilter", pb.UpdateSavedFilterRequest(saved_filter=change, update_mask=FieldMask(paths=mask)))
        assert refused.value.fields[0].field == ("saved_filter.filter" if mask == ["filter"] else "update_mask")


async def test_without_a_token_nothing(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await SavedFiltersServiceStub(channel).ListSavedFilters(pb.ListSavedFiltersRequest(), timeout=20)
    assert isinstance(from_rpc_error(refused.value, service="accounts"), Unauthenticated)
