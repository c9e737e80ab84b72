"""Flower's SuperLink as a child of the coordinator: on loopback alone, with a certificate and a secret made for it, and gone when the
coordinator is gone.

Its one port serves everything that it can do: whoever reaches it may, in the open-source edition, start runs and with them send code to
Flower's own SuperNodes. So it is never exposed; a proxy lets organisations reach `/v1/fleet/` and nothing else (docs/federation-silos.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.kit.errors import Unavailable

LOOPBACK = "127.0.0.1"
_START_S = 60
_STOP_S = 5
_AGAIN_S = 2.0
_POLL_S = 0.1
_LIFETIME = timedelta(days=825)
_LOG = structlog.get_logger(__name__)
# Turns itself into the program after it has asked the kernel to end it with its parent (PR_SET_PDEATHSIG), which an exec keeps.
_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the coordinator died during the start")
os.execv(sys.argv[2], sys.argv[2:])
"""


class SuperLink:
    """The process, started again when it dies."""

    def __init__(self, port: int, folder: Path | None = None) -> None:
        """`folder`: for certificate, secret and log; made with mode 0700. None: a temporary one, which goes with the process."""
        self.port = port
        self._given = folder
        self._folder = folder or Path()
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ready: Callable[[], Awaitable[None]] | None = None
        self._answers = False

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def certificate(self) -> bytes:
        """Its certificate, PEM: that it is trusted by."""
        return (self._folder / "certificate.pem").read_bytes()

    @property
    def secret(self) -> bytes:
        """What the one that carries out runs shows."""
        return (self._folder / "secret").read_bytes()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def answers(self) -> bool:
        """Whether it is there, and has been told all that it is to know."""
        return self._answers and self.pid is not None

    async def start(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Returns when it answers and `ready` is through, which is called after each start. Raises Unavailable, and what `ready` raises."""
        self._ready = ready
        self._folder = self._given or Path(tempfile.mkdtemp(prefix="scale-silos-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        await asyncio.to_thread(self._write_credentials)
        await self._start()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends it. Harmless to repeat."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        await self._end()
        if self._given is None and self._folder != Path():
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _start(self) -> None:
        self._answers = False
        # From the event loop's thread: the kernel sends the signal when the thread ends that has started the child.
        with (self._folder / "superlink.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(os.getpid()), *self._command(),
                env=self._environment(), cwd=self._folder, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            await self._until_it_listens()
            if self._ready is not None:
                await self._ready()
            self._answers = True
        except BaseException:
            await self._end()
            raise

    def _command(self) -> list[str]:
        program = Path(sys.executable).with_name("flower-superlink")
        if not program.exists():
            raise Unavailable(f"There is no {program}: silos need the programs of the flwr package.", reason="SILOS_UNAVAILABLE")
        options = {
            "--host": LOOPBACK,
            "--port": self.port,
            "--isolation": "process",
            "--superexec-auth-secret-file": self._folder / "secret",
            "--ssl-certfile": self._folder / "certificate.pem",
            "--ssl-keyfile": self._folder / "key.pem",
            "--ssl-ca-certfile": self._folder / "certificate.pem",
        }
        flags = ("--enable-supernode-auth", "--disable-runtime-dependency-installation")
        return [str(program), *(str(word) for pair in options.items() for word in pair), *flags]

    def _environment(self) -> dict[str, str]:
        """Nothing of the coordinator's: neither its database nor its keys."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._folder),
            "FLWR_HOME": str(self._folder),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "OMP_NUM_THREADS": "1",
        }

    async def _until_it_listens(self) -> None:
        assert self._process is not None  # nosec B101  # started by the caller
        # By its certificate: somebody else may have the port.
        trusted = ssl.create_default_context(cadata=self.certificate.decode("ascii"))
        try:
            async with asyncio.timeout(_START_S):
                while self._process.returncode is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection(LOOPBACK, self.port, ssl=trusted)
                        writer.close()
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            pass
        raise Unavailable(
            f"Flower's SuperLink does not answer on {self.address}; {self._folder / 'superlink.log'} says why.", reason="SILOS_UNAVAILABLE"
        )

    async def _watch(self) -> None:
        while True:
            if self._process is not None:
                code = await self._process.wait()
                _LOG.warning("superlink_died", exit_code=code)
            await asyncio.sleep(_AGAIN_S)
            try:
                await self._start()
            except Exception:
                _LOG.exception("superlink_not_started")

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _write_credentials(self) -> None:
        """Anew at each start: nobody else keeps them."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scale federation superlink")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK)), x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write_private(self._folder / "key.pem", private)
        _write_private(self._folder / "secret", secrets.token_hex(32).encode())
        _write_private(self._folder / "certificate.pem", certificate.public_bytes(serialization.Encoding.PEM))


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
