"""Where the categories of the model lie on the ball, in Redis under `emb:{model_version}`: for whoever wants to look without loading it."""

from __future__ import annotations

import orjson
import structlog

from services.categorization.predictor import LoadedModel
from services.kit.errors import Unavailable
from services.kit.redis import connect_redis, within

log = structlog.get_logger()

PREFIX = "emb:"
_TIMEOUT_S = 2.0


class ModelCache:
    """One entry, without an end, until another version takes its place. Nothing here needs it, so that nothing fails without Redis."""

    def __init__(self, cache_url: str) -> None:
        self._redis = connect_redis(cache_url, max_connections=4)

    async def publish(self, loaded: LoadedModel) -> None:
        """Puts this version in the place of those before. Never raises."""
        key = PREFIX + loaded.model.version
        points = {category: point.tolist() for category, point in zip(loaded.categories, loaded.anchors, strict=True)}
        try:
            async with within(_TIMEOUT_S, reason="CACHE_UNAVAILABLE"):
                before = [found async for found in self._redis.scan_iter(match=f"{PREFIX}*", count=1000) if found != key.encode()]
                # At once: whoever looks sees one version, never two or none.
                async with self._redis.pipeline(transaction=True) as change:
                    change.set(key, orjson.dumps({"version": loaded.model.version, "anchors": points}))
                    if before:
                        change.unlink(*before)
                    await change.execute()
        except Unavailable as error:
            log.warning("the model's anchors are not in the cache", error=str(error.__cause__))

    async def close(self) -> None:
        """Closes all connections."""
        await self._redis.aclose()
