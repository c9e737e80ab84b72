"""What users have said, in memory: read when it has changed, placed once, and no more of it than there is room for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import numpy as np
import pytest

from services.categorization.columns import NO_DAY, Amounts, Columns, Floats
from services.categorization.domain import Anchor, Said, UserModel, Words
from services.categorization.learned import LearnedUsers
from services.categorization.metrics import USER_MODEL_LOADS
from services.categorization.personal_model import PersonalModel
from services.categorization.protocols import Model
from services.categorization.rules_model import RulesModel
from tests.support.categorization_fakes import OneCategoryHead, WordModel, head_artifact, load_head

COFFEE = Columns(["CAFE"], [""], np.array([-1.0]), np.array([NO_DAY], np.int32))
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class FakeWords:
    """`WordsRepository`, as far as it is read."""

    def __init__(self) -> None:
        self.rows: dict[UUID, list[Anchor]] = {}
        self.revisions: dict[UUID, UUID] = {}
        self.models: dict[UUID, UserModel] = {}
        self.reads = 0

    def say(self, user_id: UUID, *descriptions: str) -> None:
        rows = self.rows.setdefault(user_id, [])
        for text in descriptions:
            rows.append(Anchor(text, text, "dining", text, "", Decimal(-1), None, NOW + timedelta(seconds=len(rows))))
        self.revisions[user_id] = uuid4()

    def put_model(self, user_id: UUID, artifact: bytes, base_version: str = "hypcd-test+1", version: str = "1-abc") -> None:
        self.models[user_id] = UserModel(version, base_version, hashlib.sha256(artifact).hexdigest(), artifact)
        self.revisions[user_id] = uuid4()

    async def words(self, user_id: UUID, subjects: Sequence[str]) -> Words:
        return Words(self.revisions.get(user_id), {})

    async def said(self, user_id: UUID, *, limit: int, known_hash: str = "") -> Said:
        self.reads += 1
        model = self.models.get(user_id)
        if model is not None and model.content_hash == known_hash:
            model = model._replace(artifact=b"")
        return Said(self.revisions.get(user_id), tuple(self.rows.get(user_id, [])[-limit:]), model)


async def test_anchors_are_read_again_when_they_change_and_only_new_ones_are_placed(user_id: UUID) -> None:
    words, model = FakeWords(), WordModel()
    learned = LearnedUsers(words, load_head=load_head, most_anchors=100)  # type: ignore[arg-type]
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
    learned = LearnedUsers(words, load_head=load_head, most_anchors=100, most_kept=10)  # type: ignore[arg-type]
    users = [uuid4() for _ in range(4)]
    for user in users:
        words.say(user, "a", "b", "c")
        await learned.ask(user)
    assert words.reads == 4
    await learned.ask(users[-1])
    assert words.reads == 4
    await learned.ask(users[0])
    assert words.reads == 5


async def test_a_model_of_the_users_own_is_read_once_and_goes_with_its_global_model_alone(user_id: UUID) -> None:
    words, base, read = FakeWords(), WordModel(), []

    def load(artifact: bytes) -> OneCategoryHead:
        read.append(artifact)
        return load_head(artifact)

    learned = LearnedUsers(words, load_head=load, most_anchors=100)  # type: ignore[arg-type]
    words.say(user_id, "a")
    assert (await learned.ask(user_id))[1].model(base) is base
    words.put_model(user_id, head_artifact("housing_rent"))
    _, first = await learned.ask(user_id)
    assert [first.model(base).version for _ in range(2)] == ["categorizer/1-abc"] * 2
    assert _likeliest(first.model(base)) == "housing_rent"
    # A correction does not make it anew; another global model puts it aside, until it comes back.
    words.say(user_id, "b")
    _, second = await learned.ask(user_id)
    assert second.model(WordModel("another")).version == "another"
    assert second.model(RulesModel()).version == "rules-1"
    assert second.model(base).version == "categorizer/1-abc"
    assert len(read) == 1
    words.put_model(user_id, head_artifact("dining_cafe"), version="2-def")
    third = (await learned.ask(user_id))[1].model(base)
    assert (third.version, _likeliest(third), len(read)) == ("categorizer/2-def", "dining_cafe", 2)


async def test_another_model_with_the_same_ball_puts_nothing_aside(user_id: UUID) -> None:
    """As federated training makes them: the encoder stays, and with it where payments lie."""
    words, base, federated = FakeWords(), WordModel(ball="ball"), WordModel("hypcd-test+1+fed2", ball="ball")
    learned = LearnedUsers(words, load_head=load_head, most_anchors=100)  # type: ignore[arg-type]
    words.say(user_id, "a", "b")
    words.put_model(user_id, head_artifact("housing_rent", "ball"), "ball")
    _, found = await learned.ask(user_id)
    assert found.anchors(found.model(base)) is not None
    assert found.anchors(found.model(federated)) is found.anchors(found.model(base))
    assert (base.placed, federated.placed) == ([2], [])
    own = found.model(federated)
    assert (own.version, _likeliest(own), own.ball) == ("categorizer/1-abc", "housing_rent", "ball")
    assert own.has_ball("ball")


def _likeliest(model: Model) -> str:
    assert isinstance(model, PersonalModel)
    opinion = model.opine(COFFEE)
    moved = model.moved(opinion, len(opinion.categories), COFFEE)
    return moved.categories[int(moved.probabilities[0].argmax())]


@pytest.mark.parametrize("artifact", [b"nothing of the kind", head_artifact("dining_cafe", "another"), b"head hypcd-test+1 silent"])
async def test_a_model_that_is_broken_is_tried_once_and_put_aside(user_id: UUID, artifact: bytes) -> None:
    words, base, read = FakeWords(), WordModel(), []

    def load(artifact: bytes) -> OneCategoryHead:
        read.append(artifact)
        head = load_head(artifact)
        return Silent(head.base_version, head.categories) if head.categories[0] == "silent" else head

    learned = LearnedUsers(words, load_head=load, most_anchors=100)  # type: ignore[arg-type]
    words.put_model(user_id, artifact)
    before = USER_MODEL_LOADS.labels("failed")._value.get()
    for _ in range(2):
        assert (await learned.ask(user_id))[1].model(base) is base
    words.say(user_id, "a")
    assert (await learned.ask(user_id))[1].model(base) is base
    assert len(read) == 1
    assert USER_MODEL_LOADS.labels("failed")._value.get() == before + 1


async def test_models_of_the_users_own_take_room(user_id: UUID) -> None:
    words = FakeWords()
    learned = LearnedUsers(words, load_head=load_head, most_anchors=100, most_kept=10)  # type: ignore[arg-type]
    users = [uuid4() for _ in range(3)]
    for user in users:
        words.put_model(user, head_artifact("dining_cafe") + b" " * 5000)
        await learned.ask(user)
    await learned.ask(users[-1])
    assert words.reads == 3
    await learned.ask(users[0])
    assert words.reads == 4


class Silent(OneCategoryHead):
    """Answers with something else than it should."""

    def probabilities(self, points: Floats, amounts: Amounts, likely: Floats) -> Floats:
        return np.full((len(points), len(self.categories)), np.nan, np.float32)
