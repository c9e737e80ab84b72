"""The registry on the wire: whose token sees what, pages, and artefacts without a token."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import grpc.aio
import pytest

from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub, add_ModelRegistryServiceServicer_to_server
from services.categorization.model_registry import CALLER, GrpcModelRegistry
from services.kit import context
from services.kit.auth import mint_token
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied, ScaleError, Unauthenticated
from services.kit.pagination import PageTokens
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ProcessSettings
from services.kit.signed_links import SignedLinks
from services.kit.status import from_rpc_error
from services.training.domain import CATEGORIZER_GLOBAL, NOBODY
from services.training.registry.domain import LINKS_PURPOSE
from services.training.registry.service import ARTIFACTS_PATH, ModelRegistryService
from services.training.registry.servicer import BACKGROUND_METHODS, OPEN_METHODS, SERVICE, ModelRegistryServicer
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.registry_fakes import trained
from tests.support.service_keys import service_key
from tests.training.registry.conftest import KEY, WORKER, Registry

ASKING_KEY = service_key()
CONTENT = bytes(range(256)) * 600  # more than two chunks


@dataclass
class Wire:
    """A client, as some user."""

    stub: ModelRegistryServiceStub
    user_id: UUID
    address: str = ""
    role: str = "user"
    token: str | None = None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        token = self.token if self.token is not None else mint_token(SECRET, user_id=self.user_id, role=self.role)
        return (("authorization", f"Bearer {token}"),) if token else ()

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        try:
            return await getattr(self.stub, method)(request, metadata=self.metadata, timeout=10)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="training") from error

    async def read(self, url: str, **changes: Any) -> list[pb.ReadArtifactResponse]:
        """What is behind an address, without a token."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        asked = {
            "path": parts.path.removeprefix(ARTIFACTS_PATH),
            "expires": int(query["expires"][0]),
            "signature": query["signature"][0],
        }
        call = self.stub.ReadArtifact(pb.ReadArtifactRequest(**{**asked, **changes}), timeout=10)
        try:
            return [part async for part in call]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="training") from error


@pytest.fixture
async def wire(registry: Registry) -> AsyncIterator[Wire]:
    servicer = ModelRegistryServicer(registry.service, registry.made, PageTokens(b"k" * 32))
    believed = (WORKER.public_key, ServiceTokens(CALLER, ASKING_KEY).public_key)
    server = Server(
        ProcessSettings(**process_settings(SCALE_SERVICE_PUBLIC_KEYS=",".join(believed))),
        name="training",
        services=[SERVICE],
        register=lambda server: add_ModelRegistryServiceServicer_to_server(servicer, server),
        service_methods=BACKGROUND_METHODS,
        open_methods=OPEN_METHODS,
    )
    async with serving(server) as channel:
        yield Wire(ModelRegistryServiceStub(channel), registry.user_id, f"127.0.0.1:{server.port}")


async def refused(wire: Wire, method: str, request: Any) -> ScaleError:
    with pytest.raises(ScaleError) as caught:
        await wire.call(method, request)
    return caught.value


async def test_a_version_is_told_with_all_that_is_known_of_it(wire: Wire, registry: Registry) -> None:
    made = await registry.register(CONTENT)
    found = (await wire.call("GetModelVersion", pb.GetModelVersionRequest(model="categorizer", version=made.version))).model_version
    assert (found.model_version_id, found.model, found.version) == (str(made.id), "categorizer", made.version)
    assert found.stage == pb.MODEL_STAGE_LIVE
    assert getattr(found, "global") is False
    assert dict(found.metrics) == {"accuracy": 0.91, "accuracy_before": 0.88, "rows": 1200}
    assert (found.content_hash, found.size_bytes) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert (found.parent_version, found.code_version, found.job_id) == ("hypcd-1.0.0+1a2b3c4d", "1.2.3", str(made.job_id))
    assert found.HasField("promote_time")
    assert (
        await wire.call("GetLiveModelVersion", pb.GetLiveModelVersionRequest(model="categorizer"))
    ).model_version.version == made.version


async def test_pages_go_on_where_they_were(wire: Wire, registry: Registry, other_user_id: UUID) -> None:
    for number in range(3):
        await registry.register(bytes([number]), better=False)
    request = pb.ListModelVersionsRequest(model="categorizer", page_size=2)
    first = await wire.call("ListModelVersions", request)
    assert [one.version[0] for one in first.model_versions] == ["3", "2"]
    assert all(not one.download_url for one in first.model_versions)
    request.page_token = first.next_page_token
    last = await wire.call("ListModelVersions", request)
    assert [one.version[0] for one in last.model_versions] == ["1"]
    assert not last.next_page_token
    stranger = Wire(wire.stub, other_user_id)
    assert isinstance(await refused(stranger, "ListModelVersions", request), InvalidArgument)
    assert not (await stranger.call("ListModelVersions", pb.ListModelVersionsRequest(model="categorizer"))).model_versions


async def test_another_users_version_does_not_exist(wire: Wire, registry: Registry, other_user_id: UUID) -> None:
    made = await registry.register()
    stranger = Wire(wire.stub, other_user_id, role="admin")
    for method, request in (
        ("GetModelVersion", pb.GetModelVersionRequest(model="categorizer", version=made.version)),
        ("PromoteModelVersion", pb.PromoteModelVersionRequest(model="categorizer", version=made.version)),
        ("RollBackModel", pb.RollBackModelRequest(model="categorizer", version=made.version)),
        ("GetLiveModelVersion", pb.GetLiveModelVersionRequest(model="categorizer")),
    ):
        assert isinstance(await refused(stranger, method, request), NotFound), method


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("ListModelVersions", pb.ListModelVersionsRequest(), "model"),
        ("ListModelVersions", pb.ListModelVersionsRequest(model="categorizer", page_size=-1), "page_size"),
        ("ListModelVersions", pb.ListModelVersionsRequest(model="categorizer", page_token="x"), "page_token"),
        ("GetModelVersion", pb.GetModelVersionRequest(model="x", version="1"), "model"),
        ("GetModelVersion", pb.GetModelVersionRequest(model="categorizer"), "version"),
        ("GetModelVersion", pb.GetModelVersionRequest(model="categorizer", version="1\x00"), "version"),
        ("PromoteModelVersion", pb.PromoteModelVersionRequest(model="categorizer", version="1" * 201), "version"),
        ("RollBackModel", pb.RollBackModelRequest(model="\x00"), "model"),
        ("GetLiveModelVersion", pb.GetLiveModelVersionRequest(), "model"),
    ],
)
async def test_wrong_requests_say_where(wire: Wire, method: str, request_: Any, field: str) -> None:
    error = await refused(wire, method, request_)
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.fields] == [field]


async def test_forwards_and_back(wire: Wire, registry: Registry) -> None:
    one = await registry.register(b"1")
    two = await registry.register(b"2", better=False)
    promoted = await wire.call("PromoteModelVersion", pb.PromoteModelVersionRequest(model="categorizer", version=two.version))
    assert promoted.model_version.stage == pb.MODEL_STAGE_LIVE
    back = await wire.call("RollBackModel", pb.RollBackModelRequest(model="categorizer"))
    assert back.model_version.version == one.version
    assert not (await wire.call("RollBackModel", pb.RollBackModelRequest(model="categorizer"))).HasField("model_version")
    error = await refused(wire, "RollBackModel", pb.RollBackModelRequest(model="categorizer"))
    assert error.reason == "NO_LIVE_MODEL"


async def test_global_models(wire: Wire, registry: Registry) -> None:
    context.bind_background(NOBODY, WORKER, since=await registry.database.now())
    made = await registry.registry.register(await registry.job(CATEGORIZER_GLOBAL, NOBODY), trained(CONTENT))
    live = pb.GetLiveModelVersionRequest(model=CATEGORIZER_GLOBAL)
    found = (await wire.call("GetLiveModelVersion", live)).model_version
    assert found.version == made.version
    assert getattr(found, "global") is True
    promote = pb.PromoteModelVersionRequest(model=CATEGORIZER_GLOBAL, version=made.version)
    assert isinstance(await refused(wire, "PromoteModelVersion", promote), PermissionDenied)
    administrator = Wire(wire.stub, registry.user_id, role="admin")
    assert (await administrator.call("PromoteModelVersion", promote)).model_version.version == made.version
    # A service asks as nobody in particular, for what answers and nothing else.
    service = Wire(wire.stub, NOBODY, token=WORKER.mint(NOBODY, audience="training"))
    found = (await service.call("GetLiveModelVersion", live)).model_version
    assert b"".join(part.chunk for part in await wire.read(found.download_url)) == CONTENT
    for method, request in (
        ("ListModelVersions", pb.ListModelVersionsRequest(model=CATEGORIZER_GLOBAL)),
        ("PromoteModelVersion", promote),
        ("RollBackModel", pb.RollBackModelRequest(model=CATEGORIZER_GLOBAL)),
    ):
        assert isinstance(await refused(service, method, request), PermissionDenied), method


async def test_categorization_finds_what_answers_everybody(wire: Wire, registry: Registry) -> None:
    """With its own client, and a key that is good for this question alone."""
    context.bind_background(NOBODY, WORKER, since=await registry.database.now())
    content = CONTENT + uuid4().bytes  # other tests may have left theirs with the answer
    made = await registry.registry.register(await registry.job(CATEGORIZER_GLOBAL, NOBODY), trained(content))
    asking = GrpcModelRegistry(wire.address, ASKING_KEY)

    async def fetched() -> tuple[str, str, bytes]:
        live = await asking.live()
        assert live is not None
        return live.version, live.content_hash, await asking.read(live)

    assert await asyncio.create_task(fetched()) == (made.version, made.content_hash, content)
    await asking.close()


# Artefacts


async def address(wire: Wire, version: str) -> str:
    found = (await wire.call("GetModelVersion", pb.GetModelVersionRequest(model="categorizer", version=version))).model_version
    return str(found.download_url)


async def test_an_address_is_the_permission(wire: Wire, registry: Registry) -> None:
    made = await registry.register(CONTENT)
    url = await address(wire, made.version)
    assert url.startswith(f"{ARTIFACTS_PATH}{registry.user_id}/categorizer/{made.version}?expires=")
    parts = await wire.read(url)
    assert b"".join(part.chunk for part in parts) == CONTENT
    assert max(len(part.chunk) for part in parts) == 64 * 1024
    assert (parts[0].content_hash, parts[0].size_bytes) == (made.content_hash, len(CONTENT))
    assert not parts[1].content_hash


async def test_all_other_calls_need_a_token(wire: Wire) -> None:
    nobody = Wire(wire.stub, wire.user_id, token="")
    assert isinstance(await refused(nobody, "ListModelVersions", pb.ListModelVersionsRequest(model="categorizer")), Unauthenticated)


async def test_forged_and_expired_addresses(wire: Wire, registry: Registry) -> None:
    made, other = await registry.register(b"1"), await registry.register(b"2")
    url = await address(wire, made.version)
    signature = parse_qs(urlsplit(url).query)["signature"][0]
    expired, old = SignedLinks([KEY], purpose=LINKS_PURPOSE, lifetime_s=-1).sign(f"{registry.user_id}/categorizer/{made.version}")
    for changes, reason in (
        ({"path": f"{registry.user_id}/categorizer/{other.version}"}, "SIGNATURE_INVALID"),
        ({"path": "../../etc/passwd"}, "SIGNATURE_INVALID"),
        ({"expires": 2**62}, "SIGNATURE_INVALID"),
        ({"signature": signature[:-1]}, "SIGNATURE_INVALID"),
        ({"expires": expired, "signature": old}, "SIGNATURE_EXPIRED"),
    ):
        with pytest.raises(PermissionDenied) as caught:
            await wire.read(url, **changes)
        assert caught.value.reason == reason
    for missing in ("path", "signature"):
        with pytest.raises(InvalidArgument):
            await wire.read(url, **{missing: ""})


async def test_an_address_of_what_is_gone(wire: Wire, registry: Registry) -> None:
    made = await registry.register(b"1", better=False)
    url = await address(wire, made.version)
    (registry.folder / made.artifact_key).write_bytes(b"2")
    with pytest.raises(NotFound) as caught:
        await wire.read(url)
    assert caught.value.reason == "ARTIFACT_GONE"
    await registry.repository.remove(registry.user_id, [made.id])
    with pytest.raises(NotFound) as caught:
        await wire.read(url)
    assert caught.value.reason == "MODEL_VERSION_NOT_FOUND"


async def test_people_may_download_from_the_bucket_itself(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await registry.register()

    async def signed(key: str, *, lifetime_s: float) -> str | None:
        return f"https://bucket.example/{key}?for={lifetime_s:g}"

    monkeypatch.setattr(registry.storage, "signed_url", signed)
    service = ModelRegistryService(registry.repository, registry.artifacts, registry.links, None, from_bucket=True)
    people, services = [await service.download_of(made, for_service=one) for one in (False, True)]
    assert people.url == f"https://bucket.example/{made.artifact_key}?for=900"
    assert services.url.startswith(ARTIFACTS_PATH)
    assert abs((people.expires_at - services.expires_at).total_seconds()) < 5
    assert (await registry.service.download_of(made, for_service=False)).url.startswith(ARTIFACTS_PATH)
