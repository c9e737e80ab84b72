"""What categorization holds about a user, handed over, brought back and erased, on the wire."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1 import user_data_service_pb2 as user_data_pb
from scale.categorization.v1.user_data_service_pb2_grpc import UserDataServiceStub
from services.categorization.learning.domain import Tally
from services.categorization.learning.repository import PostgresLearningRepository
from services.categorization.user_data.service import CategorizationUserDataService
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.handover import ErasedTable
from tests.categorization.conftest import Stack, payment
from tests.conftest import AsRole

pytestmark = pytest.mark.asyncio(loop_scope="module")

Files = dict[str, bytes]
OTHERS = ("revisions", "jobs", "job_chunks", "suggestions", "suggestion_members", "user_models", "acceptance")


async def export(stack: Stack) -> Files:
    files: Files = {}
    call = UserDataServiceStub(stack.channel).ExportUser(user_data_pb.ExportUserRequest(), metadata=stack.metadata, timeout=30)
    async for part in call:
        match part.WhichOneof("payload"):
            case "file_name":
                name = part.file_name
                files[name] = b""
            case "chunk":
                files[name] += part.chunk
            case "end":
                assert [one.file_name for one in part.end.files] == list(files)
    return files


async def restore(stack: Stack, files: Files) -> dict[str, int]:
    parts = []
    for name, content in files.items():
        parts.append(user_data_pb.RestoreUserRequest(file_name=name))
        if content:
            parts.append(user_data_pb.RestoreUserRequest(chunk=content))
    parts.append(user_data_pb.RestoreUserRequest(end=user_data_pb.RestoreUserEnd(file_count=len(files))))
    answer = await UserDataServiceStub(stack.channel).RestoreUser(parts, metadata=stack.metadata, timeout=30)
    return {one.table: one.restored_count for one in answer.tables}


async def erase(stack: Stack, *, validate_only: bool = False) -> dict[str, int]:
    request = user_data_pb.EraseUserRequest(validate_only=validate_only)
    answer = await UserDataServiceStub(stack.channel).EraseUser(request, metadata=stack.metadata, timeout=30)
    return {one.table: one.row_count for one in answer.tables}


async def rich(stack: Stack, as_role: AsRole) -> None:
    """A user with something in every table."""
    await stack.correct("REWE", "dining")
    await stack.correct("REWE", "housing")
    await stack.correct("cafe", "dining")
    user = str(stack.user_id)
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute(f"""
            INSERT INTO categorization.jobs (user_id, id, request_id, request_hash, kind, lease_expires_at, cursor)
            VALUES ('{user}', gen_random_uuid(), '1', '', 'classification', now(), 'x');
            INSERT INTO categorization.job_chunks (user_id, job_id, number, inputs) SELECT user_id, id, 0, '[]' FROM categorization.jobs;
            INSERT INTO categorization.suggestions
                (user_id, id, job_id, name, primary_slug, score, transaction_count, reason, merchant_keys)
            SELECT user_id, gen_random_uuid(), id, 'Climbing', 'entertainment', 0.5, 1, 'because', '{{a,"b c"}}' FROM categorization.jobs;
            INSERT INTO categorization.suggestion_members
                (user_id, suggestion_id, position, transaction_id, merchant_key, description, amount)
            SELECT user_id, id, 0, gen_random_uuid(), 'a', 'A', -1.5 FROM categorization.suggestions;
            INSERT INTO categorization.user_models (user_id, version, base_version, content_hash, artifact)
            VALUES ('{user}', '1-abc', 'hypcd-test+2', repeat('a', 64), 'x');
            INSERT INTO categorization.acceptance (user_id, day, classified) VALUES ('{user}', current_date, 1);
        """)


async def test_an_export_brings_back_what_counts(stack: Stack, as_role: AsRole) -> None:
    await rich(stack, as_role)
    files = await export(stack)
    assert {name: content.count(b"\n") for name, content in files.items()} == {
        "corrections.jsonl": 3, "anchors.jsonl": 2, "jobs.jsonl": 1, "suggestions.jsonl": 1, "suggestion_members.jsonl": 1,
    }  # fmt: skip
    other = stack.other_user()
    assert (await other.classify("REWE")).source == pb.CLASSIFICATION_SOURCE_MODEL
    restored = await restore(other, files)
    assert restored == {"corrections": 3, "anchors": 2, "jobs": 1, "suggestions": 1, "suggestion_members": 1}
    # At once, though the service had answered for this user before.
    assert (await other.classify("REWE")).category == "housing"
    async with as_role("categorization", other.user_id) as connection:
        job = await connection.fetchrow("SELECT * FROM categorization.jobs")
        assert (job["state"], job["error_reason"], job["lease_expires_at"], job["in_queue"]) == ("failed", "INTERRUPTED", None, False)
    assert set((await restore(other, files)).values()) == {0}


async def test_erasing_leaves_nothing_and_stops_what_runs(stack: Stack, as_role: AsRole) -> None:
    await rich(stack, as_role)
    kept = stack.other_user()
    await kept.correct("REWE", "dining")
    counts = {"corrections": 3, "anchors": 2, "jobs": 1, "suggestions": 1, "suggestion_members": 1}
    assert await erase(stack, validate_only=True) == counts
    assert (await stack.classify("cafe")).category == "dining"
    assert await erase(stack) == counts
    assert set((await erase(stack)).values()) == {0}
    async with as_role("migrator", None) as connection:
        for table in ("corrections", "anchors", *OTHERS):
            count = f"SELECT count(*) FROM categorization.{table} WHERE user_id = $1"
            assert await connection.fetchval(count, stack.user_id) == 0, table
    # Nor does a count come back that was made before; one of a user who stays does.
    tallies = [Tally(one.user_id, date(2026, 5, 1), 1, 0) for one in (stack, kept)]
    await PostgresLearningRepository(stack.app.database).add_acceptance(tallies, age_s=60)
    async with as_role("migrator", None) as connection:
        counted = "SELECT user_id FROM categorization.acceptance WHERE user_id = ANY ($1) AND day = '2026-05-01'"
        assert await connection.fetchval(counted, [stack.user_id, kept.user_id]) == kept.user_id
    # What was in memory counts no more; somebody else's does.
    assert (await stack.batch([payment("cafe")]))[0].source == pb.CLASSIFICATION_SOURCE_MODEL
    assert (await kept.classify("REWE")).category == "dining"


class Erasing:
    """`UserDataRepository`, `Messages` and `KeptAnswers` at once."""

    def __init__(self, **errors: Exception) -> None:
        self.asked: list[str] = []
        self._errors = errors

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what in self._errors:
            raise self._errors[what]

    async def stop_work(self, user_id: UUID) -> None:
        self._note("stop")

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        self._note("erase")
        return [ErasedTable("anchors", 1)]

    async def discard(self, user_id: UUID) -> None:
        self._note("discard")

    async def drop(self, user_id: UUID) -> None:
        self._note("drop")


@pytest.mark.parametrize(
    ("errors", "asked", "raised"),
    [
        ({}, ["stop", "erase", "discard", "drop"], None),
        ({"stop": Unauthenticated("", reason="USER_ERASED")}, ["stop", "erase", "discard", "drop"], None),
        ({"stop": Unauthenticated("", reason="TOKEN_EXPIRED")}, ["stop"], Unauthenticated),
        ({"erase": Unavailable("", reason="USER_BUSY")}, ["stop", "erase"], Unavailable),
        ({"discard": Unavailable("")}, ["stop", "erase", "discard"], Unavailable),
    ],
)
async def test_the_order_of_an_erasure(user_id: UUID, errors: dict[str, Exception], asked: list[str], raised: Any) -> None:
    erasing = Erasing(**errors)
    service = CategorizationUserDataService(erasing, erasing, erasing, max_exports=1)  # type: ignore[arg-type]
    if raised is None:
        assert await service.erase_user(user_id) == [ErasedTable("anchors", 1)]
    else:
        with pytest.raises(raised):
            await service.erase_user(user_id)
    assert erasing.asked == asked
