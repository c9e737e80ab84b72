"""What an export holds of versions comes back as the user's own, whoever restores it, and answers nobody."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from services.kit import context
from services.kit.errors import InvalidArgument, NotFound
from services.training.domain import CATEGORIZER
from services.training.user_data.repository import PostgresTrainingUserData
from tests.support.user_files import KeptFiles, as_incoming
from tests.training.registry.conftest import WORKER, Registry, a_new_user

VERSIONS = "model_versions.jsonl"


@pytest.fixture
def user_data(registry: Registry) -> PostgresTrainingUserData:
    return PostgresTrainingUserData(registry.database, statement_timeout_s=30)


async def restored_by(registry: Registry, user_data: PostgresTrainingUserData, user_id: UUID, files: dict[str, bytes]) -> Registry:
    """Another user with these files."""
    context.bind_background(user_id, WORKER, since=await registry.database.now())
    await user_data.restore_user(user_id, as_incoming(files))
    return Registry(registry.database, registry.storage, registry.folder, user_id, registry.answering)


async def exported(registry: Registry, user_data: PostgresTrainingUserData) -> dict[str, bytes]:
    kept = KeptFiles()
    await user_data.export_user(registry.user_id, kept)
    return kept.files


async def test_versions_come_back_and_answer_nobody(registry: Registry, user_data: PostgresTrainingUserData, other_user_id: UUID) -> None:
    one = await registry.register(b"1")
    await registry.register(b"2", better=False)
    other = await restored_by(registry, user_data, other_user_id, await exported(registry, user_data))
    assert await other.versions() == [(2, "retired"), (1, "retired")]
    found = await other.service.get_version(other_user_id, CATEGORIZER, one.version)
    assert found.artifact_key == f"models/{other_user_id}/categorizer/{one.version}"
    # The user's own artefact did not come along, and no other is reached under its name.
    with pytest.raises(NotFound) as caught:
        await other.service.promote_version(other_user_id, CATEGORIZER, one.version, administrator=False)
    assert caught.value.reason == "ARTIFACT_GONE"
    assert await other.deliver()
    assert other.answer == ""
    assert (await other.register(b"3")).number == 3


async def test_a_file_cannot_name_what_is_somebody_elses(
    registry: Registry, user_data: PostgresTrainingUserData, other_user_id: UUID
) -> None:
    made = await registry.register(b"1")
    files = await exported(registry, user_data)
    row = json.loads(files[VERSIONS])
    assert row["artifact_key"] == made.artifact_key
    with pytest.raises(NotFound):
        other = await restored_by(registry, user_data, other_user_id, {VERSIONS: json.dumps(row).encode() + b"\n"})
        await other.artifacts.read(await other.service.get_version(other_user_id, CATEGORIZER, made.version))
    for forged in (
        {"version": f"../../{registry.user_id}/categorizer/{made.version}"},
        {"model_type": f"../{registry.user_id}/categorizer"},
        {"model_type": f"x/../../{registry.user_id}/categorizer", "version": made.version},
    ):
        with pytest.raises(InvalidArgument):
            await restored_by(registry, user_data, a_new_user(), {VERSIONS: json.dumps(row | forged).encode() + b"\n"})
