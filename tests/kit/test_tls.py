"""TLS of servers and clients: who is let in, who is not, and what becomes of a certificate that is renewed."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import (
    AccountsServiceServicer,
    AccountsServiceStub,
    add_AccountsServiceServicer_to_server,
)
from services.kit.client import ServiceClient
from services.kit.credentials import channel_credentials, server_credentials
from services.kit.errors import Unavailable
from services.kit.server import Server
from services.kit.settings import ClientTlsSettings, ServiceSettings, load_settings, service_config
from services.kit.tls import SCHEME, ClientTls, RenewedFiles, ServerTls
from tests.support.certificates import Authority
from tests.support.ports import free_port

NAME = "scale.accounts.v1.AccountsService"
SECRET = "s" * 32


class Settings(ServiceSettings):
    model_config = service_config("accounts")


class OutsideSettings(ServiceSettings):
    """Of a service that others than our own call."""

    model_config = service_config("accounts")

    tls_required: ClassVar[bool] = True


class Answering(AccountsServiceServicer):
    async def GetProfile(self, request: Any, call: Any) -> Any:
        """Whoever asks."""
        return pb.GetProfileResponse()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def serving(tls: ServerTls | None) -> AsyncIterator[str]:
    """The address of a server, without a scheme."""
    files: Mapping[str, Any] = {}
    if tls is not None:
        files = {"tls_cert_file": tls.cert_file, "tls_key_file": tls.key_file, "tls_client_ca_file": tls.client_ca_file}
    settings = Settings(
        port=free_port(), environment="development", auth_secret=SECRET, drain_s=0, grace_s=0, database_url="postgresql://", **files
    )
    server = Server(
        settings,
        name="accounts",
        services=[NAME],
        register=lambda raw: add_AccountsServiceServicer_to_server(Answering(), raw),
        open_methods=frozenset({f"/{NAME}/GetProfile"}),
    )
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop()


async def ask(address: str, tls: ClientTls | None = None) -> Any:
    client = ServiceClient(AccountsServiceStub, address, service=NAME, timeout_s=5, tls=tls)
    try:
        return await client.unary("GetProfile", pb.GetProfileRequest())
    finally:
        await client.close()


async def refused(address: str, tls: ClientTls | None = None) -> None:
    with pytest.raises(Unavailable):
        await ask(address, tls)


async def test_a_server_with_a_certificate_answers_over_tls_and_refuses_what_comes_in_plain(authority: Authority) -> None:
    async with serving(authority.server()) as address:
        assert await ask(SCHEME + address, authority.client()) == pb.GetProfileResponse()
        await refused(address)


async def test_a_client_believes_only_the_authority_that_it_knows(authority: Authority, tmp_path: Path) -> None:
    async with serving(authority.server()) as address:
        await refused(SCHEME + address, Authority(tmp_path, "Another").client())
        await refused(SCHEME + address, ClientTls())


async def test_a_client_refuses_a_certificate_of_another_host(authority: Authority) -> None:
    issued = authority.issue("elsewhere", ("elsewhere.example",))
    async with serving(ServerTls(issued.cert_file, issued.key_file)) as address:
        await refused(SCHEME + address, authority.client())


async def test_a_client_over_tls_sends_nothing_to_a_server_in_plain(authority: Authority) -> None:
    async with serving(None) as address:
        assert await ask(address) == pb.GetProfileResponse()
        await refused(SCHEME + address, authority.client())


async def test_mutual_tls_lets_in_only_who_shows_a_certificate_of_its_authority(authority: Authority, tmp_path: Path) -> None:
    devices = Authority(tmp_path, "Devices")
    known = devices.issue("device")
    stranger = Authority(tmp_path, "Strangers").issue("device")
    async with serving(authority.server(clients=devices)) as address:
        assert await ask(SCHEME + address, ClientTls(authority.ca_file, known.cert_file, known.key_file)) == pb.GetProfileResponse()
        await refused(SCHEME + address, authority.client())
        await refused(SCHEME + address, ClientTls(authority.ca_file, stranger.cert_file, stranger.key_file))
        await refused(address)


async def test_a_renewed_certificate_serves_from_the_next_connection_on(authority: Authority) -> None:
    tls = authority.server()
    async with serving(tls) as address:
        before = shown_at(address)
        # As it is while only one of two files has been replaced: what was there stays.
        old_key = tls.key_file.read_bytes()
        authority.issue("server")
        new_key = tls.key_file.read_bytes()
        tls.key_file.write_bytes(old_key)
        assert await ask(SCHEME + address, authority.client()) == pb.GetProfileResponse()
        assert shown_at(address) == before
        tls.key_file.write_bytes(new_key)
        os.utime(tls.key_file, ns=(1, 1))
        assert await ask(SCHEME + address, authority.client()) == pb.GetProfileResponse()
        assert shown_at(address) == tls.cert_file.read_text()
        tls.cert_file.unlink()
        assert await ask(SCHEME + address, authority.client()) == pb.GetProfileResponse()


def test_files_are_read_once_for_each_change(authority: Authority) -> None:
    tls = authority.server()
    renewed = RenewedFiles(tls)
    assert renewed.changed() is None
    os.utime(tls.cert_file, ns=(1, 1))
    assert renewed.changed() is None, "the same content"
    authority.issue("server")
    assert renewed.changed() is not None
    assert renewed.changed() is None
    tls.key_file.write_bytes(authority.issue("other").key_file.read_bytes())
    assert renewed.changed() is None, "half of a pair"
    tls.key_file.unlink()
    assert renewed.changed() is None
    authority.issue("server")
    assert renewed.changed() is not None


def shown_at(address: str) -> str:
    """The certificate that a server shows, in PEM."""
    host, _, port = address.partition(":")
    return ssl.get_server_certificate((host, int(port)))


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    with pytest.raises(ValueError, match=r"other\.key is not the key of the certificate in .*one\.pem"):
        server_credentials(ServerTls(one.cert_file, other.key_file))
    with pytest.raises(ValueError, match=r"absent\.pem cannot be read: No such file"):
        ServerTls(tmp_path / "absent.pem", one.key_file).read()
    with pytest.raises(ValueError, match=r"nothing\.pem holds no certificate"):
        ServerTls(nothing, one.key_file).read()
    with pytest.raises(ValueError, match=r"nothing\.pem holds no private key"):
        ServerTls(one.cert_file, nothing).read()
    with pytest.raises(ValueError, match=r"nothing\.pem holds no certificate"):
        ServerTls(one.cert_file, one.key_file, nothing).read()
    with pytest.raises(ValueError, match=r"nothing\.pem holds no certificate"):
        ClientTls(nothing).read()
    with pytest.raises(ValueError, match="needs its key"):
        ClientTls(authority.ca_file, one.cert_file).read()
    with pytest.raises(ValueError, match=r"other\.key is not the key"):
        channel_credentials(ClientTls(authority.ca_file, one.cert_file, other.key_file))


def environment(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    needed = {"SCALE_ACCOUNTS_PORT": 1, "SCALE_ACCOUNTS_DATABASE_URL": "postgresql://", "SCALE_AUTH_SECRET": SECRET}
    for name, value in {**needed, "SCALE_AUTH_ISSUER": "issuer", **values}.items():
        monkeypatch.setenv(name, str(value))


def said(capsys: pytest.CaptureFixture[str], settings: type[ServiceSettings | ClientTlsSettings]) -> str:
    with pytest.raises(SystemExit, match="2"):
        load_settings(settings)
    return capsys.readouterr().err


def test_a_service_for_callers_from_elsewhere_does_not_start_in_plain_outside_development(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], authority: Authority
) -> None:
    environment(monkeypatch)
    assert "SCALE_ACCOUNTS_TLS_CERT_FILE must be set outside of development" in said(capsys, OutsideSettings)
    assert load_settings(Settings).server_tls is None
    environment(monkeypatch, SCALE_ENVIRONMENT="development")
    assert load_settings(OutsideSettings).server_tls is None
    issued = authority.issue("server")
    environment(
        monkeypatch,
        SCALE_ENVIRONMENT="production",
        SCALE_ACCOUNTS_TLS_CERT_FILE=issued.cert_file,
        SCALE_ACCOUNTS_TLS_KEY_FILE=issued.key_file,
        SCALE_ACCOUNTS_TLS_CLIENT_CA_FILE=authority.ca_file,
    )
    assert load_settings(OutsideSettings).server_tls == ServerTls(issued.cert_file, issued.key_file, authority.ca_file)


def test_settings_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], authority: Authority, tmp_path: Path
) -> None:
    issued = authority.issue("server")
    environment(monkeypatch, SCALE_ACCOUNTS_TLS_CERT_FILE=issued.cert_file)
    assert "need each other" in said(capsys, Settings)
    environment(monkeypatch, SCALE_ACCOUNTS_TLS_KEY_FILE=tmp_path / "absent.key")
    assert "absent.key cannot be read" in said(capsys, Settings)
    monkeypatch.setenv("SCALE_TLS_CERT_FILE", str(issued.cert_file))
    assert "needs its key" in said(capsys, ClientTlsSettings)
    monkeypatch.setenv("SCALE_TLS_KEY_FILE", str(issued.key_file))
    monkeypatch.setenv("SCALE_TLS_CA_FILE", str(authority.ca_file))
    assert load_settings(ClientTlsSettings).client_tls == ClientTls(authority.ca_file, issued.cert_file, issued.key_file)


def test_a_client_ca_without_a_certificate_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], authority: Authority
) -> None:
    environment(monkeypatch, SCALE_ACCOUNTS_TLS_CLIENT_CA_FILE=authority.ca_file)
    assert "SCALE_ACCOUNTS_TLS_CLIENT_CA_FILE needs SCALE_ACCOUNTS_TLS_CERT_FILE" in said(capsys, Settings)
