"""The training service on the wire, without a worker: what is asked wrongly, who may see what, notifications, and a user's own data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
import uuid_utils.compat

from scale.training.v1 import notifications_service_pb2 as notifications_pb
from scale.training.v1 import training_service_pb2 as pb
from scale.training.v1 import user_data_service_pb2 as user_data_pb
from scale.training.v1.user_data_service_pb2_grpc import UserDataServiceStub
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.local import LocalSystem
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, NOBODY
from tests.conftest import AsRole
from tests.support.gateway_app import RedisProcess
from tests.training.stack import PENDING, Stack, serving_training

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW_NOTIFICATIONS = """
    INSERT INTO training.notifications (user_id, id, kind, title, body, subject_id)
    SELECT $1, id, 'training_failed', 'title ' || n, 'body', n::text FROM unnest($2::uuid[]) WITH ORDINALITY AS new (id, n)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(servers: LocalSystem, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    redis = RedisProcess()
    redis.start()
    folder: Path = tmp_path_factory.mktemp("training")
    async with serving_training(servers.service_url("training"), redis.url, folder) as stack:
        yield stack
    redis.kill()


@pytest.fixture
def stack(running: Stack) -> Stack:
    """A user whom nobody has seen before."""
    return running.other_user()


async def notified(stack: Stack, count: int) -> list[str]:
    """The newest first."""
    ids = [uuid_utils.compat.uuid7() for _ in range(count)]
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute(NEW_NOTIFICATIONS, stack.user_id, ids)
    return [str(one) for one in reversed(ids)]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.StartTrainingJobRequest(model="categorizer"), "request_id"),
        (pb.StartTrainingJobRequest(request_id="x" * 37, model="categorizer"), "request_id"),
        (pb.StartTrainingJobRequest(request_id="1"), "model"),
        (pb.StartTrainingJobRequest(request_id="1", model="forecaster"), "model"),
        (pb.StartTrainingJobRequest(request_id="1", model="a\x00"), "model"),
        (pb.GetTrainingJobRequest(job_id="x"), "job_id"),
        (pb.CancelTrainingJobRequest(), "job_id"),
        (pb.ListTrainingJobsRequest(page_size=-1), "page_size"),
        (pb.ListTrainingJobsRequest(page_token="x"), "page_token"),
        (pb.ListTrainingJobsRequest(status=99), "status"),  # type: ignore[arg-type]
        (pb.ListTrainingJobsRequest(model="forecaster"), "model"),
        (notifications_pb.ListNotificationsRequest(page_token="x"), "page_token"),
        (notifications_pb.MarkNotificationsReadRequest(notification_ids=["x"]), "notification_ids[0]"),
        (notifications_pb.MarkNotificationsReadRequest(notification_ids=[str(NOBODY)] * 1001), "notification_ids"),
    ],
)
async def test_what_is_asked_wrongly_is_named(stack: Stack, request_: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await stack.call(type(request_).__name__.removesuffix("Request"), request_)
    assert [one.field for one in refused.value.fields] == [field]


async def test_jobs_are_listed_by_pages_and_cancelled(stack: Stack) -> None:
    jobs = []
    for _ in range(3):
        job = await stack.start()
        assert (job.status, job.trigger) == (PENDING, pb.TRAINING_TRIGGER_USER)
        assert not job.HasField("progress")
        cancelled = (await stack.call("CancelTrainingJob", pb.CancelTrainingJobRequest(job_id=job.job_id))).job
        assert cancelled.status == pb.TRAINING_JOB_STATUS_CANCELLED
        jobs.append(job.job_id)
    for status in (pb.TRAINING_JOB_STATUS_UNSPECIFIED, pb.TRAINING_JOB_STATUS_CANCELLED):
        first = await stack.call("ListTrainingJobs", pb.ListTrainingJobsRequest(page_size=2, status=status))
        request = pb.ListTrainingJobsRequest(page_size=2, status=status, page_token=first.next_page_token)
        second = await stack.call("ListTrainingJobs", request)
        assert [one.job_id for one in (*first.jobs, *second.jobs)] == jobs[::-1]
        assert second.next_page_token == ""
        # A token is for the same question of the same user.
        with pytest.raises(InvalidArgument):
            await stack.other_user().call("ListTrainingJobs", request)
        request.model = CATEGORIZER
        with pytest.raises(InvalidArgument):
            await stack.call("ListTrainingJobs", request)
    assert not (await stack.call("ListTrainingJobs", pb.ListTrainingJobsRequest(status=PENDING))).jobs
    events = await stack.watch(jobs[0])
    assert (events[-1].kind, events[-1].job.status) == (pb.TRAINING_EVENT_KIND_FAILED, pb.TRAINING_JOB_STATUS_CANCELLED)


async def test_global_models_are_for_administrators(stack: Stack) -> None:
    with pytest.raises(PermissionDenied):
        await stack.start(CATEGORIZER_GLOBAL)
    admin = stack.other_user()
    admin.role = "admin"
    async with stack.app.database.transaction(NOBODY) as connection:
        await connection.execute("DELETE FROM training.training_jobs WHERE user_id = $1", NOBODY)
    job = await admin.start(CATEGORIZER_GLOBAL)
    assert (await admin.job(job.job_id)).model == CATEGORIZER_GLOBAL
    with pytest.raises(NotFound):
        await stack.job(job.job_id)
    listed = await admin.call("ListTrainingJobs", pb.ListTrainingJobsRequest(model=CATEGORIZER_GLOBAL))
    assert job.job_id in [one.job_id for one in listed.jobs]
    await admin.call("CancelTrainingJob", pb.CancelTrainingJobRequest(job_id=job.job_id))


async def test_notifications_are_listed_and_noted_as_seen(stack: Stack) -> None:
    newest_first = await notified(stack, 5)
    first = await stack.call("ListNotifications", notifications_pb.ListNotificationsRequest(page_size=3))
    second = await stack.call("ListNotifications", notifications_pb.ListNotificationsRequest(page_size=3, page_token=first.next_page_token))
    assert [one.notification_id for one in (*first.notifications, *second.notifications)] == newest_first
    assert (first.unread_count, second.next_page_token) == (5, "")
    assert not first.notifications[0].HasField("read_time")
    some = notifications_pb.MarkNotificationsReadRequest(notification_ids=[newest_first[1], str(uuid_utils.compat.uuid7())])
    other = stack.other_user()
    assert (await other.call("MarkNotificationsRead", some)).read_count == 0
    assert [(await stack.call("MarkNotificationsRead", some)).read_count for _ in range(2)] == [1, 0]
    unread = await stack.call("ListNotifications", notifications_pb.ListNotificationsRequest(unread_only=True))
    assert [one.notification_id for one in unread.notifications] == [newest_first[0], *newest_first[2:]]
    assert (await stack.call("MarkNotificationsRead", notifications_pb.MarkNotificationsReadRequest())).read_count == 4
    assert await stack.notifications() != []
    assert (await stack.call("ListNotifications", notifications_pb.ListNotificationsRequest())).unread_count == 0
    assert await other.notifications() == []


async def test_notifications_are_kept_for_ninety_days(stack: Stack) -> None:
    from services.training.notifications.repository import PostgresNotificationsRepository
    from services.training.notifications.service import NotificationsService

    newest_first = await notified(stack, 3)
    async with stack.app.database.transaction(stack.user_id) as connection:
        age = "UPDATE training.notifications SET created_at = now() - $2::float8 * interval '1 day' WHERE id = $1"
        await connection.execute(age, UUID(newest_first[1]), 89.9)
        await connection.execute(age, UUID(newest_first[2]), 90.1)
    await NotificationsService(PostgresNotificationsRepository(stack.app.database)).expire_notifications(days=90)
    assert [one.notification_id for one in await stack.notifications()] == newest_first[:2]


# The user's own data


async def export(stack: Stack) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    call = UserDataServiceStub(stack.channel).ExportUser(user_data_pb.ExportUserRequest(), metadata=stack.metadata, timeout=30)
    name = ""
    async for part in call:
        match part.WhichOneof("payload"):
            case "file_name":
                name = part.file_name
                files[name] = b""
            case "chunk":
                files[name] += part.chunk
    return files


async def restore(stack: Stack, files: dict[str, bytes]) -> dict[str, int]:
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


async def rich(stack: Stack) -> str:
    """A user with something in every table, an artefact, and a job that is open."""
    await notified(stack, 2)
    key = f"models/{stack.user_id}/categorizer/1-aaaaaaaa"
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute(
            """
            INSERT INTO training.model_versions (user_id, id, model_type, number, version, stage, promoted_at, content_hash, size_bytes,
                artifact_key, data_cutoff_at, code_version, job_id)
            VALUES ($1, gen_random_uuid(), 'categorizer', 1, '1-aaaaaaaa', 'live', now(), repeat('a', 64), 1, $2, now(), '1',
                gen_random_uuid())
            """,
            stack.user_id,
            key,
        )
    path = stack.folder / "objects" / key
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    return (await stack.start()).job_id


async def test_an_export_brings_back_what_was_and_nothing_that_runs(stack: Stack, as_role: AsRole) -> None:
    await rich(stack)
    files = await export(stack)
    assert {name: content.count(b"\n") for name, content in files.items()} == {
        "training_jobs.jsonl": 1, "model_versions.jsonl": 1, "notifications.jsonl": 2,
    }  # fmt: skip
    other = stack.other_user()
    assert await restore(other, files) == {"training_jobs": 1, "model_versions": 1, "notifications": 2}
    assert set((await restore(other, files)).values()) == {0}
    async with as_role("training", other.user_id) as connection:
        job = await connection.fetchrow("SELECT * FROM training.training_jobs")
        assert (job["status"], job["error_reason"], job["lease_expires_at"], job["in_queue"]) == ("failed", "INTERRUPTED", None, False)
        assert await connection.fetchval("SELECT stage FROM training.model_versions") == "retired"
    await other.start()


async def test_erasing_leaves_nothing_and_stops_what_runs(stack: Stack, as_role: AsRole) -> None:
    job_id = await rich(stack)
    kept = stack.other_user()
    kept_job_id = await rich(kept)
    counts = {"training_jobs": 1, "model_versions": 1, "notifications": 2}
    assert await erase(stack, validate_only=True) == counts
    assert await erase(stack) == counts
    assert set((await erase(stack)).values()) == {0}
    async with as_role("migrator", None) as connection:
        for table in counts:
            found = await connection.fetch(f"SELECT user_id FROM training.{table} WHERE user_id = ANY ($1)", [stack.user_id, kept.user_id])
            assert {record[0] for record in found} == {kept.user_id}, table
    assert not (stack.folder / "objects" / "models" / str(stack.user_id)).exists()
    assert (stack.folder / "objects" / "models" / str(kept.user_id)).exists()
    held = await stack.redis_texts()
    assert not [text for text in held if str(stack.user_id) in text or job_id in text]
    assert {f"job:{kept_job_id}", f"events:training:{kept_job_id}", str(kept.user_id)} <= set(held)


async def test_a_service_without_redis_tells_what_is_and_begins_nothing(servers: LocalSystem, tmp_path: Path) -> None:
    async with serving_training(servers.service_url("training"), None, tmp_path) as stack:
        with pytest.raises(FailedPrecondition) as refused:
            await stack.start()
        assert refused.value.reason == "QUEUE_NOT_CONFIGURED"
        assert not (await stack.call("ListTrainingJobs", pb.ListTrainingJobsRequest())).jobs
        assert await erase(stack) == {"training_jobs": 0, "model_versions": 0, "notifications": 0}
