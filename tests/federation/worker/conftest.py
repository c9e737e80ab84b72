"""A Redis of one's own."""

from tests.support.gateway_app import own_redis

__all__ = ["own_redis"]
