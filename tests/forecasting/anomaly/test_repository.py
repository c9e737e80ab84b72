"""Records of anomalies: in memory and on PostgreSQL the same; and how PostgreSQL finds them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import uuid_utils.compat

from services.forecasting.anomaly.domain import (
    Anomaly,
    AnomalyFilter,
    AnomalyKind,
    AnomalyPosition,
    AnomalyState,
    Finding,
    Outcome,
    ScanState,
    Severity,
)
from services.forecasting.anomaly.repository import SELECT_OPEN_PAGE, SELECT_PAGE
from services.forecasting.jobs.domain import Begun, Job, JobKind, NewJob
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.forecasting.anomaly.conftest import RealStore, Store
from tests.support.anomaly_fakes import finding
from tests.support.forecasting_job_fakes import new_job

OPEN, DISMISSED, RESOLVED = AnomalyState.OPEN, AnomalyState.DISMISSED, AnomalyState.RESOLVED
ANY = AnomalyFilter(state=None)


def scan_of(user_id: UUID) -> NewJob:
    return new_job(user_id, JobKind.SCAN, request_id=str(uuid_utils.compat.uuid7()))


async def running_scan(store: Store, user_id: UUID) -> Job:
    job, begun = await store.repository.record_scan(scan_of(user_id), lease_s=60, most_open=9)
    assert begun is Begun.NEW
    running = await store.jobs.claim(user_id, job.id, lease_s=60)
    assert running is not None
    return running


async def scan(store: Store, user_id: UUID, outcome: Outcome) -> Job:
    """One that comes to this."""
    running = await running_scan(store, user_id)
    assert await store.repository.conclude(running, outcome, cutoff=await store.repository.now()) is False
    return running


async def found(store: Store, user_id: UUID, *findings: Finding) -> list[Anomaly]:
    """As they are known once a scan has found them."""
    await scan(store, user_id, Outcome(7, findings))
    known = {one.key: one for one in await store.repository.known(user_id)}
    return [known[one.key] for one in findings]


async def listed(store: Store, user_id: UUID, where: AnomalyFilter = ANY, *, limit: int = 1000) -> list[Anomaly]:
    """By pages."""
    anomalies: list[Anomaly] = []
    after = None
    while True:
        page, _ = await store.repository.list_anomalies(user_id, where=where, limit=limit, after=after)
        if not page:
            return anomalies
        anomalies += page
        after = AnomalyPosition(page[-1].occurred_on, page[-1].id)


async def test_what_was_found_is_kept_whole(store: Store, user_id: UUID) -> None:
    new = finding()
    (one,) = await found(store, user_id, new)
    assert {name.name: getattr(one, name.name) for name in dataclasses.fields(Finding)} == {
        name.name: getattr(new, name.name) for name in dataclasses.fields(Finding)
    }
    assert (one.state, one.closed_at) == (OPEN, None)
    assert await store.repository.get(user_id, one.id) == one
    bare = finding("b", transaction_ids=(), account_id=None, category="", merchant="", amount=None, evidence={})
    (kept,) = await found(store, user_id, bare)
    assert (kept.transaction_ids, kept.account_id, kept.amount, kept.evidence) == ((), None, None, {})


async def test_the_same_finding_is_kept_once_and_as_it_was_told(store: Store, user_id: UUID) -> None:
    (first,) = await found(store, user_id, finding())
    later = dataclasses.replace(finding(), reason="in other words", severity=Severity.HIGH)
    job = await scan(store, user_id, Outcome(8, (later,)))
    assert await store.repository.known(user_id) == [first]
    told = await store.repository.get_scan(user_id, job.id)
    assert told is not None
    assert (told.state, told.transaction_count, told.found_count, told.resolved_count) == (ScanState.SUCCEEDED, 8, 0, 0)


async def test_a_dismissal_can_be_taken_back_and_both_may_be_repeated(store: Store, user_id: UUID) -> None:
    (one,) = await found(store, user_id, finding())
    dismissed = await store.repository.change_state(user_id, one.id, before=None, after=DISMISSED)
    assert dismissed is not None
    assert dismissed.state is DISMISSED
    assert dismissed.closed_at is not None
    # A second dismissal is not a later one.
    assert await store.repository.change_state(user_id, one.id, before=None, after=DISMISSED) == dismissed
    for _ in range(2):
        assert await store.repository.change_state(user_id, one.id, before=DISMISSED, after=OPEN) == one
    assert await store.repository.change_state(user_id, uuid4(), before=None, after=DISMISSED) is None


async def test_a_scan_settles_what_is_open_and_opens_what_was_settled_never_what_was_dismissed(store: Store, user_id: UUID) -> None:
    one, other = await found(store, user_id, finding("a"), finding("b"))
    await store.repository.change_state(user_id, other.id, before=None, after=DISMISSED)
    ids = (one.id, other.id, uuid4())
    job = await scan(store, user_id, Outcome(7, resolved=ids))
    assert {found.id: found.state for found in await store.repository.known(user_id)} == {one.id: RESOLVED, other.id: DISMISSED}
    told = await store.repository.get_scan(user_id, job.id)
    assert told is not None
    assert told.resolved_count == 1
    unchanged = await store.repository.change_state(user_id, one.id, before=DISMISSED, after=OPEN)
    assert unchanged is not None
    assert unchanged.state is RESOLVED
    await scan(store, user_id, Outcome(7, reopened=ids))
    assert {found.id: found.state for found in await store.repository.known(user_id)} == {one.id: OPEN, other.id: DISMISSED}


async def test_an_attempt_that_is_over_stores_nothing(store: Store, user_id: UUID) -> None:
    running = await running_scan(store, user_id)
    await store.jobs.put_back(running, lease_s=60, counts=True, in_queue=True)
    assert await store.repository.conclude(running, Outcome(7, (finding(),)), cutoff=await store.repository.now()) is None
    assert await store.repository.known(user_id) == []
    waiting = await store.repository.get_scan(user_id, running.id)
    assert waiting is not None
    assert waiting.state is ScanState.PENDING
    taken = await store.jobs.claim(user_id, running.id, lease_s=60)
    assert taken is not None
    assert await store.repository.conclude(taken, Outcome(7, (finding(),)), cutoff=await store.repository.now()) is False
    assert await store.repository.conclude(taken, Outcome(7, (finding("b"),)), cutoff=await store.repository.now()) is None
    assert len(await store.repository.known(user_id)) == 1


async def test_a_ledger_that_changed_while_it_was_read_is_due_again(store: Store, user_id: UUID) -> None:
    repository = store.repository
    await repository.note_change(user_id)
    assert user_id in await repository.due(100_000)
    running = await running_scan(store, user_id)
    cutoff = await repository.now()
    await repository.note_change(user_id)
    assert await repository.conclude(running, Outcome(1), cutoff=cutoff) is True
    assert user_id in await repository.due(100_000)
    await scan(store, user_id, Outcome(1))
    assert user_id not in await repository.due(100_000)
    _, scanned_at = await repository.list_anomalies(user_id, where=ANY, limit=1, after=None)
    assert scanned_at is not None
    assert scanned_at > cutoff


async def test_a_ledger_that_is_due_comes_up_until_a_scan_of_it_is_begun(store: Store, user_id: UUID) -> None:
    await scan(store, user_id, Outcome(1))
    await store.let_it_be_due(user_id)
    assert await store.repository.due(1) == [user_id]
    await store.repository.put_off(user_id)
    assert user_id not in await store.repository.due(100_000)


async def test_pages_hold_each_once_the_latest_day_first(store: Store, user_id: UUID) -> None:
    days = [date(2026, 3, 1) + timedelta(days=number // 2) for number in range(9)]
    known = await found(store, user_id, *(finding(str(number), occurred_on=day) for number, day in enumerate(days)))
    for where in (ANY, AnomalyFilter()):
        in_order = await listed(store, user_id, where, limit=2)
        assert in_order == sorted(known, key=lambda one: (one.occurred_on, one.id), reverse=True)


async def test_filters_hold_together(store: Store, user_id: UUID) -> None:
    account_id = uuid4()
    odd = await found(
        store,
        user_id,
        finding("a", severity=Severity.LOW),
        finding("b", severity=Severity.HIGH, account_id=account_id, occurred_on=date(2026, 4, 1)),
        finding("c", kind=AnomalyKind.BURST, occurred_on=date(2026, 5, 1)),
    )
    low, high, burst = (one.id for one in odd)
    await store.repository.change_state(user_id, burst, before=None, after=DISMISSED)
    for where, expected in (
        (AnomalyFilter(), [high, low]),
        (AnomalyFilter(state=DISMISSED), [burst]),
        (AnomalyFilter(state=RESOLVED), []),
        (ANY, [burst, high, low]),
        (AnomalyFilter(None, AnomalyKind.UNUSUAL_AMOUNT), [high, low]),
        (AnomalyFilter(None, minimum_severity=Severity.MEDIUM), [burst, high]),
        (AnomalyFilter(account_id=account_id), [high]),
        (AnomalyFilter(None, date_from=date(2026, 4, 1)), [burst, high]),
        (AnomalyFilter(None, date_from=date(2026, 4, 1), date_to=date(2026, 4, 1)), [high]),
        (AnomalyFilter(minimum_severity=Severity.HIGH, date_to=date(2026, 3, 31)), []),
    ):
        assert [one.id for one in await listed(store, user_id, where, limit=1)] == expected, where


async def test_nobody_else_meets_them(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    (one,) = await found(store, user_id, finding())
    job = await scan(store, user_id, Outcome(1))
    repository = store.repository
    assert await repository.get(other_user_id, one.id) is None
    assert await repository.change_state(other_user_id, one.id, before=None, after=DISMISSED) is None
    assert await repository.get_scan(other_user_id, job.id) is None
    assert await repository.known(other_user_id) == []
    assert await repository.list_anomalies(other_user_id, where=ANY, limit=9, after=None) == ([], None)
    await scan(store, other_user_id, Outcome(1, (finding(),), resolved=(one.id,)))
    assert await repository.get(user_id, one.id) == one


async def test_row_level_security_holds_for_who_forgets_to_say_whose(as_role: AsRole, real: RealStore, user_id: UUID) -> None:
    await found(real, user_id, finding())
    stranger = uuid4()
    for table in ("anomalies", "scans", "ledgers"):
        async with as_role("forecasting", user_id) as connection:
            assert await connection.fetchval(f"SELECT count(*) FROM forecasting.{table}") == 1
        async with as_role("forecasting", stranger) as connection:
            assert await connection.fetchval(f"SELECT count(*) FROM forecasting.{table}") == 0
            assert await connection.execute(f"DELETE FROM forecasting.{table}") == "DELETE 0"
        async with as_role("forecasting", None) as connection:
            assert await connection.fetchval(f"SELECT count(*) FROM forecasting.{table}") == 0
        async with as_role("forecasting", stranger) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"INSERT INTO forecasting.{table} (user_id) VALUES ($1)", user_id)


async def test_two_scans_of_one_ledger_at_a_time_cannot_be(real: RealStore, user_id: UUID) -> None:
    begun = await asyncio.gather(*(real.repository.record_scan(scan_of(user_id), lease_s=60, most_open=9) for _ in range(5)))
    assert len({job.id for job, _ in begun}) == 1
    assert sorted(what for _, what in begun) == [*[Begun.ANOTHER_OPEN] * 4, Begun.NEW]
    async with real.database.transaction(user_id) as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(
                """
                INSERT INTO forecasting.jobs (user_id, id, lease_expires_at, kind, request_id, request_hash)
                VALUES ($1, gen_random_uuid(), now(), 'scan', 'x', sha256(''))
                """,
                user_id,
            )


FILL = """
    INSERT INTO forecasting.anomalies
        (user_id, id, finding_key, kind, severity, score, reason, currency, occurred_on, state, closed_at)
    SELECT $1, gen_random_uuid(), 'burst:' || md5(n::text), 'burst', 1 + n % 3, 0.5, 'x', 'EUR', '2026-01-01'::date - n,
           CASE WHEN n % 10 = 0 THEN 'open' ELSE 'dismissed' END, CASE WHEN n % 10 > 0 THEN now() END
      FROM generate_series(1, $2::int) AS n
"""


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(found for below in plan.get("Plans", []) for found in nodes(below))]


@pytest.fixture
async def grown(servers: LocalSystem, user_id: UUID) -> AsyncIterator[UUID]:
    """A user with 5,000 anomalies, one in ten of them open, among 20 others."""
    users = [user_id, *(uuid4() for _ in range(20))]
    connection = await asyncpg.connect(servers.migrator_url)
    try:
        for user in users:
            await connection.execute(FILL, user, 5_000 if user == user_id else 500)
        await connection.execute("ANALYZE forecasting.anomalies")
        yield user_id
    finally:
        await connection.execute("DELETE FROM forecasting.anomalies WHERE user_id = ANY ($1)", users)
        await connection.close()


@pytest.mark.requirement("ANO-06")
async def test_open_anomalies_are_found_by_their_own_index(as_role: AsRole, grown: UUID) -> None:
    async with as_role("forecasting", grown) as connection:

        async def explain(statement: str, *arguments: object) -> list[dict[str, Any]]:
            plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
            return nodes(json.loads(plan)[0]["Plan"])

        nothing = (None,) * 5
        for after in ((None, None), (date(2020, 1, 1), uuid4())):
            for statement, index, state in (
                (SELECT_OPEN_PAGE, "idx_anomalies_open", ()),
                (SELECT_PAGE, "idx_anomalies_day", (None,)),
            ):
                plan = await explain(statement, grown, 51, *after, *nothing, *state)
                (scan,) = [one for one in plan if "Scan" in one["Node Type"]]
                assert scan["Index Name"] == index
                assert scan["Actual Rows"] <= 51
                assert not [one for one in plan if "Sort" in one["Node Type"]]
