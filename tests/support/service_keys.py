"""Keys of workers that exist in tests only."""

from __future__ import annotations

import base64
import secrets

from services.kit.service_tokens import ServiceTokens


def service_tokens(service: str = "probe") -> ServiceTokens:
    """A worker with a key that nobody has seen before."""
    return ServiceTokens(service, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
