"""TLS as gRPC has it. A server's certificate is read anew when its files change."""

from __future__ import annotations

import threading

import grpc
import structlog
from cryptography import x509

from services.kit.tls import Certificate, ClientTls, ServerTls

log = structlog.get_logger()

_Stamp = tuple[tuple[int, int, int], ...]


def channel_credentials(files: ClientTls) -> grpc.ChannelCredentials:
    """For a channel, sync or async. The files are read now: gRPC's Python does not ask for them again, so that a process whose own
    certificate was renewed starts anew before the old one ends. Raises ValueError that names the file which cannot be used."""
    read = files.read()
    return grpc.ssl_channel_credentials(read.ca, read.key, read.chain)


def server_credentials(files: ServerTls) -> grpc.ServerCredentials:
    """For a port. The files are looked at when a client connects: a renewed certificate serves from then on, and connections that are
    open stay. Raises ValueError that names the file which cannot be used."""
    renewed = _Renewed(files)
    return grpc.dynamic_ssl_server_credentials(
        renewed.configuration(), renewed, require_client_authentication=files.client_ca_file is not None
    )


class _Renewed:
    """Asked by gRPC at each new connection, in a thread of its own."""

    def __init__(self, files: ServerTls) -> None:
        self._files = files
        self._lock = threading.Lock()
        # Before it is read: what changes meanwhile is seen at the next connection.
        self._seen: _Stamp | None = self._stamp()
        self._used = files.read()

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        used = self._used
        return grpc.ssl_server_certificate_configuration([(used.key, used.chain)], root_certificates=used.ca)

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """What to use from now on; None: what is used already."""
        try:
            with self._lock:
                return self._changed()
        except (OSError, ValueError) as error:
            # As while only one file of a pair has been replaced. Raised here, it would refuse the connection.
            log.warning("the certificate cannot be read anew; the one before stays", error=str(error))
            return None

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        read = self._files.read()
        self._seen = stamp
        if read == self._used:
            return None
        self._used = read
        log.info("certificate read anew", expires=_expiry(read))
        return self.configuration()

    def _stamp(self) -> _Stamp:
        # Through links: a mounted secret is renewed by pointing one elsewhere.
        files = [one for one in (self._files.cert_file, self._files.key_file, self._files.client_ca_file) if one is not None]
        found = [one.stat() for one in files]
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


def _expiry(read: Certificate) -> str:
    return x509.load_pem_x509_certificates(read.chain or b"")[0].not_valid_after_utc.isoformat()
