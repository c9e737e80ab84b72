"""Versions registered, promoted, rolled back, delivered and removed, on the real database and a real folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.kit import context
from services.kit.errors import FailedPrecondition, NotFound, PermissionDenied, Unavailable
from services.local import LocalSystem
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, NOBODY, AttemptOver, ModelVersion, Stage
from services.training.registry.registration import ModelRegistry
from services.training.registry.repository import PostgresVersionsRepository
from tests.conftest import AsRole
from tests.support.registry_fakes import CUTOFF, trained
from tests.training.registry.conftest import WORKER, Registry, a_new_user, soon

AWAY = Unavailable("away", reason="UNAVAILABLE")


async def promote(registry: Registry, version: str, *, administrator: bool = False, model: str = CATEGORIZER) -> ModelVersion:
    return await registry.service.promote_version(registry.user_id, model, version, administrator=administrator)


async def roll_back(registry: Registry, version: str = "", *, administrator: bool = False, model: str = CATEGORIZER) -> str | None:
    found = await registry.service.roll_back(registry.user_id, model, version, administrator=administrator)
    return found.version if found else None


# What a job has made


async def test_what_is_better_answers(registry: Registry) -> None:
    job = await registry.job()
    made = await registry.registry.register(job, trained(b"a head"))
    digest = hashlib.sha256(b"a head").hexdigest()
    assert (made.number, made.version, made.stage) == (1, f"1-{digest[:8]}", Stage.LIVE)
    assert (made.content_hash, made.size_bytes, made.code_version, made.job_id) == (digest, 6, "1.2.3", job.id)
    assert (made.parent_version, made.data_cutoff_at) == ("hypcd-1.0.0+1a2b3c4d", CUTOFF)
    assert made.metrics == {"accuracy": 0.91, "accuracy_before": 0.88, "rows": 1200}
    assert registry.files() == {f"models/{registry.user_id}/categorizer/{made.version}"}
    assert registry.answering.answers == {registry.user_id: (made.version, b"a head")}
    assert (await registry.service.get_live_version(registry.user_id, CATEGORIZER)).delivered_at is not None


async def test_what_is_live_is_there_to_be_compared_with(registry: Registry) -> None:
    assert await registry.registry.live(registry.user_id, CATEGORIZER) is None
    made = await registry.register(b"1")
    await registry.register(b"2", better=False)
    assert await registry.registry.live(registry.user_id, CATEGORIZER) == (made.version, b"1")
    (registry.folder / made.artifact_key).unlink()
    assert await registry.registry.live(registry.user_id, CATEGORIZER) is None


async def test_what_is_not_better_changes_nothing(registry: Registry) -> None:
    live = await registry.register(b"one")
    candidate = await registry.register(b"two", better=False)
    assert candidate.stage is Stage.CANDIDATE
    assert await registry.versions() == [(2, "candidate"), (1, "live")]
    assert registry.answering.told == [live.version]
    assert candidate.promoted_at is None


async def test_a_job_registers_once(registry: Registry) -> None:
    job = await registry.job()
    first = await registry.registry.register(job, trained(b"a head"))
    again = await registry.registry.register(job, trained(b"another head, of a second run"))
    assert again.id == first.id
    assert await registry.versions() == [(1, "live")]
    assert registry.answering.told == [first.version]


async def test_both_runs_of_a_job_at_once_register_once(registry: Registry) -> None:
    job = await registry.job()
    made = await asyncio.gather(*(registry.registry.register(job, trained(b"a head")) for _ in range(4)))
    assert len({one.id for one in made}) == 1
    assert await registry.artifacts.read(made[0]) == b"a head"
    # What a run that came too late has stored, the clock removes.
    assert made[0].artifact_key in registry.files()


async def test_the_same_model_again_is_not_published(registry: Registry) -> None:
    first = await registry.register(b"a head")
    again = await registry.register(b"a head")
    assert (first.stage, again.stage, again.content_hash) == (Stage.LIVE, Stage.CANDIDATE, first.content_hash)
    # What answers is handed over once more: it may be damaged there.
    assert registry.answering.told == [registry.answering.told[0]] * 2
    assert (await registry.register(b"another head")).stage is Stage.LIVE


async def test_numbers_are_given_once(registry: Registry) -> None:
    """Jobs of a user come one by one; the registry does not count on it."""
    await registry.register(b"1")

    class Late(PostgresVersionsRepository):
        late = True

        async def next_number(self, user_id: UUID, model_type: str) -> int:
            if self.late:
                self.late = False
                return 1
            return await super().next_number(user_id, model_type)

    late = ModelRegistry(Late(registry.database), registry.artifacts, registry.delivery, code_version="1", kept_versions=3)
    made = await late.register(await registry.job(), trained(b"2"))
    assert made.number == 2
    assert await registry.artifacts.read(made) == b"2"
    assert await registry.versions() == [(2, "live"), (1, "retired")]


async def test_a_worker_whose_attempt_is_over_registers_nothing(registry: Registry) -> None:
    job = await registry.job()
    with pytest.raises(AttemptOver):
        await registry.registry.register(replace(job, attempt=0), trained())
    await registry.job()
    with pytest.raises(AttemptOver):
        await registry.registry.register(job, trained())
    assert await registry.versions() == []
    assert registry.answering.told == []


async def test_figures_that_are_no_numbers_are_left_out(registry: Registry) -> None:
    made = await registry.register(metrics={"accuracy": float("nan"), "loss": float("inf"), "rows": 3, "kind": "head", "fitted": True})
    assert made.metrics == {"rows": 3, "kind": "head", "fitted": True}


async def test_an_empty_artefact_is_a_bug(registry: Registry) -> None:
    with pytest.raises(ValueError, match="empty"):
        await registry.register(b"")


# Forwards and back


async def test_back_and_forth(registry: Registry) -> None:
    one, two, three = [await registry.register(content) for content in (b"1", b"2", b"3")]
    assert registry.answer == three.version
    assert await roll_back(registry) == two.version
    assert registry.queue.woken == [(registry.user_id, CATEGORIZER)]
    assert registry.answer == three.version
    assert await registry.deliver()
    assert registry.answer == two.version
    assert await roll_back(registry) == one.version
    assert await roll_back(registry) is None
    assert await registry.versions() == [(3, "retired"), (2, "retired"), (1, "retired")]
    with pytest.raises(NotFound) as caught:
        await registry.service.get_live_version(registry.user_id, CATEGORIZER)
    assert caught.value.reason == "NO_LIVE_MODEL"
    with pytest.raises(FailedPrecondition) as nothing:
        await roll_back(registry)
    assert nothing.value.reason == "NO_LIVE_MODEL"
    assert await registry.repository.undelivered(1000) != []
    assert await registry.deliver()
    assert registry.answer == ""
    promoted = await promote(registry, two.version)
    assert promoted.stage is Stage.LIVE
    await registry.deliver()
    assert registry.answering.answers[registry.user_id] == (two.version, b"2")
    # Two was promoted last: the one before it is what was live before that.
    assert await roll_back(registry) == three.version


async def test_a_second_click_goes_back_once(registry: Registry) -> None:
    one, two, three = [await registry.register(content) for content in (b"1", b"2", b"3")]
    clicks = await asyncio.gather(*(roll_back(registry, three.version) for _ in range(5)))
    assert set(clicks) == {two.version}
    assert await roll_back(registry, one.version) == two.version
    candidate = await registry.register(b"4", better=False)
    assert await roll_back(registry, candidate.version) == two.version
    with pytest.raises(NotFound):
        await roll_back(registry, "9-00000000")


async def test_promoting_is_harmless_to_repeat(registry: Registry) -> None:
    one = await registry.register(b"1")
    two = await registry.register(b"2", better=False)
    first = await promote(registry, two.version)
    again = await promote(registry, two.version)
    assert again.promoted_at == first.promoted_at
    assert await registry.versions() == [(2, "live"), (1, "retired")]
    with pytest.raises(NotFound):
        await promote(registry, "1-nothing")
    assert await roll_back(registry) == one.version


async def test_many_at_once_leave_one_live_and_it_answers(registry: Registry) -> None:
    made = [await registry.register(bytes([65 + number]), better=False) for number in range(3)]

    async def change(number: int) -> None:
        if number % 4 == 3:
            await registry.repository.roll_back(registry.user_id, CATEGORIZER, made[number % 3].version)
        else:
            await promote(registry, made[number % 3].version)
        await registry.delivery.deliver(registry.user_id, CATEGORIZER)

    await asyncio.gather(*map(change, range(16)))
    stages = [stage for _, stage in await registry.versions()]
    assert stages.count("live") <= 1
    live = await registry.repository.live(registry.user_id, CATEGORIZER)
    assert registry.answer == (live.version if live else "")
    assert registry.user_id not in {user for user, _ in await registry.repository.undelivered(1000)}


# Delivery


async def test_what_cannot_be_delivered_waits(registry: Registry) -> None:
    registry.answering.down = AWAY
    made = await registry.register()
    assert made.stage is Stage.LIVE
    assert (registry.user_id, CATEGORIZER) in await registry.repository.undelivered(1000)
    assert not await registry.deliver()
    registry.answering.down = None
    assert await registry.deliver()
    assert registry.answer == made.version
    assert registry.user_id not in {user for user, _ in await registry.repository.undelivered(1000)}
    await registry.deliver()
    assert registry.answering.told == [made.version]


async def test_the_clock_says_to_each_user_what_waits(registry: Registry) -> None:
    registry.answering.down = AWAY
    made = {}
    for user_id in (registry.user_id, a_new_user()):
        job = await registry.job(user_id=user_id)
        context.bind_background(user_id, WORKER, since=await registry.database.now())
        made[user_id] = (await registry.registry.register(job, trained())).version
    since = await registry.database.now()

    def act_as(user_id: UUID) -> None:
        context.bind_background(user_id, WORKER, since=since)

    await registry.delivery.deliver_all(act_as)
    assert registry.answering.told == []
    registry.answering.down = None
    await registry.delivery.deliver_all(act_as)
    assert {user_id: version for user_id, (version, _) in registry.answering.answers.items() if user_id in made} == made


async def test_a_queue_that_is_away_keeps_nobody_from_going_back(registry: Registry) -> None:
    await registry.register()
    registry.queue.down = AWAY
    assert await roll_back(registry) is None
    assert (registry.user_id, CATEGORIZER) in await registry.repository.undelivered(1000)


async def test_what_changes_while_it_is_told_is_told_next(registry: Registry) -> None:
    await registry.register(b"1")
    two = await registry.register(b"2", better=False)
    await promote(registry, two.version)
    registry.answering.gate.clear()
    registry.answering.asked.clear()
    telling = asyncio.create_task(registry.deliver())
    await soon(registry.answering.asked.is_set)
    assert await roll_back(registry) is not None
    assert await roll_back(registry) is None
    # Another worker is woken, and waits for the first.
    second = asyncio.create_task(registry.deliver())
    await asyncio.sleep(0.1)
    registry.answering.gate.set()
    assert await telling
    assert await second
    assert registry.answering.told[-2:] == [two.version, ""]
    assert registry.user_id not in {user for user, _ in await registry.repository.undelivered(1000)}


async def test_a_version_that_is_refused_makes_way_for_the_one_before(registry: Registry) -> None:
    one = await registry.register(b"1")
    two = await registry.register(b"2", better=False)
    registry.answering.refused = [two.version]
    await promote(registry, two.version)
    assert await registry.deliver()
    assert registry.answer == one.version
    assert await registry.versions() == [(2, "retired"), (1, "live")]


async def test_a_version_whose_artefact_is_lost_makes_way_too(registry: Registry) -> None:
    registry.answering.down = AWAY
    made = await registry.register()
    (registry.folder / made.artifact_key).unlink()
    registry.answering.down = None
    assert await registry.deliver()
    assert registry.answering.told == [""]
    assert await registry.versions() == [(1, "retired")]


@pytest.mark.parametrize("damage", [b"", b"A HEAD", b"a head, and more"])
async def test_what_is_damaged_does_not_take_the_place_of_what_answers(registry: Registry, damage: bytes) -> None:
    live = await registry.register(b"1")
    candidate = await registry.register(b"a head", better=False)
    (registry.folder / candidate.artifact_key).write_bytes(damage)
    with pytest.raises(NotFound) as caught:
        await promote(registry, candidate.version)
    assert caught.value.reason == "ARTIFACT_GONE"
    assert await registry.versions() == [(2, "candidate"), (1, "live")]
    assert registry.answer == live.version


# Whose they are


async def test_nobody_sees_or_changes_what_is_another_users(registry: Registry, as_role: AsRole, other_user_id: UUID) -> None:
    made = await registry.register()
    stranger = replace(registry, user_id=other_user_id)
    assert await stranger.versions() == []
    for call in (
        stranger.service.get_version(other_user_id, CATEGORIZER, made.version),
        stranger.service.get_live_version(other_user_id, CATEGORIZER),
        promote(stranger, made.version),
        roll_back(stranger, made.version),
    ):
        with pytest.raises(NotFound):
            await call
    async with as_role("training", other_user_id) as connection:
        assert await connection.fetch("SELECT * FROM training.model_versions") == []
        assert await connection.execute("UPDATE training.model_versions SET stage = 'retired'") == "UPDATE 0"
    async with as_role("training", None) as connection:
        assert await connection.fetch("SELECT * FROM training.model_versions") == []
    assert await registry.versions() == [(1, "live")]


async def test_no_row_leads_to_an_artefact_of_somebody_else(registry: Registry, as_role: AsRole, other_user_id: UUID) -> None:
    """What an export brings back is of the user's own making: it could name whatever it likes."""
    made = await registry.register()
    copied = """
        INSERT INTO training.model_versions (user_id, id, model_type, number, version, content_hash, size_bytes, artifact_key,
                                             data_cutoff_at, code_version, job_id)
        VALUES ($1, $2, 'categorizer', $3, $4, $5, $6, $7, now(), '1', $2)
    """
    own = made.artifact_key.replace(str(registry.user_id), str(other_user_id))
    async with as_role("training", other_user_id) as connection:
        row = (other_user_id, a_new_user(), made.number, made.version, made.content_hash, made.size_bytes)
        async with connection.transaction():
            await connection.execute(copied, *row, own)
            assert await connection.fetchval("SELECT artifact_key FROM training.model_versions") == own
        row = (other_user_id, a_new_user(), made.number + 1, made.version + "0", *row[4:])
        for key in (made.artifact_key, f"models/{other_user_id}/../{registry.user_id}/categorizer/{made.version}"):
            with pytest.raises(asyncpg.CheckViolationError):
                async with connection.transaction():
                    await connection.execute(copied, *row, key)


async def global_version(registry: Registry, content: bytes) -> ModelVersion:
    context.bind_background(NOBODY, WORKER, since=await registry.database.now())
    job = await registry.job(CATEGORIZER_GLOBAL, NOBODY)
    return await registry.registry.register(job, trained(content))


async def test_global_models_are_everybodys_to_see_and_administrators_to_change(registry: Registry) -> None:
    one, two = await global_version(registry, b"1"), await global_version(registry, b"2")
    assert two.user_id == NOBODY
    # Whoever answers with it asks; nobody is told.
    assert two.delivered_at is not None
    assert registry.answering.told == []
    for user_id in (registry.user_id, a_new_user(), NOBODY):
        assert (await registry.service.get_live_version(user_id, CATEGORIZER_GLOBAL)).version == two.version
    for refused in (promote(registry, one.version, model=CATEGORIZER_GLOBAL), roll_back(registry, model=CATEGORIZER_GLOBAL)):
        with pytest.raises(PermissionDenied) as caught:
            await refused
        assert caught.value.reason == "ADMINS_ONLY"
    assert await roll_back(registry, administrator=True, model=CATEGORIZER_GLOBAL) == one.version
    assert (await promote(registry, two.version, administrator=True, model=CATEGORIZER_GLOBAL)).stage is Stage.LIVE
    assert registry.queue.woken == []
    assert NOBODY not in {user for user, _ in await registry.repository.undelivered(1000)}


# What is kept


@pytest.mark.requirement("REL-09", "REL-24", "TRN-22")
async def test_old_versions_go_with_their_artefacts(registry: Registry) -> None:
    await registry.register(b"1", metrics={"accuracy": 0.5})
    await registry.register(b"2", metrics={"accuracy": 0.6})
    best = await registry.register(b"3", better=False, metrics={"accuracy": 0.9})
    for number in range(4, 9):
        await registry.register(bytes([number]), better=False, metrics={"accuracy": 0.1})
    assert await registry.versions() == [
        (8, "candidate"),
        (7, "candidate"),
        (6, "candidate"),
        (3, "candidate"),
        (2, "live"),
        (1, "retired"),
    ]
    assert len(registry.files()) == 6
    assert best.artifact_key in registry.files()
    made = await registry.register(b"9")
    assert made.number == 9


async def test_artefacts_of_no_version_are_removed_after_a_while(registry: Registry) -> None:
    made = await registry.register()
    strange = {"models/readme", "models/shared/by/others", "uploads/one"}
    orphan, young = [f"models/{registry.user_id}/categorizer/{name}" for name in ("7-00000000", "8-00000000")]
    for key in (orphan, young, *strange):
        await registry.storage.put_bytes(key, b"x")
    long_ago = time.time() - 4000
    for key in (made.artifact_key, orphan, *strange):
        os.utime(registry.folder / key, (long_ago, long_ago))
    assert await registry.artifacts.remove_orphans() == 1
    assert registry.files() == {made.artifact_key, young, *strange}


async def test_erasing_takes_the_users_artefacts_alone(registry: Registry, other_user_id: UUID) -> None:
    await registry.register()
    kept = f"models/{other_user_id}/categorizer/1-00000000"
    await registry.storage.put_bytes(kept, b"x")
    await registry.artifacts.erase(registry.user_id)
    await registry.artifacts.erase(registry.user_id)
    assert registry.files() == {kept}


# A full disk

FULL = """
import asyncio, resource, sys
from pathlib import Path
from uuid import UUID
from services.kit import context
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.storage import ObjectStorage
from tests.support.registry_fakes import trained
from tests.training.registry.conftest import WORKER, Registry, database_settings

async def main(url: str, folder: str, user: str) -> None:
    database = Database(url, database_settings(url))
    await database.open()
    user_id = UUID(user)
    context.bind_background(user_id, WORKER, since=await database.now())
    registry = Registry(database, ObjectStorage(Path(folder).as_uri()), Path(folder), user_id)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        await registry.register(b"x" * 100_000)
    except Unavailable as error:
        print(error.reason)
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_full_disk_leaves_what_answers_alone(registry: Registry, servers: LocalSystem) -> None:
    """A limit on the size of files stands for it."""
    live = await registry.register(b"1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FULL, servers.service_url("training"), str(registry.folder), str(registry.user_id),
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    output, _ = await process.communicate()
    assert output.decode().splitlines()[-1] == "NO_STORAGE_ROOM"
    assert await registry.versions() == [(1, "live")]
    assert registry.files() == {live.artifact_key}
    assert await registry.artifacts.read(live) == b"1"
    assert registry.answer == live.version
    # When there is room again, the job goes on.
    assert (await registry.register(b"x" * 100_000)).number == 2
