"""Where versions begin, that they never change, and what rounds and administrators make of them."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from models.artifact import pack
from models.federated.head import Head
from models.hypcd.classifier import MODEL_FILE, Classifier, Items
from services.federation.versions.domain import ENCODER, HEAD, Answering
from services.kit.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound, Unavailable
from services.local import LocalSystem
from tests.federation.versions.conftest import NOBODY, Line, new_version


async def test_the_first_version_is_what_answers_everybody(line: Line, categorizer: Path) -> None:
    assert await line.repository.latest() is None
    found = await line.service.latest()
    assert (found.version, found.parent_version, found.round_id, found.contributor_count) == (1, None, None, 0)
    assert (found.categorizer_version, found.registry_version) == ("small-1", "")
    encoder = (categorizer / MODEL_FILE).read_bytes()
    assert (found.encoder_hash, found.encoder_size_bytes) == (hashlib.sha256(encoder).hexdigest(), len(encoder))
    assert (await line.parts.read(1, ENCODER)).content == encoder
    head = await line.service.head(1)
    assert (found.head_hash, found.head_size_bytes) == (hashlib.sha256(head).hexdigest(), len(head))
    np.testing.assert_allclose(Head.load(head).heads().anchors, Classifier.load(categorizer).heads.anchors, atol=1e-6)
    assert await line.service.latest() == found


async def test_a_live_categorizer_of_the_registry_begins_the_line(line: Line, categorizer: Path) -> None:
    line.registry.answers = Answering("7-deadbeef", pack(categorizer))
    found = await line.service.latest()
    assert (found.categorizer_version, found.registry_version) == ("small-1", "7-deadbeef")
    assert await line.repository.to_hand_over() == []


async def test_without_registry_or_model_no_line_begins(line: Line, tmp_path: Path) -> None:
    line.registry.down = Unavailable("away")
    with pytest.raises(Unavailable):
        await line.service.latest()
    line.registry.down = None
    line.registry.answers = Answering("7-deadbeef", b"no model")
    with pytest.raises(FailedPrecondition) as caught:
        await line.service.latest()
    assert caught.value.reason == "NO_GLOBAL_MODEL"
    assert await line.repository.latest() is None


async def test_who_asks_at_once_gets_one_first_version(line: Line) -> None:
    lines = [line, line.again()]
    found = await asyncio.gather(*(one.service.latest() for one in lines for _ in range(3)))
    assert {one.version for one in found} == {1}
    assert len(await line.repository.list_versions(limit=10, below=None)) == 1


@pytest.mark.requirement("FED-12")
async def test_each_version_has_its_round_and_number_of_devices_and_never_changes(line: Line, servers: LocalSystem) -> None:
    """FED-12."""
    two, three = await line.publish(), await line.publish()
    history, more = await line.service.list_versions(limit=10, below=None)
    assert [(one.version, one.parent_version, one.contributor_count) for one in history] == [(3, 2, 12), (2, 1, 12), (1, None, 0)]
    assert not more
    assert three.round_id is not None
    assert three.round_id != two.round_id
    changes = (
        "head = head || 'x'", "round_id = NULL", "contributor_count = 13", "metrics = '{}'", "parent_version = 1", "epsilon = 0",
        "version = 9", "created_at = now()",
    )  # fmt: skip
    # As the service, and as the owner of the table: a trigger stands before both.
    for url, refused in (
        (servers.service_url("federation"), asyncpg.InsufficientPrivilegeError),
        (servers.migrator_url, asyncpg.CheckViolationError),
    ):
        connection = await asyncpg.connect(url)
        for change in changes:
            with pytest.raises(refused):
                await connection.execute(f"UPDATE federation.model_versions SET {change} WHERE version = 3")
        await connection.close()
    async with line.database.transaction(NOBODY) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM federation.model_versions")
    assert await line.service.get_version(3) == three


async def test_a_number_and_a_round_make_one_version(line: Line) -> None:
    two = await line.publish()
    for changes in ({"version": 2, "parent_version": 1}, {"round_id": two.round_id, "contributor_count": 12}):
        with pytest.raises(Aborted) as caught:
            await line.repository.add(new_version(two, b"head", **changes))
        assert caught.value.reason == "VERSION_TAKEN"
    assert (await line.service.latest()).version == 2


async def test_pages_and_what_is_not_there(line: Line) -> None:
    await line.publish()
    await line.publish()
    first, more = await line.service.list_versions(limit=2, below=None)
    assert ([one.version for one in first], more) == ([3, 2], True)
    last, more = await line.service.list_versions(limit=2, below=2)
    assert ([one.version for one in last], more) == ([1], False)
    for asking in (line.service.get_version(4), line.service.head(4), line.parts.read(4, HEAD), line.service.promote_version(4)):
        with pytest.raises(NotFound) as caught:
            await asking
        assert caught.value.reason == "MODEL_VERSION_NOT_FOUND"


# The registry


async def test_what_is_published_is_handed_over_with_where_it_comes_from(line: Line, tmp_path: Path) -> None:
    two = await line.publish(step=0.3)
    await line.service.published(two, promote=True)
    (name,) = line.registry.registered
    new = line.registry.registered[name]
    assert (line.registry.live, (await line.service.latest()).registry_version) == (name, name)
    assert (new.job_id, new.parent_version, new.made_at) == (two.round_id, "small-1", two.created_at)
    assert new.metrics == {
        "federated_version": 2,
        "round_id": str(two.round_id),
        "contributors": 12,
        "epsilon": 0.25,
        "unamplified_epsilon": 2.5,
        "accuracy": 0.75,
    }
    # What categorization unpacks: the same encoder, other anchors, the same ball.
    origin = await line.categorizers.take_apart(new.artifact)
    assert (origin.version, hashlib.sha256(origin.encoder).hexdigest()) == ("small-1+fed2", two.encoder_hash)
    await line.service.write_categorizer(two, tmp_path / "made")
    made, shipped = Classifier.load(tmp_path / "made"), Classifier.load(line.categorizer)
    assert (made.version, made.ball) == ("small-1+fed2", shipped.ball)
    items = Items(["tesco leeds"], [""], [-1.0], [0])
    np.testing.assert_array_equal(made.predict(items).points, shipped.predict(items).points)
    assert float((made.heads.anchors - shipped.heads.anchors).abs().max()) > 0.01
    # The next one names it as its parent.
    await line.service.published(await line.publish(), promote=False)
    assert [one.parent_version for one in line.registry.registered.values()] == ["small-1", name]
    assert line.registry.live == name


async def test_what_the_registry_could_not_take_is_handed_over_later_in_order(line: Line) -> None:
    two = await line.publish(promote=True)
    line.registry.down = Unavailable("away")
    await line.service.published(two, promote=True)
    three = await line.publish(promote=True)
    await line.service.published(three, promote=True)
    # Its round says what the process that has died does not say any more; the setting where it said nothing.
    four = await line.publish(promote=False)
    assert (await line.service.latest()).registry_version == ""
    other = line.again(promote=True)
    other.handovers.start()
    while line.registry.tries < 5:
        await asyncio.sleep(0.01)
    line.registry.down = None
    while not (await line.service.latest()).registry_version:
        await asyncio.sleep(0.01)
    await other.handovers.close()
    assert [one.job_id for one in line.registry.registered.values()] == [two.round_id, three.round_id, four.round_id]
    assert [one.live for one in line.registry.registered.values()] == [True, True, False]
    assert line.registry.live == (await line.service.get_version(3)).registry_version


@pytest.mark.parametrize("promote", [True, False])
async def test_a_round_that_said_nothing_follows_the_setting(line: Line, promote: bool) -> None:
    await line.publish()
    other = line.again(promote=promote)
    assert await other.handovers.hand_over_all() == 1
    assert [one.live for one in line.registry.registered.values()] == [promote]
    assert await other.handovers.hand_over_all() == 0


async def test_a_version_whose_encoder_is_lost_is_published_all_the_same(line: Line) -> None:
    two = await line.publish()
    (line.folder / f"federation/encoder/{two.encoder_hash}").unlink()
    other = line.again()
    await other.service.published(two, promote=True)
    assert line.registry.registered == {}
    assert (await other.service.latest()).version == 2


async def test_an_administrator_lets_a_version_answer(line: Line) -> None:
    await line.publish()
    two = await line.service.promote_version(2)
    assert line.registry.live == two.registry_version == "1-00000000"
    # The model that comes with the product is a version like the others.
    one = await line.service.promote_version(1)
    assert line.registry.live == one.registry_version == "2-00000000"
    assert (await line.service.promote_version(2)).registry_version == "1-00000000"
    # What the registry keeps no more it gets once more.
    line.registry.forget("1-00000000")
    two = await line.service.promote_version(2)
    assert line.registry.live == two.registry_version == "3-00000000"
    line.registry.down = Unavailable("away")
    with pytest.raises(Unavailable):
        await line.service.promote_version(2)


async def test_parts_that_do_not_fit_reach_no_registry(line: Line) -> None:
    one = await line.service.latest()
    head, encoder = await line.service.head(1), (await line.parts.encoder(one)).content
    for wrong in ((encoder, head[:-4]), (encoder, b""), (b"no encoder", head)):
        with pytest.raises(FailedPrecondition) as caught:
            await line.categorizers.put_together(*wrong, "small-1+fed2")
        assert caught.value.reason == "MODEL_INVALID"
    two = await line.repository.add(new_version(one, head[:-4]))
    await line.service.published(two, promote=True)
    with pytest.raises(FailedPrecondition):
        await line.service.promote_version(2)
    assert (line.registry.registered, line.registry.tries) == ({}, 0)


async def test_without_a_registry_nothing_can_be_promoted(line: Line) -> None:
    alone = line.again(registry=None)
    await alone.service.published(await alone.publish(), promote=True)
    with pytest.raises(FailedPrecondition) as caught:
        await alone.service.promote_version(2)
    assert caught.value.reason == "REGISTRY_NOT_CONFIGURED"


async def test_going_back_adds_a_version_and_what_was_spent_stays_spent(line: Line) -> None:
    for _ in range(2):
        await line.service.published(await line.publish(step=0.2), promote=True)
    three, back = await line.service.get_version(3), await line.service.roll_back(2)
    assert (back.version, back.parent_version, back.round_id, back.contributor_count) == (4, 2, None, 0)
    assert await line.service.head(4) == await line.service.head(2)
    assert (back.epsilon, back.unamplified_epsilon, back.privacy) == (three.epsilon, three.unamplified_epsilon, three.privacy)
    assert back.metrics == {"rolled_back_from": 3}
    # The newest answered: so does this one.
    assert line.registry.live == back.registry_version == "3-00000000"
    assert line.registry.registered[back.registry_version].parent_version == "1-00000000"
    # To what is newest already there is no way back; rounds go on from there.
    assert (await line.service.roll_back(4)).version == 4
    five = await line.publish()
    assert (five.version, five.parent_version) == (5, 4)


async def test_while_a_round_is_open_nobody_goes_back(line: Line) -> None:
    await line.publish()
    opened = await line.open_round()
    with pytest.raises(AlreadyExists) as caught:
        await line.service.roll_back(1)
    assert (caught.value.reason, caught.value.metadata) == ("ROUND_OPEN", {"round_id": str(opened)})
    assert (await line.service.latest()).version == 2


async def test_going_back_lets_nothing_answer_where_the_newest_did_not(line: Line) -> None:
    await line.service.published(await line.publish(), promote=True)
    await line.service.published(await line.publish(), promote=False)
    back = await line.service.roll_back(1)
    assert back.registry_version == "3-00000000"
    assert line.registry.live == "1-00000000"


# News


@pytest.mark.requirement("FED-11")
async def test_a_new_version_is_told_of_once_by_each_process(line: Line) -> None:
    """FED-11: and whoever asks gets it."""
    two = await line.publish()
    await line.service.published(two, promote=False)
    await line.handovers.hand_over_all()
    assert line.events.told == [2]
    assert (await line.service.latest()).version == 2
    # Of one whose process died before it told, the next one does.
    await line.publish()
    await line.again().handovers.hand_over_all()
    assert line.events.told == [2, 3]
