"""A channel whose client's certificate is renewed: new calls show the new one, and none that is under way is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import (
    AccountsServiceServicer,
    AccountsServiceStub,
    add_AccountsServiceServicer_to_server,
)
from services.kit.channel import ServiceChannel
from services.kit.credentials import server_credentials
from services.kit.tls import ClientTls
from tests.support.certificates import Authority


class Holding(AccountsServiceServicer):
    """Answers when it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def GetProfile(self, request: Any, call: Any) -> Any:
        """An empty profile."""
        self.asked.set()
        await self.may_answer.wait()
        return pb.GetProfileResponse()


class Served:
    """A server that lets in who shows a certificate of `devices`."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.devices = Authority(folder), Authority(folder, "Devices")
        self.holding = Holding()
        self._server = grpc.aio.server()
        add_AccountsServiceServicer_to_server(self.holding, self._server)
        self.port = self._server.add_secure_port("127.0.0.1:0", server_credentials(self.authority.server(clients=self.devices)))
        self.start, self.stop = self._server.start, self._server.stop

    def channel(self, tls: ClientTls, every_s: float = 0) -> ServiceChannel:
        return ServiceChannel(AccountsServiceStub, f"127.0.0.1:{self.port}", [], tls, looked_at_every_s=every_s)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    await made.start()
    yield made
    await made.stop(None)


async def ask(channel: ServiceChannel) -> Any:
    with channel.lent() as opened:
        return await opened.stub.GetProfile(pb.GetProfileRequest(), timeout=10)


def shown(served: Served, by: Authority) -> ClientTls:
    """A client's files, signed by another authority at first."""
    issued = by.issue("client")
    return ClientTls(served.authority.ca_file, issued.cert_file, issued.key_file)


def renew(served: Served, tls: ClientTls) -> None:
    assert tls.cert_file
    assert tls.key_file
    new = served.devices.issue("renewed")
    tls.cert_file.write_bytes(new.cert_file.read_bytes())
    tls.key_file.write_bytes(new.key_file.read_bytes())


async def renewed_in_a_call(served: Served, tls: ClientTls, channel: ServiceChannel) -> tuple[grpc.aio.Channel, asyncio.Task[Any]]:
    """The channel before, and a call that is under way on it."""
    served.holding.may_answer.clear()
    before = channel.raw
    call = asyncio.create_task(ask(channel))
    await served.holding.asked.wait()
    renew(served, tls)
    return before, call


async def test_a_renewed_certificate_is_shown_from_the_next_call_on(served: Served, tmp_path: Path) -> None:
    tls = shown(served, Authority(tmp_path, "Strangers"))
    channel = served.channel(tls)
    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
        await ask(channel)
    renew(served, tls)
    assert await ask(channel) == pb.GetProfileResponse()
    kept = channel.raw
    assert await ask(channel) == pb.GetProfileResponse()
    assert channel.raw is kept, "nothing has changed since"
    await channel.close()


async def test_the_files_are_not_looked_at_before_it_is_time(served: Served, tmp_path: Path) -> None:
    tls = shown(served, Authority(tmp_path, "Strangers"))
    channel = served.channel(tls, every_s=60)
    renew(served, tls)
    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
        await ask(channel)
    await channel.close()


async def test_who_only_asks_for_the_state_gets_the_new_channel_too(served: Served, tmp_path: Path) -> None:
    tls = shown(served, Authority(tmp_path, "Strangers"))
    channel = served.channel(tls)
    before = channel.raw
    renew(served, tls)
    assert channel.raw is not before
    await asyncio.wait_for(channel.raw.channel_ready(), 10)
    await channel.close()


async def test_a_call_under_way_ends_on_the_channel_that_it_began_on(served: Served) -> None:
    tls = shown(served, served.devices)
    channel = served.channel(tls)
    before, call = await renewed_in_a_call(served, tls, channel)
    assert channel.raw is not before
    served.holding.may_answer.set()
    assert await ask(channel) == pb.GetProfileResponse()
    assert await call == pb.GetProfileResponse()
    await asyncio.sleep(0)
    assert before.get_state() is grpc.ChannelConnectivity.SHUTDOWN, "what is used no more is closed"
    await channel.close()


async def test_closing_ends_what_is_under_way_on_every_channel_and_opens_none(served: Served) -> None:
    tls = shown(served, served.devices)
    channel = served.channel(tls)
    before, call = await renewed_in_a_call(served, tls, channel)
    after = channel.raw
    await channel.close()
    with pytest.raises(asyncio.CancelledError):
        await call
    renew(served, tls)
    assert channel.raw is after
    assert [each.get_state() for each in (before, after)] == [grpc.ChannelConnectivity.SHUTDOWN] * 2


async def test_files_that_are_gone_leave_what_was_there(served: Served) -> None:
    tls = shown(served, served.devices)
    channel = served.channel(tls)
    assert tls.key_file is not None
    tls.key_file.unlink()
    assert await ask(channel) == pb.GetProfileResponse()
    await channel.close()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.pem cannot be read"):
        ServiceChannel(AccountsServiceStub, "127.0.0.1:1", [], ClientTls(tmp_path / "absent.pem"))
