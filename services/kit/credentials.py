"""TLS as gRPC has it. A server's certificate is read anew when its files change; a client's by services.kit.channel."""

from __future__ import annotations

import grpc

from services.kit.tls import Certificate, ClientTls, RenewedFiles, ServerTls


def channel_credentials(files: ClientTls) -> grpc.ChannelCredentials:
    """For a channel, sync or async, as the files are now. Raises ValueError that names the file which cannot be used."""
    return certificate_credentials(files.read())


def certificate_credentials(read: Certificate) -> grpc.ChannelCredentials:
    """For a channel, of what has been read. gRPC's Python does not ask for it again: what is renewed wants another channel."""
    return grpc.ssl_channel_credentials(read.ca, read.key, read.chain)


def server_credentials(files: ServerTls) -> grpc.ServerCredentials:
    """For a port. The files are looked at when a client connects: a renewed certificate serves from then on, and connections that are
    open stay. Raises ValueError that names the file which cannot be used."""
    renewed = RenewedFiles(files)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        # At each new connection, in a thread of gRPC's; None: what is used already.
        read = renewed.changed()
        return None if read is None else _configuration(read)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(renewed.used), fetch, require_client_authentication=files.client_ca_file is not None
    )


def _configuration(read: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(read.key, read.chain)], root_certificates=read.ca)
