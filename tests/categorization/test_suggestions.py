"""Categories that nobody named: found among what belongs nowhere, taken up or put aside by the user."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
import uuid_utils.compat

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import transaction_pb2
from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.domain import Category, LedgerPage, LedgerTransaction, Payment, Source, WorkedOut
from services.categorization.jobs.domain import Job, JobKind, JobState
from services.categorization.jobs.repository import PostgresJobsRepository
from services.categorization.jobs.runs import JobRuns
from services.categorization.jobs.service import JobsService
from services.categorization.learned import LearnedUsers
from services.categorization.repository import PostgresWordsRepository
from services.categorization.rules_model import RulesModel
from services.categorization.suggestions.discovery import LEAST_MEMBERS, DiscoveryWork
from services.categorization.suggestions.repository import PostgresSuggestionsRepository
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from services.kit.postgres import Database
from tests.categorization.conftest import Stack
from tests.categorization.test_jobs import FakeQueue, Lists
from tests.support.categorization_fakes import FakeLedger, Silent, StillPredictor, load_head, shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPEN, ACCEPTED, DISMISSED = pb.SUGGESTION_STATE_OPEN, pb.SUGGESTION_STATE_ACCEPTED, pb.SUGGESTION_STATE_DISMISSED


class Looks:
    """Discovery on the real database, over a ledger in memory; what it finds, the service behind the wire shows."""

    def __init__(self, database: Database, user_id: UUID, ledger: FakeLedger) -> None:
        self.user_id, self.ledger = user_id, ledger
        self.predictor = StillPredictor()
        jobs = PostgresJobsRepository(database)
        self.service = JobsService(jobs, FakeQueue(), max_queued=9, max_open=9, message_lease_s=60)
        work = DiscoveryWork(
            repository=PostgresSuggestionsRepository(database),
            ledger=ledger,
            categories=Lists(ledger),  # type: ignore[arg-type]
            learned=LearnedUsers(PostgresWordsRepository(database), load_head=load_head, most_anchors=100),
            predictor=self.predictor,
            rules=Silent(),
            most_rows=2000,
        )
        self.runs = JobRuns(
            repository=jobs,
            queue=FakeQueue(),
            work={JobKind.DISCOVERY: work},
            lease_s=30,
            message_lease_s=60,
            results_days=7,
        )

    async def look(self) -> Job:
        job = await self.service.start_discovery(self.user_id, request_id=str(uuid_utils.compat.uuid7()))
        await self.runs.run_job(self.user_id, job.id)
        return await self.service.get_job(self.user_id, job.id)


HALLS = ["BOULDERHALLE NORD", "BOULDERHALLE OST", "BOULDERHALLE SUED"]


def groups_of(ledger: FakeLedger, ids: Sequence[UUID], *texts: str) -> None:
    """Payments, the texts in turn."""
    for number, one in enumerate(ids):
        text = texts[number % len(texts)]
        payment = shop(text)
        ledger.transactions[one] = LedgerTransaction(Payment(text, "", payment.amount, "EUR", payment.transaction_date, one), "", "", None)


async def suggestions(stack: Stack, state: pb.SuggestionState = OPEN, page_size: int = 0) -> list[pb.CategorySuggestion]:
    found: list[pb.CategorySuggestion] = []
    token = ""
    while True:
        page = await stack.call("ListSuggestions", pb.ListSuggestionsRequest(state=state, page_size=page_size, page_token=token))
        found += page.suggestions
        token = page.next_page_token
        if not token:
            return found


@pytest.fixture
def looks(stack: Stack) -> Looks:
    return Looks(stack.app.database, stack.user_id, FakeLedger())


def fill(ledger: FakeLedger) -> list[UUID]:
    """Climbing in three halls, three vets, one merchant of a kind of its own, some that are known, and too few of a kind."""
    halls = [uuid_utils.compat.uuid7() for _ in range(6)]
    groups_of(ledger, halls, *HALLS)
    groups_of(ledger, [uuid_utils.compat.uuid7() for _ in range(7)], "TIERARZT DR MILZ", "TIERARZT DR HALM", "TIERARZT DR KERN")
    groups_of(ledger, [uuid_utils.compat.uuid7() for _ in range(8)], "MODELLBAHN MEIER 17", "MODELLBAHN MEIER 18")
    groups_of(ledger, [uuid_utils.compat.uuid7() for _ in range(9)], "REWE")
    groups_of(ledger, [uuid_utils.compat.uuid7() for _ in range(LEAST_MEMBERS - 1)], "KIOSK")
    for _ in range(9):
        ledger.add(shop("SAID BY HAND", in_ledger=True), "housing", "user")
    return halls


async def test_what_lies_together_and_belongs_nowhere_is_suggested(looks: Looks, stack: Stack) -> None:
    halls = fill(looks.ledger)
    job = await looks.look()
    assert (job.state, job.done_count, job.changed_count) == (JobState.SUCCEEDED, 43, 2)
    found = {one.name: one for one in await suggestions(stack)}
    assert sorted(found) == ["Boulderhalle", "Tierarzt"]
    hall = found["Boulderhalle"]
    assert (hall.state, hall.transaction_count, hall.category) == (OPEN, 6, "")
    assert sorted(hall.transaction_ids) == sorted(map(str, halls))
    assert sorted(hall.examples) == HALLS
    assert hall.primary_slug in {"groceries", "dining", "transport", "housing"}
    assert (
        hall.reason
        == "6 payments to Boulderhalle Nord, Boulderhalle Ost and Boulderhalle Sued resemble each other more than they do any category."
    )
    assert 0 < hall.score <= 1
    assert await suggestions(stack.other_user()) == []


async def test_one_merchant_alone_is_no_category(looks: Looks, stack: Stack) -> None:
    one = [uuid_utils.compat.uuid7() for _ in range(50)]
    groups_of(looks.ledger, one, "MODELLBAHN MEIER 17", "MODELLBAHN MEIER 18")
    assert (await looks.look()).changed_count == 0
    groups_of(looks.ledger, [uuid_utils.compat.uuid7()], "MODELLBAHN SCHULZ")
    assert (await looks.look()).changed_count == 1
    (found,) = await suggestions(stack)
    assert (found.name, found.transaction_count) == ("Modellbahn Meier", 51)
    assert "MODELLBAHN SCHULZ" in found.examples[:2], "each merchant has its say, however few its payments"


async def test_what_was_suggested_is_not_suggested_again(looks: Looks, stack: Stack) -> None:
    fill(looks.ledger)
    await looks.look()
    first = await suggestions(stack)
    for one in first[:1]:
        request = pb.DismissSuggestionRequest(suggestion_id=one.suggestion_id)
        assert (await stack.call("DismissSuggestion", request)).suggestion.state == DISMISSED
        assert (await stack.call("DismissSuggestion", request)).suggestion.state == DISMISSED
    assert (await looks.look()).changed_count == 0
    assert [one.suggestion_id for one in await suggestions(stack)] == [one.suggestion_id for one in first[1:]]
    assert [one.suggestion_id for one in await suggestions(stack, DISMISSED)] == [first[0].suggestion_id]


def fill_like_groups(ledger: FakeLedger, *numbers: int) -> None:
    """Three merchants each, which have nothing but a number and one word in common; and one merchant of another kind."""
    groups_of(ledger, [uuid_utils.compat.uuid7() for _ in range(30)], "KIOSK")
    first = ("ABEL", "BERTA", "CESAR", "DORA", "EMIL", "FRITZ", "GUSTAV", "HEINRICH", "IDA")
    for number in numbers:
        texts = [f"K{number} {name} VUNDRI" for name in first[number * 3 : number * 3 + 3]]
        groups_of(ledger, [uuid_utils.compat.uuid7() for _ in range(6)], *texts)


async def test_groups_of_one_name_are_one_suggestion(looks: Looks, stack: Stack) -> None:
    fill_like_groups(looks.ledger, 0, 1, 2)
    await looks.look()
    (found,) = await suggestions(stack)
    assert (found.name, found.transaction_count) == ("Vundri", 18)
    assert {text.split()[0] for text in found.examples} == {"K0", "K1", "K2"}
    assert (await looks.look()).changed_count == 0


async def test_no_suggestion_has_the_name_of_a_category_or_of_another(looks: Looks, stack: Stack) -> None:
    looks.ledger.categories["x"] = Category("x", "Vundri", "dining")
    for number, names in enumerate((["My Vundri"], ["My Vundri", "My Vundri 2"], ["My Vundri", "My Vundri 2", "My Vundri 3"])):
        looks.ledger.transactions.clear()
        fill_like_groups(looks.ledger, number)
        await looks.look()
        assert sorted(one.name for one in await suggestions(stack)) == names


async def test_pages_hold_every_suggestion_once(looks: Looks, stack: Stack) -> None:
    fill(looks.ledger)
    await looks.look()
    assert len({one.suggestion_id for one in await suggestions(stack, page_size=1)}) == 2


async def test_without_a_model_nothing_is_found_and_that_is_said(looks: Looks) -> None:
    looks.predictor.model = RulesModel()
    fill(looks.ledger)
    job = await looks.look()
    assert (job.state, job.error_reason) == (JobState.FAILED, "MODEL_MISSING")


async def test_an_accepted_suggestion_is_a_category_with_its_transactions_and_their_like(looks: Looks, stack: Stack) -> None:
    ids = await stack.add_rows(HALLS * 2)
    groups_of(looks.ledger, ids, *HALLS)
    await looks.look()
    (found,) = await suggestions(stack)
    request = pb.AcceptSuggestionRequest(suggestion_id=found.suggestion_id, name="Climbing", primary_slug="entertainment")
    accepted = (await stack.call("AcceptSuggestion", request)).suggestion
    assert (accepted.state, accepted.category, accepted.name, accepted.primary_slug) == (ACCEPTED, "climbing", "Climbing", "entertainment")
    row = await stack.transaction(ids[0])
    assert (row.category, row.category_source, row.HasField("confidence")) == ("climbing", transaction_pb2.CATEGORY_SOURCE_USER, False)
    answer = await stack.classify("BOULDERHALLE NORD 17")
    assert (answer.category, answer.source) == ("climbing", pb.CLASSIFICATION_SOURCE_USER)
    # Harmless to repeat, but not to be put aside any more.
    assert (await stack.call("AcceptSuggestion", request)).suggestion == accepted
    with pytest.raises(FailedPrecondition) as caught:
        await stack.call("DismissSuggestion", pb.DismissSuggestionRequest(suggestion_id=found.suggestion_id))
    assert caught.value.reason == "SUGGESTION_ACCEPTED"


async def test_accepted_twice_at_once_under_different_names_it_is_one_category(looks: Looks, stack: Stack) -> None:
    groups_of(looks.ledger, await stack.add_rows(HALLS * 2), *HALLS)
    await looks.look()
    (found,) = await suggestions(stack)
    requests = [pb.AcceptSuggestionRequest(suggestion_id=found.suggestion_id, name=name) for name in ("Climbing", "Bouldering", "Sport")]
    answers = await asyncio.gather(*(stack.call("AcceptSuggestion", request) for request in requests))
    assert len({answer.suggestion.category for answer in answers}) == 1
    listed = await stack.ask_ledger("ListCategories", accounts_pb.ListCategoriesRequest(page_size=1000))
    own = [one.slug for one in listed.categories if one.name in ("Climbing", "Bouldering", "Sport")]
    assert own == [answers[0].suggestion.category]


async def test_what_the_user_has_said_of_a_member_stays_when_its_suggestion_is_accepted(looks: Looks, stack: Stack) -> None:
    ids = await stack.add_rows(HALLS * 2)
    groups_of(looks.ledger, ids, *HALLS)
    await looks.look()
    (found,) = await suggestions(stack)
    await stack.correct(ids[0], "dining")
    edited = accounts_pb.SetCategoryRequest(transaction_id=str(ids[1]), category="travel")
    await stack.ask_ledger("SetCategory", edited)
    await stack.call("AcceptSuggestion", pb.AcceptSuggestionRequest(suggestion_id=found.suggestion_id, name="Climbing"))
    words = await PostgresWordsRepository(stack.app.database).words(stack.user_id, list(map(str, ids)))
    anchors = {UUID(subject): anchor.category for subject, anchor in words.by_subject.items()}
    assert anchors == {ids[0]: "dining"} | dict.fromkeys(ids[2:], "climbing")
    for one, category in ((ids[0], "dining"), (ids[1], "travel"), (ids[2], "climbing")):
        assert (await stack.transaction(one)).category == category
        assert (await stack.classify("BOULDERHALLE", transaction_id=str(one))).category == category


async def test_what_stands_in_the_way_of_a_new_category_changes_nothing(looks: Looks, stack: Stack) -> None:
    ids = await stack.add_rows(HALLS * 2)
    groups_of(looks.ledger, ids, *HALLS)
    await looks.look()
    (found,) = await suggestions(stack)
    for changes, error in (({"primary_slug": "nonsense"}, InvalidArgument), ({"name": "Groceries"}, AlreadyExists)):
        with pytest.raises(error):
            await stack.call("AcceptSuggestion", pb.AcceptSuggestionRequest(suggestion_id=found.suggestion_id, **changes))
    assert [one.suggestion_id for one in await suggestions(stack)] == [found.suggestion_id]
    stranger = stack.other_user()
    for method, kind in (("AcceptSuggestion", pb.AcceptSuggestionRequest), ("DismissSuggestion", pb.DismissSuggestionRequest)):
        with pytest.raises(NotFound):
            await stranger.call(method, kind(suggestion_id=found.suggestion_id))
        with pytest.raises(InvalidArgument):
            await stack.call(method, kind(suggestion_id="x"))


async def test_the_ledger_in_memory_keeps_to_the_real_ones_order() -> None:
    """What the tests of jobs and suggestions build on."""
    ledger = FakeLedger()
    kept = ledger.add(shop("x", in_ledger=True), "housing", "user")
    rule = ledger.add(shop("x", in_ledger=True), "housing", "rule")
    assert await ledger.set_categories([WorkedOut(kept, "dining", None, Source.USER), WorkedOut(rule, "dining", None, Source.USER)]) == 1
    assert isinstance(await ledger.list_transactions(page_size=1, page_token=""), LedgerPage)
