"""A correction: it stands in the ledger, counts for the next answer on its merchant, and moves nobody else's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID

import pytest
import uuid_utils.compat

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import transaction_pb2
from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.catching_up import CatchingUp
from services.categorization.repository import PostgresWordsRepository
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from tests.categorization.conftest import Stack, payment
from tests.conftest import AsRole
from tests.support.categorization_fakes import FakeLedger

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER, MODEL = pb.CLASSIFICATION_SOURCE_USER, pb.CLASSIFICATION_SOURCE_MODEL


@pytest.mark.requirement("CAT-07")
async def test_classify_feedback_updates_db(stack: Stack, as_role: AsRole) -> None:
    """CAT-07: the row of the correction, and the transaction's category."""
    (transaction_id,) = await stack.add_rows(["REWE MARKT 4711"])
    correction = await stack.correct(transaction_id, "dining")
    assert (correction.category, correction.previous_category, correction.transaction_id) == ("dining", "", str(transaction_id))
    assert correction.merchant_key == "rewe markt"
    found = await stack.transaction(transaction_id)
    assert (found.category, found.category_source) == ("dining", transaction_pb2.CATEGORY_SOURCE_USER)
    async with as_role("categorization", stack.user_id) as connection:
        row = await connection.fetchrow("SELECT * FROM categorization.corrections")
        assert (row["id"], row["transaction_id"], row["category"]) == (UUID(correction.correction_id), transaction_id, "dining")
        assert (row["description"], str(row["amount"]), row["currency"]) == ("REWE MARKT 4711", "-12.3000", "EUR")
        assert await connection.fetchval("SELECT category FROM categorization.anchors WHERE subject = $1", str(transaction_id)) == "dining"


async def test_one_correction_changes_the_next_answer_for_that_merchant_and_that_user_alone(stack: Stack) -> None:
    other = stack.other_user()
    before = await other.classify("REWE MARKT 815")
    await stack.correct("REWE MARKT 4711", "dining_restaurant")
    answer = await stack.classify("REWE MARKT 815")
    assert (answer.category, answer.source) == ("dining_restaurant", USER)
    assert "You put Rewe Markt into" in answer.reasons[0]
    assert " once" in answer.reasons[0]
    assert (await stack.classify("shell")).source == MODEL
    assert await other.classify("REWE MARKT 815") == before


@pytest.mark.requirement("CAT-08", "REL-18")
async def test_the_last_word_on_a_transaction_wins_and_the_one_before_is_taken_back(stack: Stack, as_role: AsRole) -> None:
    """CAT-08."""
    (transaction_id,) = await stack.add_rows(["REWE MARKT 4711"])
    await stack.correct(transaction_id, "dining")
    second = await stack.correct(transaction_id, "transport")
    assert second.previous_category == "dining"
    assert (await stack.classify("REWE MARKT")).category == "transport"
    async with as_role("categorization", stack.user_id) as connection:
        assert await connection.fetch("SELECT category FROM categorization.anchors") == [("transport",)]
        assert await connection.fetchval("SELECT count(*) FROM categorization.corrections") == 2
    # Whatever the batch says, the transaction stays what the user said.
    answers = await stack.batch([payment("REWE MARKT 4711", transaction_id=str(transaction_id)), payment("shell")])
    assert (answers[0].category, answers[0].source) == ("transport", USER)
    assert (await stack.transaction(transaction_id)).category_source == transaction_pb2.CATEGORY_SOURCE_USER


async def test_a_category_of_the_users_own_is_an_answer(stack: Stack) -> None:
    request = accounts_pb.CreateCategoryRequest(request_id="1", name="Climbing", primary_slug="entertainment")
    created = (await stack.ask_ledger("CreateCategory", request)).category
    await stack.correct("BOULDERHALLE", created.slug)
    answer = await stack.classify("BOULDERHALLE")
    assert (answer.category, answer.primary_category) == ("climbing", "entertainment")


async def test_the_same_request_is_one_correction(stack: Stack, as_role: AsRole) -> None:
    first = await stack.correct("REWE", "dining", "request-1")
    assert await stack.correct("REWE", "dining", "request-1") == first
    for changed in ({"subject": "REWE", "category": "housing"}, {"subject": "other", "category": "dining"}):
        with pytest.raises(AlreadyExists) as caught:
            await stack.correct(**changed, request_id="request-1")
        assert caught.value.reason == "REQUEST_ID_REUSED"
    await stack.other_user().correct("REWE", "housing", "request-1")
    async with as_role("categorization", stack.user_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM categorization.corrections") == 1


async def test_corrections_at_once_leave_one_word_in_ledger_and_anchors_alike(stack: Stack, as_role: AsRole) -> None:
    ids = await stack.add_rows([f"SHOP {number}" for number in range(10)])
    for one in ids:
        await asyncio.gather(*(stack.correct(one, category) for category in ("dining", "housing", "transport", "travel")))
    async with as_role("categorization", stack.user_id) as connection:
        anchors = dict(await connection.fetch("SELECT subject::uuid, category FROM categorization.anchors"))
        assert await connection.fetchval("SELECT count(*) FROM categorization.corrections") == 40
    assert anchors == {one: (await stack.transaction(one)).category for one in ids}


async def test_of_two_bodies_with_one_request_id_at_once_the_ledger_holds_the_one_that_was_taken(stack: Stack) -> None:
    for number, one in enumerate(await stack.add_rows([f"SHOP {number}" for number in range(10)])):
        answers = await asyncio.gather(
            *(stack.correct(one, category, f"request-{number}") for category in ("dining", "housing", "transport")), return_exceptions=True
        )
        (taken,) = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert [answer.reason for answer in answers if isinstance(answer, AlreadyExists)] == ["REQUEST_ID_REUSED"] * 2
        assert (await stack.transaction(one)).category == taken.category


async def test_a_transaction_is_open_again_once_the_user_takes_the_word_back(stack: Stack, as_role: AsRole) -> None:
    (transaction_id,) = await stack.add_rows(["REWE MARKT"])
    await stack.correct(transaction_id, "dining")
    assert (await stack.correct(transaction_id, "uncategorized")).previous_category == "dining"
    found = await stack.transaction(transaction_id)
    assert (found.category, found.category_source) == ("", transaction_pb2.CATEGORY_SOURCE_UNSPECIFIED)
    assert (await stack.classify("REWE MARKT", transaction_id=str(transaction_id))).source == MODEL
    async with as_role("categorization", stack.user_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM categorization.anchors") == 0


async def said_elsewhere(stack: Stack, transaction_id: UUID, category: str) -> None:
    """By an edit of many, or by hand while this service was away: the ledger alone hears of it."""
    await stack.ask_ledger("SetCategory", accounts_pb.SetCategoryRequest(transaction_id=str(transaction_id), category=category))


async def test_what_the_user_says_by_another_way_is_the_word_on_a_transaction_too(stack: Stack) -> None:
    known, new = await stack.add_rows(["REWE MARKT", "SHELL 12"])
    correction = await stack.correct(known, "dining")
    first = await stack.classify("REWE MARKT", transaction_id=str(known))
    assert first.reasons == [f"You put this payment into Dining on {correction.create_time.ToDatetime().date()}."]
    for one in (known, new):
        await said_elsewhere(stack, one, "travel")
        answer = await stack.classify("REWE MARKT", transaction_id=str(one))
        assert (answer.category, answer.source, answer.confidence) == ("travel", USER, 1)
        assert answer.reasons == ["You put this payment into Travel."]
    await said_elsewhere(stack, new, "uncategorized")
    assert (await stack.classify("SHELL 12", transaction_id=str(new))).source == MODEL


async def test_what_was_learned_from_a_word_that_is_no_more_is_put_right_at_the_next_look(stack: Stack) -> None:
    (transaction_id,) = await stack.add_rows(["REWE MARKT"])
    await stack.correct(transaction_id, "dining")
    await said_elsewhere(stack, transaction_id, "travel")
    await stack.classify("REWE MARKT", transaction_id=str(transaction_id))
    assert (await stack.classify("REWE MARKT")).category == "travel"
    await said_elsewhere(stack, transaction_id, "uncategorized")
    assert (await stack.classify("REWE MARKT", transaction_id=str(transaction_id))).category == "travel", "until it has caught up"
    assert (await stack.classify("REWE MARKT", transaction_id=str(transaction_id))).source == MODEL


async def test_catching_up_never_undoes_what_was_said_meanwhile(stack: Stack) -> None:
    (transaction_id,) = await stack.add_rows(["REWE MARKT"])
    await stack.correct(transaction_id, "dining")
    await said_elsewhere(stack, transaction_id, "travel")
    words = PostgresWordsRepository(stack.app.database)

    class SaidMeanwhile(FakeLedger):
        async def user_categories(self, transaction_ids: Collection[UUID]) -> Mapping[UUID, str]:
            await stack.correct(transaction_id, "housing")
            return dict.fromkeys(transaction_ids, "travel")

    assert not await CatchingUp(words, SaidMeanwhile()).catch_up(stack.user_id, {transaction_id: "travel"})
    assert (await stack.classify("REWE MARKT")).category == "housing"


async def test_a_payment_in_no_ledger_is_taken_back_by_uncategorized(stack: Stack) -> None:
    await stack.correct("REWE", "dining")
    assert (await stack.correct("REWE", "uncategorized")).previous_category == "dining"
    assert (await stack.classify("REWE")).source == MODEL


async def test_what_is_wrong_changes_nothing(stack: Stack) -> None:
    (transaction_id,) = await stack.add_rows(["REWE"])
    for subject, category in ((transaction_id, "nonsense"), ("REWE", "nonsense"), ("REWE", ""), (transaction_id, "x" * 101)):
        with pytest.raises(InvalidArgument) as caught:
            await stack.correct(subject, category)
        assert caught.value.fields[0].field == "category"
        assert "ListCategories" not in caught.value.message
    with pytest.raises(NotFound):
        await stack.correct(uuid_utils.compat.uuid7(), "dining")
    with pytest.raises(NotFound):
        await stack.other_user().correct(transaction_id, "dining")
    with pytest.raises(InvalidArgument):
        await stack.call("RecordCorrection", pb.RecordCorrectionRequest(request_id="1", category="dining"))
    assert (await stack.classify("REWE")).source == MODEL
    assert (await stack.transaction(transaction_id)).category == ""


async def test_another_user_sees_and_changes_no_row(stack: Stack, as_role: AsRole, other_user_id: UUID) -> None:
    await stack.correct("REWE", "dining")
    async with as_role("categorization", other_user_id) as connection:
        for table in ("corrections", "anchors", "revisions"):
            assert await connection.fetch(f"SELECT * FROM categorization.{table}") == []
            assert await connection.execute(f"DELETE FROM categorization.{table}") == "DELETE 0"
