"""Who writes for a user while, and after, everything of that user is erased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import pytest

from services.kit import context
from services.kit.auth import Identity
from services.kit.errors import DeadlineExceeded, Unauthenticated, Unavailable
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.conftest import AsRole

_ADD = "INSERT INTO accounts.profiles (user_id) VALUES ($1)"
_COUNT = "SELECT count(*) FROM accounts.profiles"
_KEPT = "SELECT true FROM accounts.profiles WHERE user_id = $1"
_ERASE = "DELETE FROM accounts.profiles"
_ENTRIES = "SELECT counts::text FROM auth.erasures WHERE user_digest = auth.user_digest() ORDER BY erased_at"


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    opened = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=2, DB_MAX_OVERFLOW=2, DB_STATEMENT_TIMEOUT=0.5))
    await opened.open()
    yield opened
    await opened.close()


@contextmanager
def signed_in(user_id: UUID, at: float | None, role: str = "user") -> Iterator[None]:
    """As a call with a token of that sign-in, or as work in the background since then."""
    context.bind_identity(Identity(user_id, role, token="", expires_at=0, signed_in_at=at))
    try:
        yield
    finally:
        context.bind_identity(None)


async def erase(database: Database, user_id: UUID, lock_timeout_s: float = 1) -> None:
    async with database.erasure(user_id, lock_timeout_s=lock_timeout_s, statement_timeout_s=5) as connection:
        await connection.execute(_ERASE)
        await connection.execute("SELECT auth.note_erased($1::jsonb)", '{"profiles": 1}')


async def write(database: Database, user_id: UUID) -> None:
    async with database.transaction(user_id) as connection:
        await connection.execute(_ADD, user_id)


async def count(database: Database, user_id: UUID) -> int:
    async with database.transaction(user_id, read_only=True) as connection:
        return int(await connection.fetchval(_COUNT))


async def test_an_older_token_writes_nothing_and_a_newer_one_starts_anew(database: Database, user_id: UUID) -> None:
    now = time.time()
    with signed_in(user_id, now):
        await write(database, user_id)
        await erase(database, user_id)
    for older in (None, 0, now - 3600, now):
        with signed_in(user_id, older):
            with pytest.raises(Unauthenticated, match="sign in again") as caught:
                await write(database, user_id)
            assert caught.value.reason == "USER_ERASED"
            assert await count(database, user_id) == 0
    with signed_in(user_id, time.time() + 1):
        await write(database, user_id)
        assert await count(database, user_id) == 1
    assert database.figures()["checked_out"] == 0


async def test_the_same_sign_in_may_finish_it_but_not_once_the_user_is_back(database: Database, user_id: UUID, as_role: AsRole) -> None:
    now = time.time()
    with signed_in(user_id, now):
        await erase(database, user_id)
        await erase(database, user_id)
    with signed_in(user_id, None):
        await erase(database, user_id)
    back = time.time() + 1
    with signed_in(user_id, back):
        await write(database, user_id)
    for older in (None, now):
        with signed_in(user_id, older), pytest.raises(Unauthenticated) as caught:
            await erase(database, user_id)
        assert caught.value.reason == "USER_ERASED"
    assert await count(database, user_id) == 1
    with signed_in(user_id, back):
        await erase(database, user_id)
    assert await count(database, user_id) == 0
    async with as_role("migrator", user_id) as connection:
        assert [entry for (entry,) in await connection.fetch(_ENTRIES)] == ['{"profiles": 3}', '{"profiles": 1}']


async def test_background_work_does_not_count_as_the_users_return(database: Database, user_id: UUID) -> None:
    """A worker may take up a task in a service that the erasure has not come to yet: later than the erasure began, and nobody's sign-in."""
    now = time.time()
    with signed_in(user_id, now):
        await erase(database, user_id)
    with signed_in(user_id, await database.now() + 1, role="service"):
        with pytest.raises(Unauthenticated) as caught:
            await write(database, user_id)
        assert caught.value.reason == "USER_ERASED"
    with signed_in(user_id, now):
        await erase(database, user_id)
    back = time.time() + 2
    with signed_in(user_id, back):
        await write(database, user_id)
    for since, admitted in ((now, False), (None, False), (back, True)):
        with signed_in(user_id, since, role="service"):
            if admitted:
                async with database.transaction(user_id) as connection:
                    assert await connection.execute("UPDATE accounts.profiles SET display_name = 'x'") == "UPDATE 1"
            else:
                with pytest.raises(Unauthenticated):
                    await write(database, user_id)


async def test_a_token_from_a_clock_that_is_ahead_is_closed_by_the_erasure_it_ordered(database: Database, user_id: UUID) -> None:
    ahead = time.time() + 20
    with signed_in(user_id, ahead):
        await erase(database, user_id)
        with pytest.raises(Unauthenticated):
            await write(database, user_id)


async def test_one_that_fails_erases_nothing_and_closes_nothing(database: Database, user_id: UUID) -> None:
    with signed_in(user_id, time.time()):
        await write(database, user_id)
        with pytest.raises(ZeroDivisionError):
            async with database.erasure(user_id, lock_timeout_s=1, statement_timeout_s=5) as connection:
                await connection.execute(_ERASE)
                raise ZeroDivisionError
        assert await count(database, user_id) == 1
        async with database.transaction(user_id) as connection:
            assert await connection.execute(_ERASE) == "DELETE 1"


async def test_who_is_writing_is_waited_for_and_who_comes_meanwhile_is_told(database: Database, user_id: UUID, other_user_id: UUID) -> None:
    with signed_in(user_id, time.time()):
        async with database.transaction(user_id) as connection:
            await connection.execute(_ADD, user_id)
            with pytest.raises(Unavailable) as busy:
                await erase(database, user_id, lock_timeout_s=0.1)
            erasing = asyncio.create_task(erase(database, user_id, lock_timeout_s=5))
            await asyncio.sleep(0.2)
            with pytest.raises(Unavailable) as meanwhile:
                await write(database, user_id)
            await write(database, other_user_id)
            assert await count(database, user_id) == 0
        await erasing
        assert await count(database, user_id) == 0
    assert (busy.value.reason, meanwhile.value.reason) == ("USER_BUSY", "ERASURE_IN_PROGRESS")


async def test_upkeep_without_a_token_waits_as_long_as_any_statement(database: Database, user_id: UUID) -> None:
    await write(database, user_id)
    async with database.erasure(user_id, lock_timeout_s=1, statement_timeout_s=5) as connection:
        with pytest.raises(DeadlineExceeded):
            await write(database, user_id)
        await connection.execute(_ERASE)
    async with database.transaction(user_id) as connection:
        assert await connection.execute("UPDATE accounts.profiles SET display_name = 'x'") == "UPDATE 0"


async def test_what_is_told_of_a_row_is_told_before_an_erasure_or_never(database: Database, user_id: UUID) -> None:
    told: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def tell() -> None:
        begun.set()
        await go_on.wait()
        told.append("told")

    async def while_kept() -> None:
        await database.while_kept(tell, user_id, _KEPT, user_id)

    await while_kept()
    assert not begun.is_set()
    await write(database, user_id)
    telling = asyncio.create_task(while_kept())
    await begun.wait()
    with pytest.raises(Unavailable) as busy:
        await erase(database, user_id, lock_timeout_s=0.1)
    assert busy.value.reason == "USER_BUSY"
    go_on.set()
    await telling
    assert told == ["told"]
    async with database.erasure(user_id, lock_timeout_s=1, statement_timeout_s=5) as connection:
        await while_kept()  # which does not wait
        await connection.execute(_ERASE)
    await while_kept()
    assert told == ["told"]
    assert database.figures()["checked_out"] == 0


async def test_without_the_database_nothing_is_told(servers: LocalSystem, user_id: UUID) -> None:
    async def tell() -> None:
        raise AssertionError

    await Database(servers.service_url("accounts"), DatabaseSettings()).while_kept(tell, user_id, _KEPT, user_id)


@pytest.mark.parametrize("role", ["accounts", "ingestion"])
@pytest.mark.parametrize("table", ["erasures", "returns", "erasure_secret"])
async def test_no_service_reads_who_was_erased(as_role: AsRole, user_id: UUID, role: str, table: str) -> None:
    async with as_role(role, user_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM auth.{table}")
    async with as_role(role, user_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT auth.user_digest()")


async def test_the_servers_clock(database: Database) -> None:
    assert abs(await database.now() - time.time()) < 5
