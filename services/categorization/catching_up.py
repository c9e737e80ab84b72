"""Anchors follow the ledger.

Where a user's word on a transaction is changed by another way than a correction (an edit of many, or by hand while this service was away,
or by one that died between the two), what was learned from the word before is put right at the next look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.categorization.domain import Anchor
from services.categorization.protocols import CategoryLedger, WordsRepository


class CatchingUp:
    """Every call names the user, from the verified token."""

    def __init__(self, repository: WordsRepository, ledger: CategoryLedger) -> None:
        self._repository = repository
        self._ledger = ledger

    async def catch_up(self, user_id: UUID, said: Mapping[UUID, str]) -> bool:
        """Puts the anchors of transactions right, of which the ledger has `said` what the user says of them; whether there were any.

        The ledger is asked once more, after the anchors: a correction that comes between is later than both, and nothing is changed then.
        """
        before = await self._repository.words(user_id, list(map(str, said)))
        behind = stale(before.by_subject, said)
        if before.revision is None or not behind:
            return False
        now = await self._ledger.user_categories(behind)
        changes = {str(one): now[one] for one in stale(before.by_subject, now)}
        return bool(changes) and await self._repository.follow(user_id, before.revision, changes)


def stale(anchors: Mapping[str, Anchor], said: Mapping[UUID, str]) -> Sequence[UUID]:
    """Transactions of which the ledger says something else than their anchors."""
    return [one for one, category in said.items() if (anchor := anchors.get(str(one))) is not None and anchor.category != category]
