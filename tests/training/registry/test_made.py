"""Versions of global models that another service makes: who may, what is taken, and what becomes of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import uuid_utils.compat

from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub, add_ModelRegistryServiceServicer_to_server
from services.kit import context
from services.kit.auth import mint_token
from services.kit.errors import AlreadyExists, InvalidArgument, PermissionDenied, ResourceExhausted, ScaleError
from services.kit.pagination import PageTokens
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ProcessSettings
from services.kit.status import from_rpc_error
from services.training.domain import CATEGORIZER_GLOBAL, FORECASTER_GLOBAL, NOBODY, Stage
from services.training.registry.domain import MAX_ARTIFACT_BYTES
from services.training.registry.incoming import MAX_CHUNK_BYTES
from services.training.registry.servicer import BACKGROUND_METHODS, OPEN_METHODS, SERVICE, ModelRegistryServicer
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.registry_fakes import trained
from tests.support.service_keys import service_tokens
from tests.training.registry.conftest import WORKER, Registry

FEDERATION, CATEGORIZATION = service_tokens("federation_models"), service_tokens("categorization_models")


@pytest.fixture(autouse=True)
async def nobody_is_live(registry: Registry, as_user: None) -> AsyncIterator[None]:
    """Global models are everybody's: what a test leaves would answer in the next."""
    context.bind_background(NOBODY, WORKER, since=await registry.database.now())
    yield
    for _ in range(20):
        live = await registry.repository.live(NOBODY, CATEGORIZER_GLOBAL)
        if live is None:
            return
        await registry.repository.roll_back(NOBODY, CATEGORIZER_GLOBAL, live.version)


@pytest.fixture
async def stub(registry: Registry) -> AsyncIterator[ModelRegistryServiceStub]:
    servicer = ModelRegistryServicer(registry.service, registry.made, PageTokens(b"k" * 32))
    keys: list[ServiceTokens] = [WORKER, FEDERATION, CATEGORIZATION]
    server = Server(
        ProcessSettings(**process_settings(SCALE_SERVICE_PUBLIC_KEYS=",".join(key.public_key for key in keys))),
        name="training",
        services=[SERVICE],
        register=lambda server: add_ModelRegistryServiceServicer_to_server(servicer, server),
        service_methods=BACKGROUND_METHODS,
        open_methods=OPEN_METHODS,
    )
    async with serving(server) as channel:
        yield ModelRegistryServiceStub(channel)


def header(content: bytes, **changes: Any) -> pb.NewModelVersion:
    values: dict[str, Any] = {
        "model": CATEGORIZER_GLOBAL,
        "job_id": str(uuid_utils.compat.uuid7()),
        "content_hash": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "parent_version": "hypcd-1",
        "data_cutoff_time": {"seconds": 1_790_000_000},
        "code_version": "1.2.3",
        "live": True,
    }
    metrics = changes.pop("metrics", {"contributors": 12, "epsilon": 2.5, "round_id": "r"})
    found = pb.NewModelVersion(**{**values, **changes})
    found.metrics.update(metrics)
    return found


def messages(head: pb.NewModelVersion, *chunks: bytes) -> Iterator[pb.RegisterModelVersionRequest]:
    yield pb.RegisterModelVersionRequest(header=head)
    for chunk in chunks:
        yield pb.RegisterModelVersionRequest(chunk=chunk)


async def send(stub: ModelRegistryServiceStub, requests: Any, token: str | None = None) -> pb.ModelVersion:
    """As the federation, unless another token is given. Raises the ScaleError that the service raised."""
    token = token or FEDERATION.mint(NOBODY, audience="training")
    try:
        response = await stub.RegisterModelVersion(requests, metadata=(("authorization", f"Bearer {token}"),), timeout=10)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, service="training") from error
    found: pb.ModelVersion = response.model_version
    return found


async def refused(stub: ModelRegistryServiceStub, requests: Any, token: str | None = None) -> ScaleError:
    with pytest.raises(ScaleError) as caught:
        await send(stub, requests, token)
    return caught.value


async def test_it_answers_everybody_and_is_told_with_where_it_comes_from(stub: ModelRegistryServiceStub, registry: Registry) -> None:
    content = uuid_utils.compat.uuid7().bytes * 100_000  # more than one chunk
    head = header(content)
    found = await send(stub, messages(head, content[:MAX_CHUNK_BYTES], content[MAX_CHUNK_BYTES:]))
    assert (found.model, found.stage, getattr(found, "global")) == (CATEGORIZER_GLOBAL, pb.MODEL_STAGE_LIVE, True)
    assert (found.parent_version, found.job_id, found.code_version) == ("hypcd-1", head.job_id, "1.2.3")
    assert found.data_cutoff_time.seconds == 1_790_000_000
    live = await registry.repository.live(NOBODY, CATEGORIZER_GLOBAL)
    assert live is not None
    assert live.version == found.version
    assert live.delivered_at is not None
    assert dict(live.metrics) == {"contributors": 12, "epsilon": 2.5, "round_id": "r"}
    assert isinstance(live.metrics["contributors"], int)
    assert await registry.artifacts.read(live) == content


async def test_the_same_job_registers_once_and_stays_as_it_stands(stub: ModelRegistryServiceStub, registry: Registry) -> None:
    job = uuid_utils.compat.uuid7()
    one = await send(stub, messages(header(b"1" + job.bytes, job_id=str(job)), b"1" + job.bytes))
    two = await send(stub, messages(header(b"2" + job.bytes), b"2" + job.bytes))
    again = await send(stub, messages(header(b"1" + job.bytes, job_id=str(job)), b"1" + job.bytes))
    assert (again.version, again.stage) == (one.version, pb.MODEL_STAGE_RETIRED)
    live = await registry.repository.live(NOBODY, CATEGORIZER_GLOBAL)
    assert live is not None
    assert live.version == two.version
    # What the storage has lost, whoever made it may bring again; something else under its name, nobody.
    lost = await registry.repository.of_job(NOBODY, job)
    assert lost is not None
    await registry.storage.delete(lost.artifact_key)
    await send(stub, messages(header(b"3", job_id=str(job)), b"3"))
    assert lost.artifact_key not in registry.files()
    await send(stub, messages(header(b"1" + job.bytes, job_id=str(job)), b"1" + job.bytes))
    assert await registry.artifacts.read(lost) == b"1" + job.bytes


async def test_a_candidate_waits_and_few_are_kept(stub: ModelRegistryServiceStub, registry: Registry) -> None:
    live = await send(stub, messages(header(b"live"), b"live"))
    versions = [await send(stub, messages(header(bytes([n]), live=False), bytes([n]))) for n in range(6)]
    assert {one.stage for one in versions} == {pb.MODEL_STAGE_CANDIDATE}
    kept = await registry.repository.list_versions(NOBODY, CATEGORIZER_GLOBAL, limit=100, below=None)
    assert [one.version for one in kept][:3] == [one.version for one in reversed(versions[3:])]
    assert {one.version for one in kept} & {one.version for one in versions[:3]} == set()
    assert [one.version for one in kept if one.stage is Stage.LIVE] == [live.version]


async def test_who_may_register(stub: ModelRegistryServiceStub, registry: Registry, user_id: UUID) -> None:
    categorization = CATEGORIZATION.mint(NOBODY, audience="training")
    administrator = mint_token(SECRET, user_id=user_id, role="admin")
    worker = WORKER.mint(NOBODY, audience="training")
    for token in (categorization, administrator, worker, mint_token(SECRET, user_id=user_id)):
        error = await refused(stub, messages(header(b"x"), b"x"), token)
        assert isinstance(error, PermissionDenied)
    for model in (FORECASTER_GLOBAL, "categorizer", "unknown"):
        error = await refused(stub, messages(header(b"x", model=model), b"x"))
        assert (type(error), error.reason) == (PermissionDenied, "NOT_ITS_MODEL"), model
    assert registry.files() == set()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": ""}, "model"),
        ({"parent_version": ""}, "parent_version"),
        ({"parent_version": "1" * 201}, "parent_version"),
        ({"code_version": "\x00"}, "code_version"),
        ({"data_cutoff_time": None}, "data_cutoff_time"),
        ({"data_cutoff_time": {"seconds": 2**60}}, "data_cutoff_time"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"job_id": "x"}, "job_id"),
        ({"metrics": {"deep": {"er": 1}}}, "metrics"),
        ({"metrics": {"odd": float("nan")}}, "metrics"),
        ({"metrics": {"long": "x" * 9000}}, "metrics"),
    ],
)
async def test_wrong_headers_say_where(stub: ModelRegistryServiceStub, changes: dict[str, Any], field: str) -> None:
    error = await refused(stub, messages(header(b"x", **changes), b"x"))
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.fields] == [field]


async def test_what_is_not_what_its_header_says_is_no_version(stub: ModelRegistryServiceStub, registry: Registry) -> None:
    for head, chunks in (
        (header(b"12"), [b"1"]),
        (header(b"12"), [b"1", b"23"]),
        (header(b"12"), [b"21"]),
        (header(b"12", content_hash="x"), [b"12"]),
    ):
        error = await refused(stub, messages(head, *chunks))
        assert (type(error), error.reason) == (InvalidArgument, "ARTIFACT_INCOMPLETE")
    headless = iter([pb.RegisterModelVersionRequest(chunk=b"x")])
    twice = iter([pb.RegisterModelVersionRequest(header=header(b"x"))] * 2)
    large = messages(header(b"x" * (MAX_CHUNK_BYTES + 1)), b"x" * (MAX_CHUNK_BYTES + 1))
    for requests, field in ((headless, "header"), (iter([]), "header"), (twice, "chunk"), (large, "chunk")):
        found = await refused(stub, requests)
        assert isinstance(found, InvalidArgument)
        assert found.fields[0].field == field
    assert registry.files() == set()


async def test_what_nobody_could_answer_with_is_refused_at_its_header(stub: ModelRegistryServiceStub) -> None:
    error = await refused(stub, messages(header(b"x", size_bytes=MAX_ARTIFACT_BYTES + 1), b"x"))
    assert (type(error), error.reason) == (ResourceExhausted, "ARTIFACT_TOO_LARGE")


async def test_a_job_of_another_model_is_another_one(stub: ModelRegistryServiceStub, registry: Registry) -> None:
    job = await registry.job(FORECASTER_GLOBAL, NOBODY)
    await registry.registry.register(job, trained(job.id.bytes, better=False))
    error = await refused(stub, messages(header(b"x", job_id=str(job.id)), b"x"))
    assert (type(error), error.reason) == (AlreadyExists, "JOB_TAKEN")
