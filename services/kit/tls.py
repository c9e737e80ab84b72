"""TLS between processes: the files with a server's certificate, and with what a client trusts."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

SCHEME = "grpcs://"
"""Before an address whose server is asked over TLS."""

log = structlog.get_logger()

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's or a client's files held at one moment."""

    chain: bytes | None
    key: bytes | None
    ca: bytes | None
    """A server's: of those who ask it; a client's: of those whom it asks."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files of a server, all PEM."""

    cert_file: Path
    """Its certificate, then those that lead to an authority that clients know."""
    key_file: Path
    client_ca_file: Path | None = None
    """Whose certificates clients must show. Without it they need none."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that there are."""
        return tuple(one for one in (self.cert_file, self.key_file, self.client_ca_file) if one is not None)

    def read(self) -> Certificate:
        """What they hold now. Raises ValueError that names the file which cannot be used, also while one of a pair is still the old one."""
        chain, key = _pair(self.cert_file, self.key_file)
        return Certificate(chain, key, _authorities(self.client_ca_file) if self.client_ca_file else None)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files of a client, all PEM."""

    ca_file: Path | None = None
    """Whose servers are believed. None: those that all the world believes."""
    cert_file: Path | None = None
    """What is shown to a server that asks for a certificate."""
    key_file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that there are."""
        return tuple(one for one in (self.ca_file, self.cert_file, self.key_file) if one is not None)

    def read(self) -> Certificate:
        """What they hold now. Raises ValueError that names the file which cannot be used."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("a certificate needs its key, and a key its certificate")
        chain, key = _pair(self.cert_file, self.key_file) if self.cert_file and self.key_file else (None, None)
        return Certificate(chain, key, _authorities(self.ca_file) if self.ca_file else None)


class RenewedFiles:
    """What the files of a server or a client hold, read once for each change, from any thread. Raises ValueError that names the file which
    cannot be used, when made; later the certificate before stays in use."""

    def __init__(self, tls: ServerTls | ClientTls) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._seen: _Stamp | None = None
        self.used = tls.read()

    def changed(self) -> Certificate | None:
        """What to use from now on; None: what is used already."""
        try:
            with self._lock:
                return self._read_anew()
        except (OSError, ValueError) as error:
            # As while only one file of a pair has been replaced.
            log.warning("the certificate cannot be read anew; the one before stays", error=str(error))
            return None

    def _read_anew(self) -> Certificate | None:
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        read = self._tls.read()
        self._seen = stamp
        if read == self.used:
            return None
        self.used = read
        log.info("certificate read anew", expires=_expiry(read))
        return read

    def _stamp(self) -> _Stamp:
        # Through links: a mounted secret is renewed by pointing one elsewhere.
        found = [one.stat() for one in self._tls.files]
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


def _expiry(read: Certificate) -> str | None:
    return x509.load_pem_x509_certificates(read.chain)[0].not_valid_after_utc.isoformat() if read.chain else None


def _pair(cert_file: Path, key_file: Path) -> tuple[bytes, bytes]:
    chain, key = _read(cert_file), _read(key_file)
    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise ValueError(f"{cert_file} holds no certificate in PEM") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise ValueError(f"{key_file} holds no private key in PEM without a password") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if certificate.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise ValueError(f"{key_file} is not the key of the certificate in {cert_file}")
    return chain, key


def _authorities(file: Path) -> bytes:
    read = _read(file)
    try:
        x509.load_pem_x509_certificates(read)
    except ValueError:
        raise ValueError(f"{file} holds no certificate in PEM") from None
    return read


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}") from None
