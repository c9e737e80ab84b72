"""Parts of the model by their signed addresses, from the gateway or what caches before it: no token, and no load on the coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

import httpx

from clients.device.problem import DeviceProblem
from clients.device.transport import is_loopback

_TIMEOUT_S = 60


class Unreachable(Exception):
    """The address does not work; there is another way."""


class SignedAddresses:
    """A gateway such as https://scale.example.com. Raises DeviceProblem for one in the clear on another machine."""

    def __init__(self, gateway: str) -> None:
        parts = urlsplit(gateway)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
            raise DeviceProblem(f"{gateway} is no address such as https://scale.example.com.")
        self._gateway = gateway

    async def download(self, address: str, most_bytes: int) -> AsyncIterator[bytes]:
        """The bytes behind a path that was signed, at most so many and one more. Raises Unreachable."""
        if urlsplit(address).netloc:
            raise Unreachable("an address elsewhere")
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client,
                client.stream("GET", urljoin(self._gateway, address)) as answer,
            ):
                answer.raise_for_status()
                received = 0
                async for chunk in answer.aiter_bytes():
                    received += len(chunk)
                    yield chunk
                    if received > most_bytes:
                        return
        except httpx.HTTPError as error:
            raise Unreachable(str(error)) from error
