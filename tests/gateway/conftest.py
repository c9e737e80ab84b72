"""The gateway before fake services."""

from tests.support.gateway_app import gateway, own_redis, redis_url, start_gateway

__all__ = ["gateway", "own_redis", "redis_url", "start_gateway"]
