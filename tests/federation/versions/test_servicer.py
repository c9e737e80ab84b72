"""Versions of the federated model on the wire: who sees what, pages, and parts without a token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import grpc.aio
import pytest

from scale.federation.v1 import federated_model_service_pb2 as pb
from scale.federation.v1.federated_model_service_pb2_grpc import FederatedModelServiceStub, add_FederatedModelServiceServicer_to_server
from services.federation.versions.parts import MODELS_PATH
from services.federation.versions.servicer import OPEN_METHODS, SERVICE, FederatedModelServicer
from services.kit.auth import mint_token
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied, ScaleError, Unauthenticated
from services.kit.pagination import PageTokens
from services.kit.server import Server
from services.kit.settings import ProcessSettings
from services.kit.status import from_rpc_error
from tests.federation.versions.conftest import Line
from tests.ingestion.conftest import SECRET, process_settings, serving


@dataclass
class Wire:
    """A client, as some user."""

    stub: FederatedModelServiceStub
    user_id: UUID
    role: str = "admin"
    signed_in: bool = True

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        token = mint_token(SECRET, user_id=self.user_id, role=self.role)
        metadata = (("authorization", f"Bearer {token}"),) if self.signed_in else ()
        try:
            return await getattr(self.stub, method)(request, metadata=metadata, timeout=10)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="federation") from error

    async def read(self, **asked: Any) -> list[pb.ReadModelPartResponse]:
        """Without a token."""
        try:
            return [part async for part in self.stub.ReadModelPart(pb.ReadModelPartRequest(**asked), timeout=10)]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="federation") from error


@pytest.fixture
async def wire(line: Line, user_id: UUID) -> AsyncIterator[Wire]:
    servicer = FederatedModelServicer(line.service, line.parts, PageTokens(b"k" * 32))
    server = Server(
        ProcessSettings(**process_settings()),
        name="federation",
        services=[SERVICE],
        register=lambda server: add_FederatedModelServiceServicer_to_server(servicer, server),
        open_methods=OPEN_METHODS,
    )
    async with serving(server) as channel:
        yield Wire(FederatedModelServiceStub(channel), user_id)


def asked(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    version, name = parts.path.removeprefix(MODELS_PATH).split("/")
    return {"version": int(version), "name": name, "expires": int(query["expires"][0]), "signature": query["signature"][0]}


async def refused(wire: Wire, method: str, request: Any) -> ScaleError:
    with pytest.raises(ScaleError) as caught:
        await wire.call(method, request)
    return caught.value


@pytest.mark.requirement("FED-02", "FED-11")
async def test_whoever_has_signed_in_gets_the_newest_version_and_its_parts(wire: Wire, line: Line) -> None:
    """FED-11, FED-02."""
    user = Wire(wire.stub, wire.user_id, role="user")
    first = (await user.call("GetFederatedModel", pb.GetFederatedModelRequest())).model_version
    assert (first.version, first.parent_version, first.round_id, first.accuracy_ratio) == (1, 0, "", 0.0)
    two = await line.publish()
    found = (await user.call("GetFederatedModel", pb.GetFederatedModelRequest())).model_version
    assert (found.version, found.parent_version, found.round_id, found.contributor_count) == (2, 1, str(two.round_id), 12)
    assert (found.accuracy_ratio, found.epsilon, found.unamplified_epsilon) == (0.75, 0.25, 2.5)
    assert dict(found.metrics) == {"update_norm": 0.125}
    assert found.download_expire_time.seconds > found.create_time.seconds + 800
    for url, content_hash, size in (
        (found.encoder_download_url, found.encoder_hash, found.encoder_size_bytes),
        (found.head_download_url, found.head_hash, found.head_size_bytes),
    ):
        parts = await wire.read(**asked(url))
        content = b"".join(part.chunk for part in parts)
        assert (len(content), parts[0].content_hash, parts[0].size_bytes) == (size, content_hash, size)
        assert max(len(part.chunk) for part in parts) <= 64 * 1024
        assert not any(part.content_hash for part in parts[1:])
    assert content == await line.service.head(2)


async def test_the_line_is_for_administrators(wire: Wire, line: Line) -> None:
    await line.publish()
    for role, kind in (("user", PermissionDenied), ("", Unauthenticated)):
        stranger = Wire(wire.stub, wire.user_id, role=role or "user", signed_in=bool(role))
        for method, request in (
            ("ListFederatedModelVersions", pb.ListFederatedModelVersionsRequest()),
            ("PromoteFederatedModel", pb.PromoteFederatedModelRequest(version=2)),
            ("RollBackFederatedModel", pb.RollBackFederatedModelRequest(version=1)),
        ):
            assert type(await refused(stranger, method, request)) is kind, method
    nobody = Wire(wire.stub, wire.user_id, signed_in=False)
    assert isinstance(await refused(nobody, "GetFederatedModel", pb.GetFederatedModelRequest()), Unauthenticated)
    assert line.registry.registered == {}


async def test_forwards_back_and_pages(wire: Wire, line: Line) -> None:
    await line.publish()
    promoted = (await wire.call("PromoteFederatedModel", pb.PromoteFederatedModelRequest(version=2))).model_version
    assert (promoted.version, promoted.registry_version) == (2, line.registry.live)
    assert promoted.head_download_url
    back = (await wire.call("RollBackFederatedModel", pb.RollBackFederatedModelRequest(version=1))).model_version
    assert (back.version, back.parent_version, back.registry_version) == (3, 1, line.registry.live)
    request = pb.ListFederatedModelVersionsRequest(page_size=2)
    first = await wire.call("ListFederatedModelVersions", request)
    assert [one.version for one in first.model_versions] == [3, 2]
    assert not any(one.head_download_url for one in first.model_versions)
    request.page_token = first.next_page_token
    last = await wire.call("ListFederatedModelVersions", request)
    assert ([one.version for one in last.model_versions], last.next_page_token) == ([1], "")


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("PromoteFederatedModel", pb.PromoteFederatedModelRequest(), "version"),
        ("RollBackFederatedModel", pb.RollBackFederatedModelRequest(version=-1), "version"),
        ("ListFederatedModelVersions", pb.ListFederatedModelVersionsRequest(page_size=-1), "page_size"),
        ("ListFederatedModelVersions", pb.ListFederatedModelVersionsRequest(page_token="x"), "page_token"),
    ],
)
async def test_wrong_requests_say_where(wire: Wire, method: str, request_: Any, field: str) -> None:
    error = await refused(wire, method, request_)
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.fields] == [field]


async def test_what_is_not_there_and_addresses_that_nobody_gave(wire: Wire, line: Line) -> None:
    for method, kind in (
        ("PromoteFederatedModel", pb.PromoteFederatedModelRequest),
        ("RollBackFederatedModel", pb.RollBackFederatedModelRequest),
    ):
        assert isinstance(await refused(wire, method, kind(version=7)), NotFound)
    found = (await wire.call("GetFederatedModel", pb.GetFederatedModelRequest())).model_version
    good = asked(found.head_download_url)
    for changes, kind_ in (
        ({"name": ""}, InvalidArgument),
        ({"signature": ""}, InvalidArgument),
        ({"version": 0}, InvalidArgument),
        ({"name": "x" * 201}, InvalidArgument),
        ({"name": "encoder"}, PermissionDenied),
        ({"version": 2}, PermissionDenied),
        ({"expires": good["expires"] + 1}, PermissionDenied),
    ):
        with pytest.raises(kind_):
            await wire.read(**{**good, **changes})
