"""The process itself, over real sockets: stopping, hanging up, and clients that send too much or too slowly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from scale.ingestion.v1 import ingestion_service_pb2 as ingestion_pb
from services.gateway import server
from services.gateway.server import BoundedProtocol
from tests.support.gateway_app import assert_problem, bearer
from tests.support.ports import free_port
from tests.support.upstream_fakes import SECRET, FakeAccounts, FakeIngestion, fake_server, running_import

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Process:
    """A gateway of its own, with fakes in this process behind it."""

    url: str
    port: int
    process: asyncio.subprocess.Process
    accounts: FakeAccounts
    ingestion: FakeIngestion
    accounts_port: int
    stack: AsyncExitStack

    async def lines(self) -> list[dict[str, object]]:
        """Its log, once it has ended."""
        assert self.process.stdout is not None
        return [json.loads(line) for line in (await self.process.stdout.read()).splitlines()]


@pytest.fixture
async def running(redis_url: str) -> AsyncIterator[Process]:
    async with AsyncExitStack() as stack:
        accounts, ingestion = FakeAccounts(), FakeIngestion()
        ports = [free_port() for _ in range(3)]
        for fake, port in ((accounts, ports[1]), (ingestion, ports[2])):
            server = fake_server(fake, port)
            await server.start()
            stack.push_async_callback(server.stop)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")]),
            "SCALE_ENVIRONMENT": "development",
            "SCALE_AUTH_SECRET": SECRET,
            "SCALE_GATEWAY_PORT": str(ports[0]),
            "SCALE_ACCOUNTS_ADDRESS": f"127.0.0.1:{ports[1]}",
            "SCALE_INGESTION_ADDRESS": f"127.0.0.1:{ports[2]}",
            "SCALE_REDIS_URL": redis_url,
            "SCALE_GATEWAY_RATE_LIMIT": "100000",
            "SCALE_INGESTION_MAX_FILE_BYTES": "1000000",
            "SCALE_DRAIN_S": "0.3",
            "SCALE_GRACE_S": "10",
        } | {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        url = f"http://127.0.0.1:{ports[0]}"
        async with httpx.AsyncClient() as client:
            for _ in range(300):
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{url}/health")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        yield Process(url, ports[0], process, accounts, ingestion, ports[1], stack)
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.requirement("REL-25")
async def test_sigterm_under_load_loses_no_request(running: Process) -> None:
    """Clients that come back on a new connection when asked to, until the door is closed: not one answer is missing or broken."""
    running.accounts.delay_s = 0.05
    statuses: list[int] = []
    broken: list[BaseException] = []
    closed = 0

    async def client() -> None:
        nonlocal closed
        async with httpx.AsyncClient(headers=bearer(), timeout=10) as http:
            while True:
                try:
                    statuses.append((await http.get(f"{running.url}/api/v1/transactions")).status_code)
                except httpx.ConnectError:
                    closed += 1
                    return  # another replica would take it
                except httpx.HTTPError as error:
                    broken.append(error)
                    return

    clients = [asyncio.create_task(client()) for _ in range(16)]
    await asyncio.sleep(0.7)
    running.process.send_signal(signal.SIGTERM)
    await asyncio.gather(*clients)
    assert await running.process.wait() == 0
    assert broken == []
    assert closed == 16
    assert set(statuses) == {200}
    assert len(statuses) >= 16
    assert [line["event"] for line in await running.lines() if line["event"] in {"draining", "stopped"}] == ["draining", "stopped"]


async def test_sigterm_lets_a_slow_request_finish(running: Process) -> None:
    running.accounts.delay_s = 2
    async with httpx.AsyncClient(headers=bearer(), timeout=10) as http:
        slow = asyncio.create_task(http.get(f"{running.url}/api/v1/transactions"))
        await asyncio.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        response = await slow
    assert response.status_code == 200
    assert response.headers["connection"] == "close"
    assert await running.process.wait() == 0


async def test_sigterm_ends_streams_and_does_not_wait_for_them(running: Process) -> None:
    running.ingestion.found = running_import(rows=1)
    running.ingestion.steps = [ingestion_pb.WatchImportResponse(event_id="1-0", statement_import=running_import(rows=1)), 60.0]
    path = f"{running.url}/api/v1/imports/{uuid4()}/stream"
    seen = ""
    async with httpx.AsyncClient(headers=bearer(), timeout=10) as http, http.stream("GET", path) as response:
        async for text in response.aiter_text():
            seen += text
            if "id: 1-0" in seen:
                running.process.send_signal(signal.SIGTERM)
    assert "finished" not in seen  # and yet no broken connection: httpx would have raised
    # Its grace is ten seconds.
    assert await asyncio.wait_for(running.process.wait(), 4) == 0


@pytest.mark.requirement("GW-23")
async def test_hanging_up_cancels_the_call(running: Process) -> None:
    running.accounts.delay_s = 60
    with pytest.raises(httpx.ReadTimeout):
        async with httpx.AsyncClient(headers=bearer(), timeout=0.5) as http:
            await http.get(f"{running.url}/api/v1/transactions")
    await asyncio.wait_for(running.accounts.cancelled.wait(), 3)
    running.process.terminate()
    await running.process.wait()
    assert 499 in [line.get("status") for line in await running.lines()]


async def test_hanging_up_in_an_import_cancels_it(running: Process) -> None:
    running.ingestion.delay_s = 60
    with pytest.raises(httpx.ReadTimeout):
        async with httpx.AsyncClient(headers=bearer(), timeout=0.7) as http:
            await http.post(f"{running.url}/api/v1/imports", files={"file": ("a.csv", b"x" * 100_000)})
    await asyncio.wait_for(running.ingestion.cancelled.wait(), 3)


async def test_hanging_up_in_an_upload_leaves_no_call(running: Process) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    head = f"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer()['Authorization']}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 500000\r\n\r\n"
    writer.write(head.encode() + b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + b"x" * 1000)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    await asyncio.sleep(0.3)
    assert running.ingestion.metadata is None
    running.process.terminate()
    await running.process.wait()
    lines = await running.lines()
    assert [line["status"] for line in lines if line.get("route") == "/api/v1/imports"] == [499]
    assert not [line for line in lines if line["level"] == "error"]


async def test_too_large_upload_gets_its_answer_before_the_body_is_sent(running: Process) -> None:
    """With a declared length the answer comes at once, even when not a byte of the body does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    head = f"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer()['Authorization']}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 500000000\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_too_large_upload_without_a_length(running: Process) -> None:
    """A client that reads only after it has sent everything still gets its 413."""

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        for _ in range(80):
            yield b"x" * 65_536

    headers = {**bearer(), "Content-Type": "multipart/form-data; boundary=b"}
    async with httpx.AsyncClient(timeout=10) as http:
        response = await http.post(f"{running.url}/api/v1/imports", content=body(), headers=headers)
    assert response.status_code == 413
    assert response.json()["reason"] == "FILE_TOO_LARGE"


async def test_large_heads_are_refused(running: Process) -> None:
    for head in (b"GET /" + b"x" * 100_000, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        with suppress(ConnectionError):
            writer.write(head + b"\r\n\r\n")
            await writer.drain()
        with suppress(ConnectionError):
            assert (await asyncio.wait_for(reader.read(), 3))[:12] in {b"HTTP/1.1 400", b""}
        writer.close()
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{running.url}/health", headers={"X-Padding": "x" * 30_000})).status_code == 200


@pytest.mark.parametrize("head", ["BREW /api/v1/transactions HTTP/1.1\r\nHost: x", "GET / HTTP/9.9\r\nHost: x", "what?"])
async def test_what_is_no_request_is_a_problem_too(running: Process, head: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(head.encode() + b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 3)
    writer.close()
    start, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = start.decode().split("\r\n")
    headers = httpx.Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
    assert status == "HTTP/1.1 400 Bad Request"
    assert_problem(httpx.Response(400, headers=headers, content=body), 400, "BAD_REQUEST")
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"


async def test_dead_service_answers_503_at_once_and_comes_back_within_a_second(running: Process) -> None:
    dead, port = free_port(), running.accounts_port
    assert dead != port
    async with httpx.AsyncClient(headers=bearer(), timeout=5) as http:
        assert (await http.get(f"{running.url}/api/v1/transactions")).status_code == 200
        await running.stack.aclose()
        for _ in range(5):
            started = time.perf_counter()
            response = await http.get(f"{running.url}/api/v1/transactions")
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            assert time.perf_counter() - started < 2
        back = fake_server(FakeAccounts(), port)
        await back.start()
        started = time.perf_counter()
        while (await http.get(f"{running.url}/api/v1/transactions")).status_code != 200:
            await asyncio.sleep(0.02)
        assert time.perf_counter() - started < 2
        await back.stop()


async def test_requests_do_not_share_their_context(running: Process) -> None:
    """Many users at once on few connections, through the real server: each call carries its own."""
    running.accounts.delay_s = 0.01
    users = [uuid4() for _ in range(200)]
    async with httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=8)) as http:
        ids = [str(uuid4()) for _ in users]
        calls = [
            http.get(f"{running.url}/api/v1/transactions", headers={**bearer(user), "X-Request-ID": request_id})
            for user, request_id in zip(users, ids, strict=True)
        ]
        answers = await asyncio.gather(*calls)
    assert [answer.headers["x-request-id"] for answer in answers] == ids
    assert set(zip(running.accounts.callers, running.accounts.request_ids, strict=True)) == set(zip(users, ids, strict=True))


async def test_a_head_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEAD_TIMEOUT_S", 0.2)
    import uvicorn

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    port = free_port()
    config = uvicorn.Config(app, port=port, http=BoundedProtocol, ws="none", lifespan="off", log_config=None)
    subject = uvicorn.Server(config)
    subject.capture_signals = suppress  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(subject.serve())
    while not subject.started:
        await asyncio.sleep(0.01)
    for sent in (b"", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 3)
        assert answer.startswith(b"HTTP/1.1 204") == sent.endswith(b"GET /")
        writer.close()
    subject.should_exit = True
    await task


async def test_wrong_settings_stop_it_with_a_clear_line() -> None:
    wrong = {"SCALE_GATEWAY_RATE_LIMIT": "none", "ALLOWED_ORIGINS": "example.com"}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **wrong}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, text = await process.communicate()
    assert process.returncode == 2
    assert b"SCALE_GATEWAY_RATE_LIMIT: " in text
    assert b"ALLOWED_ORIGINS: 'example.com' is not an origin" in text
