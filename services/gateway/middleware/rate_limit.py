"""Third stage: who is calling, verified here once, and whether they have called too often."""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.errors import problem_of, send_problem
from services.gateway.exchange import OPEN_PATHS, exchange_of, header
from services.gateway.rate_limit import Decision, RateLimiter
from services.kit.auth import TokenVerifier
from services.kit.errors import ResourceExhausted, ScaleError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RateLimitMiddleware:
    """Counts by the verified user, else by address. Never by an unverified `sub`: anybody could use up somebody else's quota."""

    def __init__(self, app: ASGIApp, *, limiter: RateLimiter, verifier: TokenVerifier, trusted_proxies: tuple[str, ...] = ()) -> None:
        self._app = app
        self._limiter = limiter
        self._verifier = verifier
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(network) for network in trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        try:
            exchange.identity = await self._verifier.verify_authorization(header(scope, b"authorization"))
            caller = str(exchange.identity.user_id)
        except ScaleError as error:
            exchange.refusal = error
            caller = client_network(scope, self._trusted)
        decision = await self._limiter.hit(caller)
        exchange.headers.extend(self._figures(decision))
        if decision.allowed:
            await self._app(scope, receive, send)
            return
        refusal = ResourceExhausted(
            f"More than {self._limiter.limit} requests in {self._limiter.window_s} seconds; try again in {decision.reset_s} s.",
            reason="RATE_LIMITED",
            retry_after_s=decision.reset_s,
        )
        await send_problem(problem_of(refusal), scope, receive, send)

    def _figures(self, decision: Decision) -> tuple[tuple[bytes, bytes], ...]:
        return (
            (b"ratelimit-limit", b"%d" % self._limiter.limit),
            (b"ratelimit-remaining", b"%d" % decision.remaining),
            (b"ratelimit-reset", b"%d" % decision.reset_s),
        )


def client_network(scope: Scope, trusted: tuple[Network, ...]) -> str:
    """The caller's IPv4 address or IPv6 /64 network. X-Forwarded-For counts only as far as trusted proxies wrote it: from the right, the
    first address that is not such a proxy."""
    peer = scope["client"][0] if scope.get("client") else ""
    address = _address(peer)
    if trusted and address is not None and _within(address, trusted):
        for hop in reversed((header(scope, b"x-forwarded-for") or "").split(",")):
            forwarded = _address(hop.strip())
            if forwarded is None:
                break
            address = forwarded
            if not _within(address, trusted):
                break
    if address is None:
        return peer or "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
