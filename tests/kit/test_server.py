"""Server, interceptor and client together, over real channels: ids, callers, errors, health, metrics, draining."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer, AccountsServiceStub, add_AccountsServiceServicer_to_server
from services.kit import context, errors
from services.kit.auth import Identity, mint_token
from services.kit.client import ServiceClient
from services.kit.server import FIGURES_KEY, Server
from services.kit.settings import ProcessSettings, service_config
from tests.support.ports import free_port
from tests.support.service_keys import service_tokens

SECRET = "a-secret-of-at-least-thirty-two-characters"
WORKER = service_tokens()
NAME = "scale.accounts.v1.AccountsService"


class Settings(ProcessSettings):
    """Of some service."""

    model_config = service_config("probe")


class Probe(AccountsServiceServicer):
    """Does what it is told."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.failures_left = 0
        self.calls = 0
        self.delay_s = 0.0
        self.seen: list[tuple[str, UUID]] = []
        self.seconds_left: list[float | None] = []
        self.callers: list[Identity | None] = []
        self.cancelled = asyncio.Event()

    async def GetProfile(self, request: Any, call: Any) -> Any:
        """Unary."""
        self.calls += 1
        self.seen.append((context.request_id(), context.identity().user_id))
        self.seconds_left.append(context.seconds_left())
        if self.failures_left:
            self.failures_left -= 1
            raise errors.Unavailable("not yet")
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error is not None:
            raise self.error
        return pb.GetProfileResponse()

    async def UpdateProfile(self, request: Any, call: Any) -> Any:
        """Unary, not idempotent for the client below."""
        return await self.GetProfile(request, call)

    async def AppendTransactions(self, request: AsyncIterator[Any], call: Any) -> AsyncIterator[Any]:
        """Both ways; fails after the first answer when told to."""
        self.callers.append(context.identity_or_none())
        async for _ in request:
            yield pb.AppendTransactionsResponse(inserted_count=1)
            if self.error is not None:
                raise self.error


class Pair:
    """A server with a probe, and a client."""

    def __init__(self, probe: Probe, server: Server, client: ServiceClient, channel: grpc.aio.Channel) -> None:
        self.probe, self.server, self.client, self.channel = probe, server, client, channel
        self.user_id = uuid4()

    async def call(self, method: str = "GetProfile", **options: Any) -> Any:
        """As the user."""
        return await self.client.unary(method, pb.GetProfileRequest(), **options)


@asynccontextmanager
async def running(port: int | None = None, **options: Any) -> AsyncIterator[Pair]:
    settings = Settings(
        port=port or free_port(),
        environment="development",
        auth_secret=SECRET,
        drain_s=0.05,
        grace_s=2,
        service_public_keys=(WORKER.public_key,),
    )
    probe = Probe()
    server = Server(
        settings,
        name="accounts",
        services=[NAME],
        register=lambda raw: add_AccountsServiceServicer_to_server(probe, raw),
        service_methods=frozenset({f"/{NAME}/GetProfile"}),
        **options,
    )
    await server.start()
    address = f"127.0.0.1:{settings.port}"
    client = ServiceClient(AccountsServiceStub, address, service=NAME, idempotent=["GetProfile"], timeout_s=5)
    async with grpc.aio.insecure_channel(address) as channel:
        pair = Pair(probe, server, client, channel)
        act_as(pair.user_id)
        context.bind_request_id(str(uuid4()))
        yield pair
    await client.close()
    await server.stop()
    context.bind_identity(None)
    context.bind_request_id("")


def act_as(user_id: UUID, secret: str = SECRET) -> None:
    context.bind_identity(Identity(user_id, "user", mint_token(secret, user_id=user_id), 0))


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with running() as made:
        yield made


@pytest.mark.requirement("ARC-07", "GW-02", "OBS-03")
async def test_caller_and_request_id_travel(pair: Pair) -> None:
    await pair.call()
    assert pair.probe.seen == [(context.request_id(), pair.user_id)]


async def test_a_service_knows_how_long_its_caller_waits(pair: Pair) -> None:
    await pair.client.unary("GetProfile", pb.GetProfileRequest(), timeout_s=60)
    (left,) = pair.probe.seconds_left
    assert left is not None
    assert 0 < left <= 61  # gRPC rounds a deadline up on its way
    assert context.seconds_left() is None  # nobody waits for a test


async def test_a_request_id_is_made_when_none_comes(pair: Pair) -> None:
    context.bind_request_id("not a uuid")
    await pair.call()
    assert UUID(pair.probe.seen[0][0]).version == 7


@pytest.mark.requirement("SEC-26")
async def test_no_token_and_forged_tokens_are_refused(pair: Pair) -> None:
    context.bind_identity(None)
    with pytest.raises(errors.Unauthenticated, match="needs an Authorization header"):
        await pair.call()
    act_as(pair.user_id, secret="another-secret-of-at-least-32-characters")
    with pytest.raises(errors.Unauthenticated):
        await pair.call()
    assert pair.probe.calls == 0


async def test_background_work_may_call_only_what_it_is_allowed(pair: Pair) -> None:
    context.bind_background(pair.user_id, WORKER)
    await pair.call("GetProfile")
    with pytest.raises(errors.PermissionDenied) as caught:
        await pair.call("UpdateProfile")
    assert caught.value.reason == "ROLE_NOT_ALLOWED"


async def test_what_is_open_knows_no_caller() -> None:
    async with running(open_methods=frozenset({f"/{NAME}/AppendTransactions"})) as pair:
        call = AccountsServiceStub(pair.channel).AppendTransactions
        for metadata in ((), (("authorization", f"Bearer {mint_token(SECRET, user_id=pair.user_id)}"),), (("authorization", "nonsense"),)):
            parts = [pb.AppendTransactionsRequest()]
            assert len([one async for one in call(iter(parts), metadata=metadata)]) == 1
        assert pair.probe.callers == [None, None, None]
        context.bind_identity(None)
        with pytest.raises(errors.Unauthenticated):
            await pair.call()


class Doorkeeper(grpc.aio.ServerInterceptor):
    """A service's own interceptor, which lets in one request of two."""

    def __init__(self) -> None:
        self.callers: list[UUID] = []

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        inner = await continuation(handler_call_details)

        async def answer(request: Any, call: Any) -> Any:
            self.callers.append(context.identity().user_id)
            if len(self.callers) % 2 == 0:
                raise errors.PermissionDenied("every second one", reason="NOT_NOW")
            return await inner.unary_unary(request, call)

        return grpc.unary_unary_rpc_method_handler(answer, inner.request_deserializer, inner.response_serializer)


async def test_a_services_own_interceptor_knows_the_caller_and_its_errors_arrive_whole() -> None:
    keeper = Doorkeeper()
    async with running(interceptors=[keeper]) as pair:
        await pair.call()
        with pytest.raises(errors.PermissionDenied) as caught:
            await pair.call()
        assert caught.value.reason == "NOT_NOW"
        assert keeper.callers == [pair.user_id] * 2
        assert pair.probe.calls == 1


async def test_messages_are_as_large_as_the_service_takes_them(pair: Pair) -> None:
    large = pb.UpdateProfileRequest(profile=transaction_pb2.Profile(display_name="x" * 5_000_000))
    with pytest.raises(errors.ScaleError, match="larger than max"):
        await pair.client.unary("UpdateProfile", large)
    context.bind_identity(None)
    async with running(max_message_bytes=8 * 1024 * 1024) as other:
        metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=other.user_id)}"),)
        # The kit's own client sends no more than other services take.
        async with grpc.aio.insecure_channel(f"127.0.0.1:{other.server.port}") as channel:
            stub = AccountsServiceStub(channel)
            await stub.UpdateProfile(large, metadata=metadata)
            larger = pb.UpdateProfileRequest(profile=transaction_pb2.Profile(display_name="x" * 9_000_000))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.UpdateProfile(larger, metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert other.probe.calls == 1


async def test_errors_arrive_whole(pair: Pair) -> None:
    pair.probe.error = errors.NotFound("no such thing", reason="NO_PROFILE", metadata={"id": "7"})
    with pytest.raises(errors.NotFound) as caught:
        await pair.call()
    assert (caught.value.message, caught.value.reason, caught.value.metadata) == ("no such thing", "NO_PROFILE", {"id": "7"})


@pytest.mark.parametrize("error", [KeyError("the password is swordfish"), errors.ScaleError("the password is swordfish")])
async def test_unexpected_errors_are_logged_and_hidden(pair: Pair, error: Exception) -> None:
    pair.probe.error = error
    with capture_logs() as lines:
        with pytest.raises(errors.ScaleError) as caught:
            await pair.call()
        async with asyncio.timeout(2):
            while not any(line["event"] == "call" for line in lines):  # written after the answer has left
                await asyncio.sleep(0.01)
    assert type(caught.value) is errors.ScaleError
    assert caught.value.message == "Internal error."
    assert [line["exc_info"] for line in lines if "exc_info" in line] == [error]
    assert [(line["method"], line["code"]) for line in lines if line["event"] == "call"] == [(f"/{NAME}/GetProfile", "INTERNAL")]


async def test_bytes_that_are_no_message_are_the_callers_mistake(pair: Pair) -> None:
    metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=pair.user_id)}"),)
    unary = pair.channel.unary_unary(f"/{NAME}/GetProfile")
    stream = pair.channel.stream_stream(f"/{NAME}/AppendTransactions")
    with capture_logs() as logs:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(b"\xff\xff\xff\xff", metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [one async for one in stream(iter([b"\xff\xff\xff\xff"]), metadata=metadata)]
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not [line for line in logs if line["log_level"] == "error"]


async def test_an_error_after_the_first_answer_of_a_stream(pair: Pair) -> None:
    pair.probe.error = errors.Aborted("lost a race")

    async def requests() -> AsyncIterator[Any]:
        for _ in range(3):
            yield pb.AppendTransactionsRequest()

    answers = []
    with pytest.raises(errors.Aborted, match="lost a race"):
        async for answer in pair.client.stream_stream("AppendTransactions", requests(), timeout_s=5):
            answers.append(answer)
    assert len(answers) == 1


async def test_idempotent_calls_are_repeated_others_are_not(pair: Pair) -> None:
    pair.probe.failures_left = 2
    await pair.call("GetProfile")
    assert pair.probe.calls == 3
    pair.probe.failures_left = 1
    with pytest.raises(errors.Unavailable, match="not yet"):
        await pair.call("UpdateProfile")
    assert pair.probe.calls == 4


class Dropping(AccountsServiceServicer):
    """Drops each call once, as gRPC does with those that reach a server while it stops."""

    def __init__(self) -> None:
        self.calls = 0

    async def GetProfile(self, request: Any, call: Any) -> Any:
        """Unary."""
        self.calls += 1
        if "grpc-previous-rpc-attempts" not in dict(call.invocation_metadata()):
            await call.abort(grpc.StatusCode.CANCELLED, "CANCELLED")
        return pb.GetProfileResponse()

    async def UpdateProfile(self, request: Any, call: Any) -> Any:
        """Unary, not idempotent for the client below."""
        return await self.GetProfile(request, call)


@pytest.mark.requirement("REL-25")
async def test_what_a_stopping_server_drops_is_repeated_where_it_may_be() -> None:
    dropping, server = Dropping(), grpc.aio.server()
    add_AccountsServiceServicer_to_server(dropping, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = ServiceClient(AccountsServiceStub, f"127.0.0.1:{port}", service=NAME, idempotent=["GetProfile"])
    # More at once than a small allowance of retries would bear.
    answers = await asyncio.gather(*(client.unary("GetProfile", pb.GetProfileRequest()) for _ in range(20)))
    assert (answers, dropping.calls) == ([pb.GetProfileResponse()] * 20, 40)
    with pytest.raises(errors.Unavailable, match="not reachable"):
        await client.unary("UpdateProfile", pb.UpdateProfileRequest())
    assert dropping.calls == 41
    await client.close()
    await server.stop(None)


@pytest.mark.requirement("GW-23")
async def test_every_call_has_a_deadline(pair: Pair) -> None:
    pair.probe.delay_s = 30
    with pytest.raises(errors.DeadlineExceeded):
        await pair.call(timeout_s=0.1)
    await asyncio.wait_for(pair.probe.cancelled.wait(), 2)


async def test_cancelling_the_task_cancels_the_call(pair: Pair) -> None:
    pair.probe.delay_s = 30
    task = asyncio.create_task(pair.call())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(pair.probe.cancelled.wait(), 2)


async def test_nobody_there_is_unavailable_at_once() -> None:
    client = ServiceClient(AccountsServiceStub, f"127.0.0.1:{free_port()}", service=NAME, idempotent=["GetProfile"])
    with pytest.raises(errors.Unavailable, match="accounts service is not reachable") as caught:
        async with asyncio.timeout(3):
            await client.unary("GetProfile", pb.GetProfileRequest())
    assert caught.value.retry_after_s == 1
    await client.close()


async def test_a_service_that_comes_back_is_found_again() -> None:
    port = free_port()
    async with running(port) as first:
        client = first.client
        await first.call()
        await first.server.stop()
        with pytest.raises(errors.Unavailable):
            await client.unary("GetProfile", pb.GetProfileRequest())
        async with running(port) as second:
            async with asyncio.timeout(3):
                while True:
                    try:
                        await client.unary("GetProfile", pb.GetProfileRequest())
                        break
                    except errors.Unavailable:
                        await asyncio.sleep(0.05)
            assert second.probe.calls >= 1
        act_as(first.user_id)


async def test_metrics_count_calls(pair: Pair) -> None:
    labels = {"method": f"/{NAME}/GetProfile", "code": "OK"}
    before = REGISTRY.get_sample_value("scale_rpc_duration_seconds_count", labels) or 0
    await pair.call()
    assert REGISTRY.get_sample_value("scale_rpc_duration_seconds_count", labels) == before + 1
    assert REGISTRY.get_sample_value("scale_rpc_running", {"method": f"/{NAME}/GetProfile"}) == 0


# Health and reflection


async def health(pair: Pair, service: str = "") -> tuple[str, dict[str, Any]]:
    call = health_pb2_grpc.HealthStub(pair.channel).Check(health_pb2.HealthCheckRequest(service=service))
    status = health_pb2.HealthCheckResponse.ServingStatus.Name((await call).status)
    trailers = dict(await call.trailing_metadata() or ())
    return status, json.loads(trailers.get(FIGURES_KEY, b"{}"))


async def becomes(pair: Pair, status: str) -> None:
    async with asyncio.timeout(4):
        while (await health(pair, NAME))[0] != status:
            await asyncio.sleep(0.05)


async def test_health_needs_no_token_and_follows_the_check() -> None:
    up = {"database": True}

    async def check() -> bool:
        if up["database"] is None:
            raise OSError("cannot even ask")
        return bool(up["database"])

    async with running(check=check, figures=lambda: {"checked_out": 3}) as pair:
        await becomes(pair, "SERVING")
        assert await health(pair, NAME) == ("SERVING", {"checked_out": 3})
        for state in (False, None):
            up["database"] = state  # type: ignore[assignment]
            await becomes(pair, "NOT_SERVING")
            assert (await health(pair))[0] == "SERVING"  # the process itself is well: no reason to restart it
            up["database"] = True
            await becomes(pair, "SERVING")


async def test_health_without_a_check(pair: Pair) -> None:
    assert await health(pair, NAME) == ("SERVING", {})


async def test_a_check_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.server._CHECK_TIMEOUT_S", 0.1)
    hanging = False

    async def check() -> bool:
        await asyncio.sleep(60 if hanging else 0)
        return True

    async with running(check=check) as pair:
        await becomes(pair, "SERVING")
        hanging = True
        await becomes(pair, "NOT_SERVING")


async def test_reflection_lists_the_service(pair: Pair) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(pair.channel)

    async def requests() -> AsyncIterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async for answer in stub.ServerReflectionInfo(requests()):
        assert NAME in [service.name for service in answer.list_services_response.service]


@pytest.mark.requirement("REL-25")
async def test_draining_finishes_what_runs_and_says_so() -> None:
    async with running() as pair:
        pair.probe.delay_s = 0.5
        slow = asyncio.create_task(pair.call())
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(pair.server.stop())
        await asyncio.sleep(0.02)
        assert (await health(pair, NAME))[0] == "NOT_SERVING"
        await slow
        await stopping
        with pytest.raises(errors.Unavailable):
            await pair.call("UpdateProfile")


async def test_who_watches_over_health_is_told_of_the_end_and_let_go() -> None:
    """Not cancelled when the grace is over: no stop waits for those."""
    async with running() as pair:
        watches = [health_pb2_grpc.HealthStub(pair.channel).Watch(health_pb2.HealthCheckRequest(service=NAME)) for _ in range(2)]
        assert [(await watch.read()).status for watch in watches] == [health_pb2.HealthCheckResponse.SERVING] * 2
        await pair.server.stop()
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert await watch.read() is grpc.aio.EOF
            assert await watch.code() is grpc.StatusCode.OK


async def test_what_calls_wait_for_is_ended_before_they_are_waited_for() -> None:
    ended: list[str] = []

    async def before_stop() -> None:
        if not ended:
            ended.append((await health(made, NAME))[0])

    async with running(before_stop=before_stop) as made:
        await made.server.stop()
        assert ended == ["NOT_SERVING"]


async def test_more_calls_than_a_server_takes_are_refused_at_once() -> None:
    async with running(max_calls=2) as pair:
        act_as(pair.user_id)
        pair.probe.delay_s = 1.0
        waiting = [asyncio.create_task(pair.call()) for _ in range(2)]
        while pair.probe.calls < 2:
            await asyncio.sleep(0.01)
        with pytest.raises(errors.ScaleError, match="RESOURCE_EXHAUSTED"):
            await pair.call()
        await asyncio.gather(*waiting)
        pair.probe.delay_s = 0.0
        await pair.call()
        assert pair.probe.calls == 3


@pytest.mark.requirement("SEC-11")
async def test_messages_over_4_mib_are_refused(pair: Pair) -> None:
    async def requests() -> AsyncIterator[Any]:
        yield pb.AppendTransactionsRequest(record_batch=b"x" * (4 * 1024 * 1024 + 1))

    with pytest.raises(errors.ScaleError):
        async for _ in pair.client.stream_stream("AppendTransactions", requests(), timeout_s=5):
            pass


async def test_two_servers_never_share_a_port(pair: Pair) -> None:
    with pytest.raises(RuntimeError):
        async with running(pair.server.port):
            pass
