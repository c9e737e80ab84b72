"""What ingestion does when everything of a user is erased: in which order, and what stands in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
import uuid_utils.compat

from services.ingestion.stored_uploads import StoredUploads
from services.ingestion.user_data.leftovers import ImportLeftovers
from services.ingestion.user_data.service import IngestionUserDataService
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, RestoredTable
from tests.support.ingestion_fakes import FakeImportsRepository
from tests.support.queue_fakes import FakeImportEvents, FakeImportQueue, FakeUploadStorage

ROWS = [ErasedTable("imports", 2)]


class FakeUserData:
    """A repository that notes what it is asked."""

    def __init__(self, import_ids: Sequence[UUID]) -> None:
        self.asked: list[str] = []
        self.stop_error: Exception | None = None
        self.erase_error: Exception | None = None
        self._import_ids = list(import_ids)

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        raise NotImplementedError

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        raise NotImplementedError

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        return ROWS

    async def stop_work(self, user_id: UUID) -> None:
        self.asked.append("stop")
        if self.stop_error is not None:
            raise self.stop_error

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        return (await self.erase_imports(user_id))[0]

    async def erase_imports(self, user_id: UUID) -> tuple[list[ErasedTable], list[UUID]]:
        self.asked.append("erase")
        if self.erase_error is not None:
            raise self.erase_error
        return ROWS, self._import_ids


class Bench:
    """The service with its fakes: one import of the user waits, and one of somebody else."""

    def __init__(self) -> None:
        self.user_id, self.other_id = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
        self.import_id, self.other_import = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
        self.repository = FakeUserData([self.import_id])
        self.storage, self.queue, self.events = FakeUploadStorage(), FakeImportQueue(), FakeImportEvents()
        for user, found in ((self.user_id, self.import_id), (self.other_id, self.other_import)):
            self.storage.put(f"uploads/{user}/{found}.1", b"x", None)  # type: ignore[arg-type]
            self.queue.messages.append((user, found))
            self.events.logs[found] = []
        uploads = StoredUploads(FakeImportsRepository(), self.storage)
        self.service = IngestionUserDataService(self.repository, ImportLeftovers(uploads, self.queue, self.events), max_exports=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_erase_user_leaves_only_what_is_somebody_elses(bench: Bench) -> None:
    assert await bench.service.count_user(bench.user_id) == ROWS
    assert await bench.service.erase_user(bench.user_id) == ROWS
    assert bench.repository.asked == ["stop", "erase"]
    assert list(bench.storage.objects) == [f"uploads/{bench.other_id}/{bench.other_import}.1"]
    assert bench.queue.messages == [(bench.other_id, bench.other_import)]
    assert list(bench.events.logs) == [bench.other_import]


async def test_when_another_service_began_there_is_nothing_to_stop_any_more(bench: Bench) -> None:
    bench.repository.stop_error = Unauthenticated("erased", reason="USER_ERASED")
    assert await bench.service.erase_user(bench.user_id) == ROWS
    assert bench.queue.messages == [(bench.other_id, bench.other_import)]
    bench.repository.stop_error = Unauthenticated("who", reason="TOKEN_EXPIRED")
    with pytest.raises(Unauthenticated):
        await bench.service.erase_user(bench.user_id)


async def test_what_is_being_written_leaves_everything_as_it_is(bench: Bench) -> None:
    bench.repository.erase_error = Unavailable("an import", reason="USER_BUSY")
    with pytest.raises(Unavailable):
        await bench.service.erase_user(bench.user_id)
    assert len(bench.storage.objects) == len(bench.queue.messages) == 2


@pytest.mark.parametrize("down", ["storage", "queue", "events"])
async def test_what_cannot_be_reached_is_erased_when_it_is_asked_again(bench: Bench, down: str) -> None:
    bench.storage.broken = Unavailable("away") if down == "storage" else None
    bench.queue.down, bench.events.down = down == "queue", down == "events"
    with pytest.raises(Unavailable):
        await bench.service.erase_user(bench.user_id)
    bench.storage.broken, bench.queue.down, bench.events.down = None, False, False
    await bench.service.erase_user(bench.user_id)
    assert len(bench.storage.objects) == len(bench.queue.messages) == len(bench.events.logs) == 1


async def test_without_queue_and_storage_the_tables_are_all_there_is(bench: Bench) -> None:
    service = IngestionUserDataService(bench.repository, ImportLeftovers(None, None, None), max_exports=1)
    assert await service.erase_user(bench.user_id) == ROWS
