"""What training reads and sets, on the wire: who may, whose words, and which model answers from then on."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1 import learning_service_pb2 as learning_pb
from services.categorization.learning.domain import KEPT_DAYS, WINDOW_DAYS, Tally
from services.categorization.learning.repository import PostgresLearningRepository
from services.categorization.learning.service import OldCounts
from services.categorization.schedule import EXPIRE_ACCEPTANCE, SCHEDULE, UPKEEP
from services.kit.errors import InvalidArgument, PermissionDenied
from tests.categorization.conftest import Stack, ask_learning, payment
from tests.conftest import AsRole
from tests.support.categorization_fakes import head_artifact

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = UUID(int=0)
TODAY = datetime.now(UTC).date()


async def set_model(stack: Stack, category: str, version: str = "1-abc", base_version: str = "hypcd-test+1") -> str:
    artifact = head_artifact(category, base_version)
    request = learning_pb.SetUserModelRequest(version=version, artifact=artifact, content_hash=hashlib.sha256(artifact).hexdigest())
    return str((await ask_learning(stack, "SetUserModel", request)).version)


@pytest.mark.parametrize("role", ["user", "admin"])
@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListAgreedCorrections", learning_pb.ListAgreedCorrectionsRequest(minimum_user_count=2)),
        ("ListLowAcceptance", learning_pb.ListLowAcceptanceRequest(maximum_ratio=0.7, minimum_classified_count=1)),
        ("GetAcceptance", learning_pb.GetAcceptanceRequest()),
        ("SetUserModel", learning_pb.SetUserModelRequest()),
    ],
)
async def test_what_is_for_services_is_for_nobody_else(stack: Stack, role: str, method: str, request_: Any) -> None:
    with pytest.raises(PermissionDenied):
        await ask_learning(stack, method, request_, role=role)


async def test_a_users_last_words_come_in_pages_the_latest_first(stack: Stack) -> None:
    (bought,) = await stack.add_rows(["CAFE CENTRAL"])
    await stack.correct("REWE", "dining")
    await stack.correct(bought, "housing")
    await stack.correct("REWE", "transport", day=date(2026, 5, 4))
    await stack.correct("REWE", "groceries")
    await stack.correct("SHELL", "transport")
    await stack.correct("SHELL", "uncategorized")
    await stack.other_user().correct("REWE", "housing")
    found, token = [], ""
    while True:
        page = await ask_learning(stack, "ListCorrections", learning_pb.ListCorrectionsRequest(page_size=2, page_token=token))
        found += page.corrections
        token = page.next_page_token
        if not token:
            break
    assert [(one.input.description, one.category, one.input.transaction_id) for one in found] == [
        ("REWE", "groceries", ""),
        ("REWE", "transport", ""),
        ("CAFE CENTRAL", "housing", str(bought)),
    ]
    assert (found[1].input.transaction_date.year, found[0].HasField("correct_time"), found[2].merchant_key) == (2026, True, "cafe central")
    assert (found[0].input.amount.units, found[0].input.amount.nanos, found[0].input.amount.currency_code) == (-12, -300_000_000, "XXX")
    own = await ask_learning(stack, "ListCorrections", learning_pb.ListCorrectionsRequest(), role="user")
    assert list(own.corrections) == found


async def test_only_what_several_users_agree_about_crosses_users(stack: Stack) -> None:
    """Merchants and system categories, one vote for each user, and never what one of them alone says."""
    shop, odd, own, alone, pay = (f"{name} {uuid_utils.compat.uuid7().hex[:12]}x" for name in ("shop", "odd", "own", "alone", "pay"))
    users = [stack.other_user() for _ in range(4)]
    words = [
        (shop, "dining", "-1", (0, 1, 2)), (shop, "housing", "-1", (3,)), (odd, "dining", "-1", (0, 1)), (odd, "housing", "-1", (2, 3)),
        (own, "my_own", "-1", (0, 1, 2)), (alone, "dining", "-1", (0,)), (pay, "income_salary", "5", (0, 1)), (pay, "dining", "-5", (2, 3)),
    ]  # fmt: skip
    for key, category, amount, who in words:
        for number in who:
            await put_anchor(users[number], key, category, amount)
    # The one who says it again and again, and once said something else, is one.
    await put_anchor(users[3], shop, "dining", "-1", subject="before", said_at=datetime(2020, 1, 1, tzinfo=UTC))
    await put_anchor(users[3], shop, "housing", "-1", subject="again")
    found: dict[tuple[str, bool], tuple[str, int]] = {}
    token = ""
    while True:
        request = learning_pb.ListAgreedCorrectionsRequest(minimum_user_count=2, page_size=1, page_token=token)
        page = await ask_learning(stack, "ListAgreedCorrections", request, user_id=NOBODY)
        assert len(page.corrections) <= 1
        found |= {(one.merchant_key, one.credit): (one.category, one.user_count) for one in page.corrections}
        token = page.next_page_token
        if not token:
            break
    keys = {shop, odd, own, alone, pay}
    assert {key: said for key, said in found.items() if key[0] in keys} == {
        (shop, False): ("dining", 3),
        (pay, True): ("income_salary", 2),
        (pay, False): ("dining", 2),
    }
    with pytest.raises(InvalidArgument, match="minimum_user_count"):
        await ask_learning(stack, "ListAgreedCorrections", learning_pb.ListAgreedCorrectionsRequest(minimum_user_count=1), user_id=NOBODY)


async def put_anchor(
    stack: Stack, key: str, category: str, amount: str, *, subject: str | None = None, said_at: datetime | None = None
) -> None:
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute(
            "INSERT INTO categorization.anchors (user_id, subject, merchant_key, category, description, amount, said_at)"
            " VALUES ($1, $2, $3, $4, 'SECRET', $5::text::numeric, coalesce($6, now()))",
            stack.user_id,
            subject or f"{key} {amount}",
            key,
            category,
            amount,
            said_at,
        )


async def test_a_users_own_model_answers_the_very_next_call_and_nobody_else(stack: Stack) -> None:
    other = stack.other_user()
    before = await stack.classify("CAFE CENTRAL")
    assert (before.category, before.model_version) == ("dining_cafe", "hypcd-test+1")
    assert await set_model(stack, "housing_rent") == "1-abc"
    after = await stack.classify("CAFE CENTRAL")
    assert (after.category, after.model_version, after.source) == ("housing_rent", "categorizer/1-abc", pb.CLASSIFICATION_SOURCE_MODEL)
    assert after.confidence == pytest.approx(0.8)
    infos = [(await one.call("GetModelInfo", pb.GetModelInfoRequest())).model for one in (stack, other)]
    assert [(info.version, info.own_version) for info in infos] == [("hypcd-test+1", "categorizer/1-abc"), ("hypcd-test+1", "")]
    assert "trained on what you have said" in after.reasons[0]
    assert await other.classify("CAFE CENTRAL") == before
    # What the user says of a merchant stands above it, as above every model.
    await stack.correct("CAFE CENTRAL", "dining")
    said = await stack.classify("CAFE CENTRAL")
    assert (said.category, said.source, said.model_version) == ("dining", pb.CLASSIFICATION_SOURCE_USER, "categorizer/1-abc")
    assert (await stack.classify("BAKERY")).category == "housing_rent"
    # The next version, the same again, and back to none.
    assert [await set_model(stack, "transport_fuel", "2-def") for _ in range(2)] == ["2-def"] * 2
    assert (await stack.classify("BAKERY")).model_version == "categorizer/2-def"
    assert (await ask_learning(stack, "SetUserModel", learning_pb.SetUserModelRequest())).version == ""
    assert (await stack.classify("BAKERY")).model_version == "hypcd-test+1"
    assert (await other.classify("CAFE CENTRAL")) == before


async def test_a_model_of_another_global_model_waits_for_it(stack: Stack) -> None:
    await set_model(stack, "housing_rent", base_version="hypcd-test+2")
    assert (await stack.classify("CAFE CENTRAL")).model_version == "hypcd-test+1"


async def test_what_is_stored_broken_is_passed_over(stack: Stack) -> None:
    await set_model(stack, "housing_rent")
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute("UPDATE categorization.user_models SET artifact = 'broken', content_hash = repeat('0', 64)")
        await connection.execute("UPDATE categorization.revisions SET revision = gen_random_uuid()")
    answer = await stack.classify("CAFE CENTRAL")
    assert (answer.category, answer.model_version, answer.degraded) == ("dining_cafe", "hypcd-test+1", False)


@pytest.mark.parametrize(
    ("version", "artifact", "content_hash", "why"),
    [
        ("1-abc", b"nothing of the kind", None, "no head"),
        ("1-abc", head_artifact("dining"), "0" * 64, "damaged"),
        ("1-abc", b"", None, "0 bytes"),
        ("1-abc", b"x" * (1024 * 1024 + 1), None, "1048577 bytes"),
        ("", head_artifact("dining"), None, "version"),
        ("1" * 201, head_artifact("dining"), None, "version"),
    ],
)
async def test_only_a_whole_model_is_taken(stack: Stack, version: str, artifact: bytes, content_hash: str | None, why: str) -> None:
    await set_model(stack, "housing_rent")
    request = learning_pb.SetUserModelRequest(
        version=version, artifact=artifact, content_hash=content_hash or hashlib.sha256(artifact).hexdigest()
    )
    with pytest.raises(InvalidArgument, match=why) as raised:
        await ask_learning(stack, "SetUserModel", request)
    assert (raised.value.reason == "ARTIFACT_INVALID") is (why != "version")
    assert (await stack.classify("BAKERY")).model_version == "categorizer/1-abc"


async def test_nobody_reads_anothers_model_or_counts(stack: Stack, as_role: AsRole) -> None:
    await set_model(stack, "housing_rent")
    await PostgresLearningRepository(stack.app.database).add_acceptance([Tally(stack.user_id, TODAY, 1, 0)], age_s=0)
    for user_id, count in ((stack.user_id, 1), (stack.other_user().user_id, 0)):
        async with as_role("categorization", user_id) as connection:
            for table in ("user_models", "acceptance"):
                mine = f"SELECT count(*) FROM categorization.{table} WHERE user_id = $1"
                assert await connection.fetchval(mine, stack.user_id) == count, table
                changed = await connection.execute(f"UPDATE categorization.{table} SET user_id = user_id WHERE user_id = $1", stack.user_id)
                assert changed == f"UPDATE {count}"


async def test_what_is_given_and_put_right_is_counted_by_user(stack: Stack, as_role: AsRole) -> None:
    """CAT-17: categories that a model gave to transactions, and of these the ones that the user put right."""
    ids = await stack.add_rows(["CAFE", "REWE", "SHELL", "NOBODY KNOWS"])
    await stack.batch([payment(text, transaction_id=str(one)) for text, one in zip(("CAFE", "REWE", "SHELL", "??"), ids, strict=True)])
    await stack.classify("CAFE")  # in no ledger
    async with stack.rows.transaction(stack.user_id) as connection:
        await connection.execute(
            "UPDATE accounts.transactions SET category = 'dining_cafe', category_source = 'model', confidence = 0.9 WHERE id = ANY ($1)",
            ids[:2],
        )
    await stack.correct(ids[0], "housing")
    await stack.correct(ids[0], "dining")  # the user's own word is put right, no model's
    await stack.correct(ids[1], "dining_cafe")  # agreed
    await stack.correct(ids[2], "transport")  # nothing stood there
    await stack.correct("CAFE", "dining")  # in no ledger
    await stack.app.tallies.flush()
    async with as_role("categorization", stack.user_id) as connection:
        record = await connection.fetchrow("SELECT day, classified, corrected FROM categorization.acceptance")
        assert tuple(record) == (TODAY, 3, 1)


@pytest.mark.parametrize(("corrected", "listed"), [(31, True), (29, False)])
async def test_users_who_put_too_much_right_are_named(stack: Stack, corrected: int, listed: bool) -> None:
    """69 % accepted is below 70 %, 71 % is not; what lies further back than a week counts no more."""
    repository = PostgresLearningRepository(stack.app.database)
    week_ago, before = TODAY - timedelta(days=WINDOW_DAYS - 1), TODAY - timedelta(days=WINDOW_DAYS)
    total = (await ask_learning(stack, "GetAcceptance", learning_pb.GetAcceptanceRequest(), user_id=NOBODY)).acceptance
    await repository.add_acceptance(
        [Tally(stack.user_id, week_ago, 60, 1), Tally(stack.user_id, TODAY, 40, corrected - 1), Tally(stack.user_id, before, 1000, 1000)],
        age_s=0,
    )
    users: dict[str, learning_pb.Acceptance] = {}
    token = ""
    while True:
        request = learning_pb.ListLowAcceptanceRequest(maximum_ratio=0.7, minimum_classified_count=100, page_size=1, page_token=token)
        page = await ask_learning(stack, "ListLowAcceptance", request, user_id=NOBODY)
        users |= {one.user_id: one.acceptance for one in page.users}
        token = page.next_page_token
        if not token:
            break
    assert (str(stack.user_id) in users) is listed
    if listed:
        found = users[str(stack.user_id)]
        assert (found.classified_count, found.corrected_count) == (100, 31)
        assert found.accepted_ratio == pytest.approx(0.69)
    more = (await ask_learning(stack, "GetAcceptance", learning_pb.GetAcceptanceRequest(), user_id=NOBODY)).acceptance
    assert (more.classified_count - total.classified_count, more.corrected_count - total.corrected_count) == (100, corrected)
    few = learning_pb.ListLowAcceptanceRequest(maximum_ratio=1, minimum_classified_count=101)
    assert str(stack.user_id) not in {one.user_id for one in (await ask_learning(stack, "ListLowAcceptance", few, user_id=NOBODY)).users}


@pytest.mark.parametrize(("ratio", "least"), [(0, 1), (1.1, 1), (float("nan"), 1), (0.7, 0), (0.7, -1)])
async def test_figures_out_of_bounds_are_refused(stack: Stack, ratio: float, least: int) -> None:
    request = learning_pb.ListLowAcceptanceRequest(maximum_ratio=ratio, minimum_classified_count=least)
    with pytest.raises(InvalidArgument):
        await ask_learning(stack, "ListLowAcceptance", request, user_id=NOBODY)


async def test_counts_are_forgotten_after_a_month(stack: Stack, as_role: AsRole) -> None:
    repository = PostgresLearningRepository(stack.app.database)
    days = [TODAY - timedelta(days=KEPT_DAYS + extra) for extra in (0, 1, 2)]
    await repository.add_acceptance([Tally(stack.user_id, day, 1, 0) for day in days], age_s=0)
    assert [(every.seconds, every.queue) for every in SCHEDULE if every.task == EXPIRE_ACCEPTANCE] == [(3600, UPKEEP)]
    old = OldCounts(repository)
    assert await old.expire_acceptance() >= 2
    assert await old.expire_acceptance() == 0
    async with as_role("categorization", stack.user_id) as connection:
        assert await connection.fetchval("SELECT array_agg(day) FROM categorization.acceptance") == [days[0]]
