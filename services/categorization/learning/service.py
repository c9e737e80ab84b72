"""Rules of learning: whose words training may read, and which model answers a user from now on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import structlog

from services.categorization.domain import Anchor, UserModel
from services.categorization.learning.domain import (
    KEPT_DAYS,
    MAX_ARTIFACT_BYTES,
    WINDOW_DAYS,
    AcceptanceFigures,
    AgreedCorrection,
    CorrectionPosition,
    MerchantPosition,
    UserAcceptance,
    artifact_invalid,
)
from services.categorization.learning.protocols import AcceptanceRepository, LearningRepository
from services.categorization.protocols import HeadLoader
from services.kit.errors import Unavailable, invalid

log = structlog.get_logger()

_EXPIRED_AT_ONCE = 50_000


def today() -> date:
    """The day that is counted for."""
    return datetime.now(UTC).date()


class OldCounts:
    """What is counted for the accuracy objective is known for a month."""

    def __init__(self, repository: AcceptanceRepository, *, today: Callable[[], date] = today) -> None:
        self._repository = repository
        self._today = today

    async def expire_acceptance(self) -> int:
        """Removes what is older; returns how many rows."""
        gone = await self._repository.expire_acceptance(before=self._today() - timedelta(days=KEPT_DAYS), limit=_EXPIRED_AT_ONCE)
        if gone:
            log.info("old counts of accepted categories are gone", rows=gone)
        return gone


class LearningService:
    """Calls about one user name the user, from the verified token; the others are for services alone, which the wire sees to."""

    def __init__(
        self, repository: LearningRepository, load_head: HeadLoader, *, slugs: Sequence[str], today: Callable[[], date] = today
    ) -> None:
        """`slugs`: the categories that all users have."""
        self._repository = repository
        self._load_head = load_head
        self._slugs = slugs
        self._today = today

    async def list_corrections(self, user_id: UUID, *, limit: int, after: CorrectionPosition | None) -> tuple[Sequence[Anchor], bool]:
        """The user's last word on each payment, the latest first, and whether there are more."""
        found = await self._repository.corrections(user_id, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit

    async def list_agreed_corrections(
        self, *, least_users: int, limit: int, after: MerchantPosition | None
    ) -> tuple[Sequence[AgreedCorrection], bool]:
        """What more than half, and at least `least_users`, of those say of a merchant who say anything; and whether there are more."""
        found = await self._repository.agreed_corrections(
            least_users=least_users, slugs=self._slugs, limit=limit + 1, after=after or MerchantPosition("", False)
        )
        return found[:limit], len(found) > limit

    async def list_low_acceptance(
        self, *, ratio: float, least: int, limit: int, after: UUID | None
    ) -> tuple[Sequence[UserAcceptance], bool]:
        """Users who left fewer than `ratio` of their categories as they are, and whether there are more."""
        found = await self._repository.low_acceptance(
            since=self._since(), ratio=ratio, least=least, limit=limit + 1, after=after or UUID(int=0)
        )
        return found[:limit], len(found) > limit

    async def get_acceptance(self) -> AcceptanceFigures:
        """Of all users."""
        return await self._repository.total_acceptance(since=self._since())

    def _since(self) -> date:
        return self._today() - timedelta(days=WINDOW_DAYS - 1)

    async def set_user_model(self, user_id: UUID, *, version: str, artifact: bytes, content_hash: str) -> str:
        """Lets a model answer its user from the next call on; with an empty `version` none. Returns the version. Harmless to repeat.

        Raises InvalidArgument, with reason ARTIFACT_INVALID for bytes that are no such model.
        """
        if not version:
            if artifact or content_hash:
                raise invalid("version", "is required with an artifact")
            await self._repository.set_model(user_id, None)
            log.info("a user's own model answers no more")
            return ""
        base_version = await self._base_version(artifact, content_hash)
        await self._repository.set_model(user_id, UserModel(version, base_version, content_hash, artifact))
        log.info("a user's own model answers", version=version, base_version=base_version, bytes=len(artifact))
        return version

    async def _base_version(self, artifact: bytes, content_hash: str) -> str:
        if not 1 <= len(artifact) <= MAX_ARTIFACT_BYTES:
            raise artifact_invalid(f"has {len(artifact)} bytes, 1 to {MAX_ARTIFACT_BYTES} are allowed")
        found = hashlib.sha256(artifact).hexdigest()
        if found != content_hash:
            raise artifact_invalid(f"its SHA-256 is {found}, not {content_hash[:64]!r}: it was damaged on the way")
        try:
            return (await asyncio.to_thread(self._load_head, artifact)).base_version
        except ValueError as error:
            raise artifact_invalid(str(error)) from error
        except ImportError as error:
            raise Unavailable("This service cannot run models just now.", reason="MODEL_UNAVAILABLE") from error
