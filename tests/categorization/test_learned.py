"""What users have said, in memory: read when it has changed, placed once, and no more of it than there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from services.categorization.domain import Anchor, Words
from services.categorization.learned import LearnedUsers
from services.categorization.rules_model import RulesModel
from tests.support.categorization_fakes import WordModel

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class FakeWords:
    """`WordsRepository`, as far as it is read."""

    def __init__(self) -> None:
        self.rows: dict[UUID, list[Anchor]] = {}
        self.revisions: dict[UUID, UUID] = {}
        self.reads = 0

    def say(self, user_id: UUID, *descriptions: str) -> None:
        rows = self.rows.setdefault(user_id, [])
        for text in descriptions:
            rows.append(Anchor(text, text, "dining", text, "", Decimal(-1), None, NOW + timedelta(seconds=len(rows))))
        self.revisions[user_id] = uuid4()

    async def words(self, user_id: UUID, subjects: Sequence[str]) -> Words:
        return Words(self.revisions.get(user_id), {})

    async def anchors(self, user_id: UUID, *, limit: int) -> tuple[UUID | None, Sequence[Anchor]]:
        self.reads += 1
        return self.revisions.get(user_id), tuple(self.rows[user_id][-limit:])


async def test_anchors_are_read_again_when_they_change_and_only_new_ones_are_placed(user_id: UUID) -> None:
    words, model = FakeWords(), WordModel()
    learned = LearnedUsers(words, most_anchors=100)  # type: ignore[arg-type]
    _, nothing = await learned.ask(user_id)
    assert nothing.anchors(model) is None
    assert nothing.places(model) is None
    words.say(user_id, "a", "b")
    _, first = await learned.ask(user_id)
    assert first.anchors(model) is first.anchors(model)
    assert (await learned.ask(user_id))[1] is first
    assert (words.reads, model.placed) == (1, [2])
    words.say(user_id, "c")
    _, second = await learned.ask(user_id)
    places = second.places(model)
    assert places is not None
    assert len(places) == 3
    assert (words.reads, model.placed) == (2, [2, 1])
    # Another model, another ball; and none without a model.
    other = WordModel("another")
    second.anchors(other)
    assert other.placed == [3]
    assert second.places(RulesModel()) is None
    assert second.anchors(RulesModel()) is not None


async def test_users_who_asked_longest_ago_make_room() -> None:
    words = FakeWords()
    learned = LearnedUsers(words, most_anchors=100, most_kept=10)  # type: ignore[arg-type]
    users = [uuid4() for _ in range(4)]
    for user in users:
        words.say(user, "a", "b", "c")
        await learned.ask(user)
    assert words.reads == 4
    await learned.ask(users[-1])
    assert words.reads == 4
    await learned.ask(users[0])
    assert words.reads == 5
