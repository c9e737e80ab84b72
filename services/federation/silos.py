"""Rounds with silos: organisations that train on a server of their own, and join as SuperNodes of Flower's (docs/federation-silos.md).

The SuperLink beside the coordinator keeps the messages; what Flower calls the server's app, the one that may send them, is this process.
The strategy runs as it does for devices, over `grid.py`: silos are another source of its replies. With `grid.py` this is the only file of
the services that touches what flwr keeps to itself; tests/federation/test_silos.py holds it to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self, TypeVar
from uuid import UUID

import httpx
import numpy as np
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Message, MessageType, Metadata, RecordDict
from flwr.app.message import make_message
from flwr.cli.build import build_fab_from_files
from flwr.common.constant import SUPERLINK_NODE_ID, SubStatus
from flwr.common.serde import run_from_proto
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest, PushTaskOutputRequest, SendTaskHeartbeatRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufClient, ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid import HttpGrid
from numpy.typing import NDArray

from scale.federation.v1 import participation_service_pb2 as pb
from services.federation.domain import LEAST_CONTRIBUTORS, FederatedVersion, RoundPlan
from services.federation.ending import largest_norm
from services.federation.grid import CoordinatorGrid, Reply
from services.federation.messages import plan_message
from services.federation.settings import SiloSettings
from services.federation.stages import too_few
from services.federation.strategies import train_once
from services.federation.superlink import SuperLink
from services.kit.errors import Unavailable

ASSIGNMENT, HEAD, UPDATE = "assignment", "head", "update"
"""Names in the messages, which clients/device/silo knows as well."""
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_POLL_S = 0.5
_HEARTBEAT_S = 10
_CALL_S = 30.0
_KEY_FILES = (".pub", ".pem")
_LOG = structlog.get_logger(__name__)

Client = TypeVar("Client", bound=ProtobufClient)
Floats = NDArray[np.float32]

_APP = {
    "pyproject.toml": """\
[project]
name = "scale-silo"
version = "1.0.0"

[tool.flwr.app]
publisher = "scale"

[tool.flwr.app.components]
serverapp = "scale_silo:server"
clientapp = "scale_silo:app"

[tool.flwr.app.config]
""",
    "scale_silo.py": "from clients.device.silo.client_app import app\n\nserver = None  # the coordinator itself\n",
}
"""What a run needs: Flower's own SuperNodes carry it out, ours do not look at it."""


class Trained(NamedTuple):
    """What came of a round."""

    update: Floats
    """[update_length], as the strategy made it of all."""
    asked_count: int
    contributor_count: int
    bytes_up: int


class Silos:
    """The SuperLink while the coordinator is active, and rounds over it, one at a time."""

    def __init__(self, settings: SiloSettings) -> None:
        self._settings = settings
        self._superlink = SuperLink(settings.silo_port, settings.silo_folder)

    @property
    def superlink(self) -> SuperLink:
        """The process."""
        return self._superlink

    async def open(self) -> None:
        """Starts it and lets those join whose keys are there. Raises Unavailable, and ValueError for a file that holds no key."""
        keys = await asyncio.to_thread(_public_keys, self._settings.silo_keys_folder)
        await self._superlink.start(lambda: asyncio.to_thread(self._let_in, keys))
        _LOG.info("superlink_started", address=self._superlink.address, silos=len(keys))

    async def close(self) -> None:
        """Ends it."""
        await self._superlink.stop()

    async def train(
        self, round_id: UUID, base: FederatedVersion, head: bytes, vector: Floats, plan: RoundPlan, *, timeout_s: float
    ) -> Trained:
        """See `SiloRounds`. A round that is given up meanwhile is over for the silos as well."""
        assignment = _assignment(round_id, base, len(head), plan).SerializeToString()
        over = threading.Event()
        try:
            return await asyncio.to_thread(self._train, assignment, head, vector, plan, timeout_s, over)
        finally:
            over.set()

    def _train(self, assignment: bytes, head: bytes, vector: Floats, plan: RoundPlan, timeout_s: float, over: threading.Event) -> Trained:
        with self.run() as run:
            there = run.node_ids()
            if len(there) < LEAST_CONTRIBUTORS:
                # Before anybody pays for it.
                raise too_few(len(there), LEAST_CONTRIBUTORS, "of the organisations")
            replies: list[Reply] = []
            # What one silo can send without lying: unlike devices' updates, theirs are seen.
            most = largest_norm(plan, 1, 1.0)

            def exchange(config: dict[str, object]) -> Sequence[Reply]:
                replies[:] = run.exchange(there, assignment, head, length=len(vector), most=most, timeout_s=timeout_s, over=over)
                return replies

            start = vector.astype(np.float64)
            model = train_once(plan, start, CoordinatorGrid(there, exchange), least=LEAST_CONTRIBUTORS, server_learning_rate=1.0)
            update = np.zeros_like(start) if model is None else model - start
            return Trained(update.astype(np.float32), len(there), len(replies), run.received_bytes)

    @contextlib.contextmanager
    def run(self) -> Iterator[SiloRun]:
        """One round. Blocks, as all of a run does. Raises Unavailable."""
        with _told("no round can be opened on"), contextlib.ExitStack() as stack:
            control = stack.enter_context(contextlib.closing(self._client(ControlHttpClient, [_version("flwr-cli")])))
            started = control.StartRun(StartRunRequest(fab=_fab()))
            token = self._acquire(started.run_id)
            grid = HttpGrid(self._superlink.address, root_certificates=self._superlink.certificate, token=token)
            # As it would connect itself, but that no proxy of the environment is asked for what is on this machine.
            tokened: list[ProtobufClientInterceptor] = [_version("flwr-serverapp"), RuntimeTokenHttpInterceptor(token=token)]
            client = self._client(RuntimeHttpClient, tokened)
            grid._client = client
            stack.callback(grid.close)
            given = client.PullTaskInput(PullTaskInputRequest())
            grid.set_run(run_from_proto(given.run))
            yield stack.enter_context(SiloRun(grid, client, given.run.run_id, given.task_id))

    def _acquire(self, run_id: int) -> str:
        signed = SuperExecAuthHttpInterceptor(master_secret=self._superlink.secret, protected_methods={_ACQUIRE})
        with contextlib.closing(self._client(RuntimeHttpClient, [_version("SuperExec"), signed])) as client:
            while True:
                acquired = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
                if not acquired.token:
                    raise Unavailable("Flower's SuperLink has no task for the round that it was given.", reason="SILOS_UNAVAILABLE")
                # One of a round whose coordinator went away before is older: nobody takes it up.
                if acquired.task.run_id == run_id:
                    return str(acquired.token)

    def _let_in(self, keys: Sequence[bytes]) -> None:
        with _told("nobody can join"), contextlib.closing(self._client(ControlHttpClient, [_version("flwr-cli")])) as control:
            for key in keys:
                control.RegisterNode(RegisterNodeRequest(public_key=key))

    def _client(self, kind: type[Client], interceptors: Sequence[ProtobufClientInterceptor]) -> Client:
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cadata=self._superlink.certificate.decode("ascii"))
        client = kind(f"https://{self._superlink.address}", interceptors=interceptors, verify=trusted)
        client._client.close()
        client._client = httpx.Client(verify=trusted, timeout=_CALL_S, trust_env=False)
        return client


class SiloRun:
    """A round of Flower's. Its calls block."""

    def __init__(self, grid: HttpGrid, client: RuntimeHttpClient, run_id: int, task_id: int) -> None:
        self._grid = grid
        self._client = client
        self._run_id = run_id
        self._task_id = task_id
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="silo-run", daemon=True)
        self.received_bytes = 0

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._heart.join()
        # Silos that are still at work learn that nobody waits for them.
        ended = PushTaskOutputRequest(sub_status=SubStatus.FAILED if kind else SubStatus.COMPLETED, details=kind.__name__ if kind else "")
        with contextlib.suppress(httpx.HTTPError):
            self._client.PushTaskOutput(ended)

    def node_ids(self) -> list[int]:
        """The silos that are there."""
        return sorted(self._grid.get_node_ids())

    def exchange(
        self,
        node_ids: Sequence[int],
        assignment: bytes,
        head: bytes,
        *,
        length: int,
        most: float,
        timeout_s: float,
        over: threading.Event | None = None,
    ) -> list[Reply]:
        """Has these train, and returns what came in time, or until `over` is set; a silo that refuses, or sends what is no update [length]
        of a norm up to `most`, is left out.

        `assignment` is a scale.federation.v1.Assignment, `head` what `models.federated.head` writes.
        """
        content = RecordDict({"config": ConfigRecord({ASSIGNMENT: assignment, HEAD: head})})
        wanted = set(self._grid.push_messages([self._message(node_id, content, timeout_s) for node_id in node_ids]))
        until, over = time.monotonic() + timeout_s, over or threading.Event()
        replies: list[Reply] = []
        while wanted and time.monotonic() < until and not over.is_set():
            for message in self._grid.pull_messages(wanted):
                wanted.discard(message.metadata.reply_to_message_id)
                if (update := self._update(message, length, most)) is not None:
                    replies.append(Reply(message.metadata.src_node_id, update, 1.0, 1))
            if wanted:
                over.wait(_POLL_S)
        return replies

    def _message(self, node_id: int, content: RecordDict, ttl: float) -> Message:
        # Not by the usual constructor, which asks a variable of the whole process for the run: `grid.py` has another one there.
        about = Metadata(
            run_id=self._run_id,
            message_id="",
            src_node_id=SUPERLINK_NODE_ID,
            dst_node_id=node_id,
            reply_to_message_id="",
            group_id="",
            created_at=time.time(),
            ttl=ttl,
            message_type=MessageType.TRAIN,
            src_task_id=self._task_id,
        )
        return make_message(about, content)

    def _update(self, message: Message, length: int, most: float) -> NDArray[np.float64] | None:
        silo = message.metadata.src_node_id
        if message.has_error():
            _LOG.warning("silo_refused", silo=silo, message=message.error.reason)
            return None
        try:
            array = message.content.array_records[UPDATE][UPDATE]
            if array.dtype != "float32" or list(array.shape) != [length]:
                raise ValueError(f"{array.dtype} {array.shape}")
            update = np.asarray(array.numpy(), np.float64)
        except (KeyError, TypeError, ValueError) as error:
            _LOG.warning("silo_sent_no_update", silo=silo, message=f"{type(error).__name__}: {error}"[:200])
            return None
        if not (norm := float(np.linalg.norm(update))) <= most:  # nor is NaN
            _LOG.warning("silo_sent_no_update", silo=silo, message=f"a norm of {norm:.3g}, where {most:.3g} is the most")
            return None
        self.received_bytes += len(array.data)
        return update

    def _beat(self) -> None:
        while not self._over.wait(_HEARTBEAT_S):
            # Flower's own sender ends the process when it is not heard.
            with contextlib.suppress(httpx.HTTPError):
                self._client.SendTaskHeartbeat(SendTaskHeartbeatRequest())


def _assignment(round_id: UUID, base: FederatedVersion, head_bytes: int, plan: RoundPlan) -> pb.Assignment:
    """As devices get it."""
    parts = (("encoder", base.encoder_hash, base.encoder_size_bytes), ("head", base.head_hash, head_bytes))
    return pb.Assignment(
        round_id=str(round_id),
        model_version=base.version,
        plan=plan_message(plan),
        model_parts=[pb.ModelPart(name=name, content_hash=digest, size_bytes=size) for name, digest, size in parts],
    )


def _version(component: str) -> RuntimeVersionHttpInterceptor:
    return RuntimeVersionHttpInterceptor(component_name=component)


@cache
def _fab() -> Fab:
    """The app as Flower bundles it: a zip with a list of its content."""
    content, _ = build_fab_from_files({name: text.encode() for name, text in _APP.items()})
    return Fab(hash_str=hashlib.sha256(content).hexdigest(), content=content)


def _public_keys(folder: Path | None) -> list[bytes]:
    """Each as PEM. Raises ValueError that names the file."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise ValueError(f"SCALE_FEDERATION_SILO_KEYS_FOLDER: {folder} is no folder")
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in _KEY_FILES:
            continue
        content = path.read_bytes()
        try:
            load = serialization.load_pem_public_key if content.lstrip().startswith(b"-----BEGIN") else serialization.load_ssh_public_key
            key = load(content)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"{path} holds no public key: {error}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError(f"{path} holds another key than one of an elliptic curve: make one with ssh-keygen -t ecdsa -b 384")
        found.append(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return found


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Says what of Flower's failed. Raises Unavailable."""
    try:
        yield
    except httpx.HTTPError as error:
        raise Unavailable(f"Flower's SuperLink fails: {what} it ({error}).", reason="SILOS_UNAVAILABLE", retry_after_s=5) from error
