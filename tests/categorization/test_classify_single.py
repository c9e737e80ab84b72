"""One payment: a category of the list, how sure, why, and by which model."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import grpc.aio
import pytest

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.categorization.v1 import categorization_service_pb2 as pb
from services.kit.errors import InvalidArgument
from tests.categorization.conftest import Stack, money, payment

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER, RULE, MODEL = pb.CLASSIFICATION_SOURCE_USER, pb.CLASSIFICATION_SOURCE_RULE, pb.CLASSIFICATION_SOURCE_MODEL


@pytest.mark.requirement("CAT-02", "CAT-03")
async def test_classify_single(stack: Stack) -> None:
    """CAT-03."""
    answer = await stack.classify("REWE MARKT 4711", day=date(2026, 5, 4))
    listed = (await stack.ask_ledger("ListCategories", accounts_pb.ListCategoriesRequest())).categories
    assert answer.category in {one.slug for one in listed}
    assert (answer.category, answer.primary_category) == ("groceries_supermarket", "groceries")
    assert 0.9 < answer.confidence < 1, "the model says so with 0.9, and a word of the shipped rules says the same"
    assert (answer.source, answer.abstained, answer.degraded) == (MODEL, False, False)
    assert answer.model_version == "hypcd-test+1"
    brand, looks = answer.reasons
    assert brand == "Rewe is known for Supermarkets."
    assert looks.startswith(f"Its text and amount are nearest to Supermarkets ({answer.confidence:.0%})")


async def test_what_is_not_likely_enough_is_no_answer(stack: Stack) -> None:
    answer = await stack.classify("something else")
    assert (answer.category, answer.primary_category, answer.abstained) == ("uncategorized", "uncategorized", True)
    assert answer.confidence == pytest.approx(0.25)
    assert sorted((one.category, one.primary_category) for one in answer.alternatives) == [
        ("dining_cafe", "dining"),
        ("groceries_supermarket", "groceries"),
        ("housing_rent", "housing"),
        ("transport_fuel", "transport"),
    ]
    assert "not likely enough: 50% are needed" in answer.reasons[0]


async def test_the_users_rule_goes_before_the_model(stack: Stack) -> None:
    await stack.add_rule("Groceries are fun", "description:rewe", "entertainment")
    answer = await stack.classify("REWE MARKT")
    assert (answer.category, answer.source, answer.confidence) == ("entertainment", RULE, 1.0)
    assert answer.reasons == ["Your rule “Groceries are fun” puts it into Entertainment."]
    assert (await stack.other_user().classify("REWE MARKT")).source == MODEL


async def test_the_users_word_on_the_transaction_goes_before_the_rule(stack: Stack) -> None:
    (transaction_id,) = await stack.add_rows(["REWE MARKT"])
    await stack.add_rule("Shops", "description:rewe", "shopping")
    await stack.correct(transaction_id, "dining")
    answer = await stack.classify("REWE MARKT", transaction_id=str(transaction_id))
    assert (answer.category, answer.source, answer.confidence) == ("dining", USER, 1.0)
    assert answer.reasons[0].startswith("You put this payment into ")
    assert (await stack.classify("REWE MARKT", transaction_id=str(uuid4()))).source == RULE


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.ClassifyInput(amount=money("-1")), "input.description"),
        (pb.ClassifyInput(description="x"), "input.amount"),
        (pb.ClassifyInput(description="x", amount=money("-1", "EUR"), transaction_id="1"), "input.transaction_id"),
        (pb.ClassifyInput(description="x\x00", amount=money("-1")), "input.description"),
        (pb.ClassifyInput(description="x" * 10_001, amount=money("-1")), "input.description"),
        (pb.ClassifyInput(description="x", merchant="m" * 501, amount=money("-1")), "input.merchant"),
        (pb.ClassifyInput(description="x", amount={"currency_code": "XXX", "units": 1}), "input.amount.currency_code"),
        (pb.ClassifyInput(description="x", amount={"currency_code": "EUR", "nanos": 1}), "input.amount"),
        (pb.ClassifyInput(description="x", amount=money("1"), transaction_date={"year": 2026, "month": 2}), "input.transaction_date"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_by_field(stack: Stack, message: pb.ClassifyInput, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await stack.call("Classify", pb.ClassifyRequest(input=message))
    assert [found.field for found in caught.value.fields] == [field]


async def test_nothing_is_said_without_a_payment_or_a_token(stack: Stack) -> None:
    with pytest.raises(InvalidArgument):
        await stack.call("Classify", pb.ClassifyRequest())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stack.stub.Classify(pb.ClassifyRequest(input=payment("x")), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
