"""Keys of workers that exist in tests only."""

from __future__ import annotations

import base64
import secrets

from services.kit.service_tokens import ServiceTokens


def service_key() -> str:
    """A private key, as a worker's environment holds it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def service_tokens(service: str = "probe") -> ServiceTokens:
    """A worker with a key that nobody has seen before."""
    return ServiceTokens(service, service_key())
