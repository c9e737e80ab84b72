"""`VersionEvents` as a Redis stream, for whoever carries the news on: an adapter that pushes it to devices, say."""

from __future__ import annotations

from services.federation.domain import FederatedVersion
from services.kit.events import EventLog

KEY = "federation"
"""The stream is events:federation."""
_LIFETIME_S = 30 * 24 * 3600
"""Rounds are hours apart."""


class RedisVersionEvents:
    """One for each process."""

    def __init__(self, redis_url: str) -> None:
        self._events = EventLog(redis_url, lifetime_s=_LIFETIME_S)

    async def publish(self, version: FederatedVersion) -> None:
        """See `VersionEvents`. No more than what anybody may ask for who has signed in."""
        payload = {
            "type": "model_version",
            "version": version.version,
            "parent_version": version.parent_version or 0,
            "encoder_hash": version.encoder_hash,
            "head_hash": version.head_hash,
            "created_at": version.created_at.isoformat(),
        }
        await self._events.publish(KEY, payload)

    async def close(self) -> None:
        """Closes all connections."""
        await self._events.close()
