"""The device's command line, what it says of a coordinator's errors, and an upload of the largest size."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from typer.testing import CliRunner

from clients.device.__main__ import app
from clients.device.download import SignedAddresses, Unreachable
from clients.device.keys import load_or_make_key, public_bytes
from clients.device.model_cache import ModelCache
from clients.device.problem import CoordinatorRefused, DeviceProblem, PolicyRefused
from clients.device.simulated.certificates import make_certificates
from clients.device.transport import MAX_MESSAGE_BYTES, Coordinator, Tls, open_channel
from scale.federation.v1 import participation_service_pb2 as pb
from tests.clients.test_device_round import token_of
from tests.support.device_coordinator import FakeCoordinator, plan, serving

LEDGER = "date,amount,description,category\n2026-03-01,-12.30,Corner shop,groceries_supermarket\n"


@pytest.fixture
def served() -> Iterator[tuple[FakeCoordinator, str]]:
    """A coordinator in a thread of its own, for commands that have a loop of theirs."""
    ready, done = threading.Event(), threading.Event()
    found: list[tuple[FakeCoordinator, str]] = []

    def run() -> None:
        async def main() -> None:
            coordinator = FakeCoordinator(1)
            async with serving(coordinator) as address:
                found.append((coordinator, address))
                ready.set()
                while not done.is_set():
                    await asyncio.sleep(0.02)

        asyncio.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    yield found[0]
    done.set()
    thread.join()


def test_a_device_on_the_command_line(served: tuple[FakeCoordinator, str], tmp_path: Path) -> None:
    coordinator, address = served
    folder, ledger = tmp_path / "device", tmp_path / "ledger.csv"
    ledger.write_text(LEDGER)
    options = ["--folder", str(folder), "--address", address, "--no-tls"]
    runner = CliRunner()

    enrolled = runner.invoke(app, ["enroll", *options, "--token", token_of(uuid4())])
    assert enrolled.exit_code == 0, enrolled.output
    assert next(iter(coordinator.keys)) in enrolled.output
    state = runner.invoke(app, ["status", "--folder", str(folder)])
    assert "Spent: an epsilon of 0.00 of 8.00." in state.output

    # A round with one device alone ends before anything of it is uploaded.
    done = runner.invoke(app, ["run", *options, "--ledger", str(ledger), "--once"])
    assert done.exit_code == 1
    assert "made no model: TOO_FEW_CONTRIBUTORS" in done.output
    assert "UploadUpdate" not in [name for name, _ in coordinator.received]
    assert "0.00 of 8.00" in runner.invoke(app, ["status", "--folder", str(folder)]).output


def test_what_the_command_line_refuses(tmp_path: Path) -> None:
    runner, ledger = CliRunner(), tmp_path / "ledger.csv"
    ledger.write_text(LEDGER)
    folder = ["--folder", str(tmp_path / "device")]

    def said(*arguments: str) -> str:
        done = runner.invoke(app, list(arguments))
        assert done.exit_code != 0
        return " ".join(done.output.split())

    assert "is no folder of a device" in said("status", *folder)
    assert "is another machine" in said("run", *folder, "--address", "10.0.0.1:1", "--no-tls", "--ledger", str(ledger))
    assert "not enrolled yet" in said("run", *folder, "--address", "127.0.0.1:1", "--no-tls", "--ledger", str(ledger))
    assert "exclude each other" in said("enroll", *folder, "--address", "a:1", "--token", "t", "--no-tls", "--tls-ca", str(ledger))


@pytest.mark.parametrize("budget", ["nan", "inf"])
def test_a_budget_is_a_number(tmp_path: Path, budget: str) -> None:
    (ledger := tmp_path / "ledger.csv").write_text(LEDGER)
    options = ["--folder", str(tmp_path), "--address", "127.0.0.1:1", "--no-tls", "--ledger", str(ledger), "--once"]

    done = CliRunner().invoke(app, ["run", *options, "--budget", budget])

    assert done.exit_code == 2
    assert "not a finite number" in done.output


@pytest.mark.requirement("FED-05")
async def test_five_megabytes_arrive_whole_in_pieces(tmp_path: Path) -> None:
    coordinator = FakeCoordinator(1, plan(secure_aggregation=None, privacy=None))
    key = load_or_make_key(tmp_path / "key.pem")
    payload = bytes(range(256)) * (5 * 1024 * 1024 // 256)
    async with serving(coordinator) as address:
        coordinator.keys["d"] = public_bytes(key)
        channel = open_channel(address, None)
        asking = Coordinator(channel, key, "u.d")
        header = pb.UpdateHeader(
            round_id=str(coordinator.round_id),
            model_version=coordinator.version,
            content_hash=hashlib.sha256(payload).hexdigest(),
            size_bytes=len(payload),
            encoding=pb.UPDATE_ENCODING_FLOAT32,
        )
        answer = await asking.upload(header, payload)
        await channel.close()

    assert answer.received_bytes == len(payload)
    assert coordinator.payloads["d"] == payload
    sent = [raw for name, raw in coordinator.received if name == "UploadUpdate"]
    assert len(sent) == 6
    assert max(map(len, sent)) < 1024 * 1024 + 16 < 4 * 1024 * 1024 < MAX_MESSAGE_BYTES


async def test_what_a_coordinator_refuses_is_told_with_its_reason(tmp_path: Path) -> None:
    coordinator = FakeCoordinator(1)
    key = load_or_make_key(tmp_path / "key.pem")
    coordinator.keys["d"] = public_bytes(load_or_make_key(tmp_path / "other.pem"))
    async with serving(coordinator) as address:
        channel = open_channel(address, None)
        asking = Coordinator(channel, key, "u.d")
        with pytest.raises(CoordinatorRefused, match="refused") as forged:
            await asking.check_in("")
        coordinator.keys["d"] = public_bytes(key)
        failures = [(grpc.StatusCode.RESOURCE_EXHAUSTED, ""), (grpc.StatusCode.UNAVAILABLE, "STANDBY")]
        coordinator.refuse = lambda method, device: failures.pop() if failures else None
        answer = await asking.check_in("")
        coordinator.refuse = lambda method, device: (grpc.StatusCode.RESOURCE_EXHAUSTED, "CALLS_OPEN")
        with pytest.raises(CoordinatorRefused, match="refused"):
            await asking.check_in("")
        await channel.close()

    assert (forged.value.code, forged.value.reason) == ("UNAUTHENTICATED", "DEVICE_SIGNATURE_INVALID")
    assert answer.HasField("assignment"), "another coordinator takes over while the device asks again"
    nonces = len(coordinator.received)
    assert nonces == 5


async def test_nobody_is_believed_without_the_authority(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    (tmp_path / "other").mkdir()
    stranger = make_certificates(tmp_path / "other")
    credentials = grpc.ssl_server_credentials([(certificates.server_key.read_bytes(), certificates.server.read_bytes())])
    coordinator, key = FakeCoordinator(1), load_or_make_key(tmp_path / "key.pem")
    coordinator.keys["d"] = public_bytes(key)
    async with serving(coordinator, credentials) as address:
        for tls, trusted in ((Tls(certificates.authority), True), (Tls(stranger.authority), False), (None, False)):
            channel = open_channel(address, tls)
            asking = Coordinator(channel, key, "u.d", attempts=1)
            if trusted:
                assert (await asking.check_in("")).HasField("assignment")
            else:
                with pytest.raises(CoordinatorRefused) as refused:
                    await asking.check_in("")
                assert refused.value.code == "UNAVAILABLE"
            await channel.close()
    with pytest.raises(DeviceProblem, match="TLS only"):
        open_channel("192.0.2.1:443", None)


@pytest.fixture
def files() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A gateway that has files at paths, and notes what it is asked."""
    found: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = found.get(self.path)
            self.send_response(200 if content is not None else 403)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", found, asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("behind", ["the part", "something else", "nothing", "too much"])
async def test_a_part_comes_by_its_address_or_else_from_the_coordinator(
    files: tuple[str, dict[str, bytes], list[str]], tmp_path: Path, behind: str
) -> None:
    gateway, found, asked = files
    content = b"head" * 5000
    part = pb.ModelPart(
        name="head", content_hash=hashlib.sha256(content).hexdigest(), size_bytes=len(content), download_url="/m/7/head?s=1"
    )
    found |= {"the part": {part.download_url: content}, "something else": {part.download_url: b"x"}, "nothing": {}}.get(
        behind, {part.download_url: content * 9}
    )
    calls: list[str] = []

    class Source:
        async def download(self, model_version: int, name: str) -> AsyncIterator[bytes]:
            calls.append(name)
            yield content

    cache = ModelCache(tmp_path, SignedAddresses(gateway))
    assert await cache.fetch(Source(), 7, part) == content
    assert await cache.fetch(Source(), 7, part) == content, "it is kept"
    assert asked == [part.download_url]
    assert calls == ([] if behind == "the part" else ["head"])


async def test_addresses_elsewhere_are_not_followed(files: tuple[str, dict[str, bytes], list[str]]) -> None:
    gateway, _, asked = files
    with pytest.raises(Unreachable):
        async for _ in SignedAddresses(gateway).download("http://127.0.0.1:1/head", 10):
            pass
    assert asked == []
    with pytest.raises(DeviceProblem, match="no address such as"):
        SignedAddresses("http://example.com")


async def test_a_damaged_or_older_part_is_fetched_anew(tmp_path: Path) -> None:
    def part(content: bytes) -> pb.ModelPart:
        return pb.ModelPart(name="head", content_hash=hashlib.sha256(content).hexdigest(), size_bytes=len(content))

    class Source:
        content = b"one"

        async def download(self, model_version: int, name: str) -> AsyncIterator[bytes]:
            yield self.content

    cache, source = ModelCache(tmp_path), Source()
    await cache.fetch(source, 1, part(b"one"))
    next(tmp_path.glob("head-*")).write_bytes(b"bad")
    assert await cache.fetch(source, 1, part(b"one")) == b"one"
    source.content = b"two"
    assert await cache.fetch(source, 2, part(b"two")) == b"two"
    assert len(list(tmp_path.glob("head-*"))) == 1
    source.content = b"more than two"
    with pytest.raises(PolicyRefused, match="larger than"):
        await cache.fetch(source, 3, part(b"tw"))
