"""What the tests of the queues share."""

from tests.support.gateway_app import own_redis

__all__ = ["own_redis"]
