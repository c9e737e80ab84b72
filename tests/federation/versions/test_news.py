"""What stands around versions: the stream that tells of them, and settings."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import SecretStr, ValidationError
from redis.asyncio import Redis

from services.federation.settings import FederationSettings
from services.federation.versions.events import RedisVersionEvents
from services.federation.versions.settings import MODELS_DIR, VersionsSettings
from tests.federation.versions.conftest import Line
from tests.support.gateway_app import RedisProcess, own_redis
from tests.support.service_keys import service_key

__all__ = ["own_redis"]

SECRET = SecretStr("s" * 32)
OLD, NEW = "o" * 32, "n" * 32


@pytest.mark.requirement("FED-11")
async def test_whoever_carries_the_news_on_finds_it_in_a_stream(line: Line, own_redis: RedisProcess) -> None:
    """FED-11: what an adapter reads that pushes to devices, from where it had left off."""
    events = RedisVersionEvents(own_redis.url)
    told = line.again(events=events)
    two = await told.publish()
    await told.service.published(two, promote=False)
    await told.service.published(await told.publish(), promote=False)
    redis: Any = Redis.from_url(own_redis.url)
    found = await redis.xrange("events:federation")
    news = [orjson.loads(fields[b"payload"]) for _, fields in found]
    assert [one["version"] for one in news] == [2, 3]
    assert news[0] == {
        "type": "model_version",
        "version": 2,
        "parent_version": 1,
        "encoder_hash": two.encoder_hash,
        "head_hash": two.head_hash,
        "created_at": two.created_at.isoformat(),
    }
    assert await redis.ttl("events:federation") > 24 * 3600
    later = await redis.xread({"events:federation": found[0][0]})
    assert len(later) == 1
    # Without Redis nobody hears of it, and nothing else happens.
    own_redis.kill()
    four = await told.publish()
    await told.service.published(four, promote=False)
    assert (await told.service.latest()).registry_version
    await redis.aclose()
    await events.close()


def settings(**more: Any) -> VersionsSettings:
    return VersionsSettings(**{"storage_url": "file:///x", **more})


def test_addresses_are_signed_with_a_key_of_their_own_or_with_one_that_follows_from_the_tokens() -> None:
    assert settings().link_secrets(SECRET) == (SECRET.get_secret_value(),)
    assert settings(link_key=f"{NEW}, {OLD}").link_secrets(None) == (NEW, OLD)
    with pytest.raises(ValueError, match="SCALE_FEDERATION_LINK_KEY"):
        settings().link_secrets(None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"link_key": "short"},
        {"link_key": f"{NEW},"},
        {"registry_key": "no key"},
        {"storage_url": "ftp://x"},
        {"registry_s": 0},
        {"link_lifetime_s": 0},
        {"code_version": ""},
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_a_federation_without_a_key_for_addresses_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCALE_FEDERATION_LINK_KEY", "SCALE_AUTH_SECRET"):
        monkeypatch.delenv(name, raising=False)
    signed_elsewhere: dict[str, Any] = {
        "port": 1,
        "database_url": "postgresql://x",
        "SCALE_ENVIRONMENT": "development",
        "SCALE_AUTH_ALGORITHM": "RS256",
        "SCALE_AUTH_JWKS_URL": "https://keys.example",
        "SCALE_PAGE_TOKEN_KEY": "p" * 32,
        "storage_url": "file:///x",
    }
    with pytest.raises(ValidationError, match="SCALE_FEDERATION_LINK_KEY"):
        FederationSettings(**signed_elsewhere)
    assert FederationSettings(**signed_elsewhere, link_key=NEW).device_secrets == (NEW,)
    assert FederationSettings(**signed_elsewhere, link_key=NEW, device_key=f"{OLD}, {NEW}").device_secrets == (OLD, NEW)
    with pytest.raises(ValueError, match="at least 32 characters"):
        FederationSettings(**signed_elsewhere, link_key=NEW, device_key="short")


def test_where_the_shipped_categorizer_lies(tmp_path: Any) -> None:
    assert settings().categorizer_folder == MODELS_DIR
    assert settings(models_dir=tmp_path).categorizer_folder == tmp_path
    (tmp_path / "hypcd").mkdir()
    assert settings(models_dir=tmp_path).categorizer_folder == tmp_path / "hypcd"
    assert settings(registry_key=service_key()).registry_key is not None
    assert settings().own_version
