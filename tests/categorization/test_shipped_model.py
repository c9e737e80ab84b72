"""The model that comes with the project, behind the wire: what anybody would say, soon enough (CAT-15, CAT-16)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import torch

from models.hypcd.classifier import Classifier
from models.hypcd.user_head import UserHead
from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1 import learning_service_pb2 as learning_pb
from services.categorization.predictor import load_hypcd, load_user_head
from services.categorization.settings import MODELS_DIR
from services.local import LocalSystem
from tests.categorization.conftest import Stack, ask_learning, categorization, ledger_service, payment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shipped(servers: LocalSystem) -> AsyncIterator[Stack]:
    async with (
        ledger_service(servers) as ledger,
        categorization(servers, ledger, MODELS_DIR, load=load_hypcd, load_head=load_user_head) as stack,
    ):
        yield stack


@pytest.mark.parametrize(
    ("description", "amount", "primary"),
    [
        ("TESCO STORES 3217 LONDON", "-23.40", "groceries"),
        ("REWE SAGT DANKE 45", "-12.00", "groceries"),
        ("LIDL", "-30.00", "groceries"),
        ("SHELL TANKSTELLE 12", "-60.00", "transport"),
        ("STARBUCKS COFFEE", "-4.50", "dining"),
        ("NETFLIX.COM", "-12.99", "entertainment"),
        ("PAYPAL *SPOTIFY", "-9.99", "entertainment"),
        ("Gehalt ACME GmbH", "2500.00", "income"),
        ("Miete Mai", "-800.00", "housing"),
        ("ATM WITHDRAWAL", "-50.00", "financial"),
    ],
)
async def test_what_anybody_would_say(shipped: Stack, description: str, amount: str, primary: str) -> None:
    answer = await shipped.classify(description, amount=amount)
    assert answer.primary_category == primary, answer
    assert answer.reasons
    assert not answer.degraded
    assert answer.model_version.startswith("hypcd-")


async def test_the_shipped_rules_speak_where_the_model_is_not_sure(shipped: Stack) -> None:
    answers = await shipped.batch([payment("LIDL"), payment("Gehalt ACME GmbH", "2500.00"), payment("qwertz")])
    assert [answer.source for answer in answers[:2]] == [pb.CLASSIFICATION_SOURCE_MODEL, pb.CLASSIFICATION_SOURCE_FALLBACK]
    assert "gehalt" in answers[1].reasons[0]
    assert answers[2].abstained


@pytest.mark.requirement("ARC-13", "CAT-16")
async def test_an_answer_comes_within_half_a_second(shipped: Stack) -> None:
    """CAT-16: 95 of a hundred do, each a text that was never asked before."""
    times = []
    for number in range(100):
        started = time.perf_counter()
        await shipped.classify(f"LIDL FILIALE {number}")
        times.append(time.perf_counter() - started)
    assert sorted(times)[94] < 0.5


def head(share: float) -> bytes:
    """On the shipped model: as far as it counts, everything is a fee. It knows a category that the user has taken away since."""
    shipped = Classifier.load(MODELS_DIR)
    bias = torch.zeros(len(shipped.heads.detailed) + 1)
    bias[shipped.heads.detailed.index("financial_bank_fee")] = 100
    own, d = shipped.heads.anchors.mean(dim=0, keepdim=True), shipped.dimension
    no_change = torch.zeros(d, d), torch.zeros(d)
    return UserHead(shipped.version, shipped.heads, ("gone",), own, bias, *no_change, shipped.curvature, 2.3, share, 19_000).to_bytes()


async def test_a_users_own_model_stands_on_the_shipped_one(shipped: Stack) -> None:
    stack, other = shipped.other_user(), shipped.other_user()
    inputs = [payment(text) for text in ("TESCO STORES 3217 LONDON", "SHELL TANKSTELLE 12", "qwertz")]
    before = await stack.batch(inputs)
    await set_model(stack, head(0.0), "1-a")
    same = await stack.batch(inputs)
    assert [(one.category, one.source, one.model_version) for one in same] == [
        (one.category, one.source, "categorizer/1-a") for one in before
    ]
    assert [one.confidence for one in same] == pytest.approx([one.confidence for one in before])
    await set_model(stack, head(1.0), "2-b")
    assert {one.category for one in await stack.batch(inputs)} == {"financial_bank_fee"}
    assert await other.batch(inputs) == before


async def set_model(stack: Stack, artifact: bytes, version: str) -> None:
    content_hash = hashlib.sha256(artifact).hexdigest()
    await ask_learning(
        stack, "SetUserModel", learning_pb.SetUserModelRequest(version=version, artifact=artifact, content_hash=content_hash)
    )
