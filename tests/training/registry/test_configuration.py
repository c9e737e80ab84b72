"""Keys that sign addresses, places where artefacts lie, and the message that wakes a worker."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from services.kit.errors import Unavailable
from services.kit.queue import upkeep_of
from services.kit.signed_links import SignedLinks
from services.training.registry.domain import LINKS_PURPOSE
from services.training.registry.queue import DELIVER_VERSION, RedisDeliveryQueue
from services.training.schedule import DELIVER_VERSIONS, REMOVE_ORPHANED_ARTIFACTS, SCHEDULE
from services.training.settings import TrainingSettings
from tests.support.gateway_app import RedisProcess, own_redis

__all__ = ["own_redis"]

SECRET = "s" * 16 + "," + "s" * 16
OLD, NEW = "o" * 32, "n" * 32
PATH = f"{UUID(int=1)}/categorizer/3-1a2b3c4d"


def settings(**more: Any) -> TrainingSettings:
    values: dict[str, Any] = {"port": 1, "database_url": "postgresql://x", "SCALE_ENVIRONMENT": "development", "SCALE_AUTH_SECRET": SECRET}
    return TrainingSettings(**{**values, "storage_url": "file:///x", **more})


def test_addresses_are_signed_with_a_key_of_their_own_or_with_one_that_follows_from_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCALE_TRAINING_ARTIFACT_KEY", raising=False)
    assert settings().artifact_secrets == (SECRET,)
    assert settings(artifact_key=f"{NEW}, {OLD}").artifact_secrets == (NEW, OLD)
    signed = SignedLinks(settings(artifact_key=OLD).artifact_secrets, purpose=LINKS_PURPOSE, lifetime_s=900).sign(PATH)
    SignedLinks(settings(artifact_key=f"{NEW},{OLD}").artifact_secrets, purpose=LINKS_PURPOSE, lifetime_s=900).check(PATH, *signed)


@pytest.mark.parametrize("key", ["", "short", f"{NEW},", f"{NEW},short"])
def test_weak_keys_stop_a_start(key: str) -> None:
    with pytest.raises(ValidationError, match="SCALE_TRAINING_ARTIFACT_KEY"):
        settings(artifact_key=key)


def test_artefacts_lie_with_all_else_or_in_a_place_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALE_STORAGE_URL", "s3://bucket/all")
    values: dict[str, Any] = {"port": 1, "database_url": "postgresql://x", "SCALE_ENVIRONMENT": "development", "SCALE_AUTH_SECRET": SECRET}
    assert TrainingSettings(**values).storage_url == "s3://bucket/all"
    monkeypatch.setenv("SCALE_TRAINING_STORAGE_URL", "gs://models")
    assert TrainingSettings(**values).storage_url == "gs://models"
    with pytest.raises(ValidationError, match="none of file"):
        settings(storage_url="/srv/models")


def test_the_clock_delivers_what_waits_and_removes_what_nobody_names() -> None:
    due = {one.task: (one.seconds, one.queue) for one in SCHEDULE}
    assert due[DELIVER_VERSIONS] == (30, upkeep_of("training"))
    assert due[REMOVE_ORPHANED_ARTIFACTS] == (86_400, upkeep_of("training"))


async def test_a_message_wakes_a_worker_and_spoils(own_redis: RedisProcess) -> None:
    queue, redis = RedisDeliveryQueue(own_redis.url), Redis.from_url(own_redis.url)
    await queue.enqueue(UUID(int=7), "categorizer")
    message = json.loads(await redis.lindex(upkeep_of("training"), 0) or "")
    assert message["headers"]["task"] == DELIVER_VERSION
    assert message["headers"]["argsrepr"] == repr([str(UUID(int=7)), "categorizer"])
    assert message["headers"]["expires"]
    await redis.aclose()
    own_redis.kill()
    with pytest.raises(Unavailable) as caught:
        await queue.enqueue(UUID(int=7), "categorizer")
    assert caught.value.reason == "QUEUE_UNAVAILABLE"
    await queue.close()
