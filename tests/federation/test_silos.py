"""A round over Flower's SuperLink, as a process of its own, with silos that join it as SuperNodes; and what keeps others out.

It fails where flwr changes what services/federation/silos.py and clients/device/silo/node.py use of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import psutil
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from typer.testing import CliRunner

from clients.device.problem import PolicyRefused
from clients.device.silo.__main__ import app
from scale.federation.v1 import participation_service_pb2 as pb
from services.federation.domain import Algorithm, FederatedVersion, RoundOptions, RoundPlan
from services.federation.plans import Plans
from services.federation.settings import RoundSettings, SiloSettings
from services.federation.silos import Silos, Trained
from services.federation.stages import GivenUp
from services.kit.errors import Unavailable
from tests.support.ports import free_port
from tests.support.silo_nodes import PATIENCE_S, Keys, SiloNodes, joined, silo_keys, until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LENGTH = 300
SILOS = 14
REFUSES, SENDS_LESS, LIES, SENDS_NOTHING = 10, 11, 12, 13
"""Which of them."""
HEAD = b"the head"
START = np.linspace(-1, 1, LENGTH, dtype=np.float32)
BASE = FederatedVersion(
    version=3,
    parent_version=2,
    round_id=uuid4(),
    contributor_count=10,
    encoder_hash="e" * 64,
    encoder_size_bytes=4_000_000,
    head_hash="a" * 64,
    head_size_bytes=len(HEAD),
    categorizer_version="hypcd-1.0.0",
    accuracy=0.5,
    epsilon=1.0,
    unamplified_epsilon=1.0,
    privacy={},
    metrics={},
    registry_version="",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def plan(algorithm: Algorithm = Algorithm.FEDAVG) -> RoundPlan:
    """Of a round with silos, as `plans.py` makes it."""
    options = RoundOptions(algorithm=algorithm, silos=True, noise_multiplier=4.0, clip_norm=0.2)
    found, _ = Plans(RoundSettings(), development=False).make(options, update_length=LENGTH)
    return found


def reply(message: Message, update: np.ndarray) -> Message:
    return Message(RecordDict({"update": ArrayRecord({"update": Array(update)})}), reply_to=message)


def answer(number: int, message: Message) -> Message:
    """What silo `number` says to a round."""
    config = message.content.config_records["config"]
    content = config["assignment"]
    assert isinstance(content, bytes)
    asked = pb.Assignment.FromString(content)
    assert config["head"] == HEAD
    assert (asked.model_version, asked.plan.update_length) == (BASE.version, LENGTH)
    assert {part.name: (part.content_hash, part.size_bytes) for part in asked.model_parts} == {
        "encoder": (BASE.encoder_hash, BASE.encoder_size_bytes),
        "head": (BASE.head_hash, len(HEAD)),
    }
    assert asked.plan.privacy.noise_contributor_count == 1
    if number == REFUSES:
        raise PolicyRefused("NO_PRIVACY", "the round is without differential privacy")
    update = np.full(LENGTH - (number == SENDS_LESS), number / 10, np.float32)
    if number == LIES:
        update *= 10
    if number == SENDS_NOTHING:
        update[0] = np.nan
    return reply(message, update)


class Slow:
    """Answers, but some when they are let."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers
        self.released = threading.Event()
        self.waiting = 0

    def __call__(self, number: int, message: Message) -> Message:
        if number in self._numbers:
            self.waiting += 1
            assert self.released.wait(PATIENCE_S)
        return answer(number, message)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("silo-keys")
    (found / "README").write_text("no key")
    return found


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    return silo_keys(SILOS, folder)


@pytest.fixture(scope="module")
def cli_silo(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that an organisation has made."""
    found = tmp_path_factory.mktemp("silo")
    made = CliRunner().invoke(app, ["create", "--folder", str(found)])
    (folder / "cli.pub").write_text(made.stdout)
    return found


def some(keys: Keys, numbers: Iterable[int]) -> Keys:
    return {number: keys[number] for number in numbers}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silos(keys: Keys, cli_silo: Path, folder: Path):
    opened = Silos(SiloSettings(silos=True, silo_port=free_port(), silo_keys_folder=folder))
    await opened.open()
    yield opened
    await opened.close()


async def train(silos: Silos, algorithm: Algorithm = Algorithm.FEDAVG) -> Trained:
    return await silos.train(uuid4(), BASE, HEAD, START, plan(algorithm), timeout_s=PATIENCE_S)


@pytest.mark.requirement("FED-17")
async def test_silos_complete_round_after_round(silos: Silos, keys: Keys) -> None:
    with SiloNodes(silos, keys, answer) as nodes:
        await joined(silos, SILOS)
        for algorithm in (Algorithm.FEDAVG, Algorithm.FEDMEDIAN):
            trained = await train(silos, algorithm)

            assert (trained.asked_count, trained.contributor_count) == (SILOS, 10), "who refuses, lies or sends something else is left out"
            np.testing.assert_allclose(trained.update, np.mean(range(10)) / 10, rtol=1e-5)
            assert trained.update.dtype == np.float32
            assert 4 * LENGTH * 10 <= trained.bytes_up < 6 * LENGTH * 10

    assert (REFUSES, "refused: the round is without differential privacy") in nodes.said


async def test_fewer_than_ten_make_no_model(silos: Silos, keys: Keys) -> None:
    with SiloNodes(silos, some(keys, range(1, REFUSES + 1)), answer) as nodes:
        await joined(silos, 10)

        trained = await train(silos)
    assert (trained.asked_count, trained.contributor_count) == (10, 9)
    assert not trained.update.any()

    with SiloNodes(silos, some(keys, range(9)), answer) as nodes:
        await joined(silos, 9)

        with pytest.raises(GivenUp, match="9 devices were left of the organisations") as given_up:
            await train(silos)
    assert given_up.value.reason == "TOO_FEW_CONTRIBUTORS"
    assert {line for _, line in nodes.said} == {"joined"}, "nobody is asked to pay for nothing"


async def test_who_does_not_answer_in_time_is_not_waited_for(silos: Silos, keys: Keys) -> None:
    slow = Slow(REFUSES)

    with SiloNodes(silos, some(keys, range(11)), slow):
        await joined(silos, 11)
        trained = await silos.train(uuid4(), BASE, HEAD, START, plan(), timeout_s=8)
        slow.released.set()

    assert (trained.asked_count, trained.contributor_count) == (11, 10)


async def test_a_round_that_is_given_up_does_not_keep_the_next_one(silos: Silos, keys: Keys) -> None:
    slow = Slow(*range(10))

    with SiloNodes(silos, some(keys, range(10)), slow) as nodes:
        await joined(silos, 10)
        training = asyncio.create_task(train(silos))
        await asyncio.to_thread(until, lambda: slow.waiting == 10)
        training.cancel()
        with pytest.raises(asyncio.CancelledError):
            await training
        slow.released.set()
        # An answer may still slip in before the run has ended everywhere: that of the others was too late.
        await asyncio.to_thread(until, lambda: sum("sends an update" in line for _, line in nodes.said) == 10)
        await asyncio.to_thread(until, lambda: any("over before" in line for _, line in nodes.said))

        assert (await train(silos)).contributor_count == 10


async def test_it_listens_on_loopback_alone(silos: Silos) -> None:
    assert silos.superlink.pid is not None
    process = psutil.Process(silos.superlink.pid)
    listening = [
        found.laddr
        for one in (process, *process.children(recursive=True))
        for found in one.net_connections(kind="inet")
        if found.status == psutil.CONN_LISTEN
    ]

    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {silos.superlink.port}


async def test_its_environment_holds_nothing_of_the_coordinators(silos: Silos) -> None:
    environment = psutil.Process(silos.superlink.pid).environ()

    assert not [name for name in environment if name.startswith("SCALE_")]
    assert environment["FLWR_TELEMETRY_ENABLED"] == "0"


async def test_its_secret_is_private(silos: Silos) -> None:
    folder = Path(psutil.Process(silos.superlink.pid).cwd())

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {name: (folder / name).stat().st_mode & 0o777 for name in ("secret", "key.pem")} == {"secret": 0o600, "key.pem": 0o600}
    assert len(silos.superlink.secret) == 64


@pytest.mark.parametrize("secret", [None, b"another"], ids=["none", "another"])
async def test_a_round_is_taken_by_nobody_without_the_secret(silos: Silos, secret: bytes | None) -> None:
    """Whoever got its task could send the silos what they train."""
    interceptors: list = [RuntimeVersionHttpInterceptor(component_name="SuperExec")]
    if secret is not None:
        interceptors.append(SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods={"/flwr.proto.Runtime/AcquireTask"}))
    trusted = ssl.create_default_context(cadata=silos.superlink.certificate.decode())

    def ask() -> None:
        client = RuntimeHttpClient(f"https://{silos.superlink.address}", interceptors=interceptors, verify=trusted)
        with contextlib.closing(client):
            client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))

    with pytest.raises(httpx.HTTPStatusError) as refused:
        await asyncio.to_thread(ask)

    assert refused.value.response.status_code == 401


async def test_who_is_not_known_stays_outside_and_who_is_not_believed_gets_nothing(silos: Silos, tmp_path: Path) -> None:
    """As an organisation does it. In processes of their own, which flwr ends."""
    ledger, authority, folder = tmp_path / "ledger.csv", tmp_path / "ca.pem", tmp_path / "silo"
    ledger.write_text("description,category\n")
    authority.write_bytes(silos.superlink.certificate)
    assert CliRunner().invoke(app, ["create", "--folder", str(folder)]).exit_code == 0
    join = [
        sys.executable,
        "-m",
        "clients.device.silo",
        "run",
        "--folder",
        str(folder),
        "--ledger",
        str(ledger),
        "--address",
        silos.superlink.address,
    ]

    def said(*options: str) -> str:
        done = subprocess.run([*join, *options], check=False, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 1
        assert "joined" not in done.stdout
        return done.stdout + done.stderr

    unknown, unbelieved = await asyncio.gather(asyncio.to_thread(said, "--tls-ca", str(authority)), asyncio.to_thread(said))

    assert "failed to activate supernode" in unknown.lower(), unknown
    assert "certificate verify failed" in unbelieved.lower(), unbelieved


async def test_a_silo_joins_and_leaves_when_it_is_told_to(silos: Silos, cli_silo: Path, tmp_path: Path) -> None:
    """Nobody waits for one that is gone."""
    ledger, authority = tmp_path / "ledger.csv", tmp_path / "ca.pem"
    ledger.write_text("description,category\n")
    authority.write_bytes(silos.superlink.certificate)
    options = {"--folder": cli_silo, "--ledger": ledger, "--address": silos.superlink.address, "--tls-ca": authority}
    command = [sys.executable, "-u", "-m", "clients.device.silo", "run", *(str(word) for pair in options.items() for word in pair)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "joined\n"
        await joined(silos, 1)
        process.terminate()
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0

    await joined(silos, 0)


async def test_one_that_dies_is_started_again_and_knows_the_silos(silos: Silos, keys: Keys) -> None:
    before = silos.superlink.pid
    assert before is not None

    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while not silos.superlink.answers or silos.superlink.pid == before:
            await asyncio.sleep(0.05)

    with SiloNodes(silos, some(keys, range(10)), answer):
        await joined(silos, 10)
        assert (await train(silos)).contributor_count == 10


_COORDINATOR = """
import asyncio, sys
from services.federation.superlink import SuperLink

async def main():
    superlink = SuperLink(int(sys.argv[1]))
    await superlink.start(lambda: asyncio.sleep(0))
    print(superlink.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def coordinator() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _COORDINATOR, str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


async def test_it_ends_with_a_coordinator_that_is_killed(coordinator: subprocess.Popen[str]) -> None:
    assert coordinator.stdout is not None
    lines = iter(coordinator.stdout.readline, "")
    pid = await asyncio.to_thread(lambda: next(int(line) for line in lines if line.strip().isdecimal()))
    assert psutil.pid_exists(pid)

    coordinator.kill()

    await asyncio.to_thread(until, lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


async def test_a_port_that_is_taken_is_said(keys: Keys, silos: Silos) -> None:
    second = Silos(SiloSettings(silos=True, silo_port=silos.superlink.port))

    with pytest.raises(Unavailable, match="SuperLink"):
        await second.open()


async def test_it_is_off_unless_it_is_switched_on() -> None:
    assert not SiloSettings().silos


@pytest.mark.parametrize(
    ("content", "problem"), [(b"ssh-ed25519 AAAA nobody", "holds no public key"), (b"-----BEGIN NOTHING-----", "holds no public key")]
)
async def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "silo.pub").write_bytes(content)

    with pytest.raises(ValueError, match=f"{tmp_path / 'silo.pub'} {problem}"):
        await Silos(SiloSettings(silos=True, silo_port=free_port(), silo_keys_folder=tmp_path)).open()


async def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "silo.pub").write_bytes(key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH))

    with pytest.raises(ValueError, match="ssh-keygen -t ecdsa -b 384"):
        await Silos(SiloSettings(silos=True, silo_port=free_port(), silo_keys_folder=tmp_path)).open()
