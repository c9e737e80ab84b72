"""CAT-01: the model is read once at the start of the process, and shared by all calls."""

from __future__ import annotations

import asyncio

import pytest

from tests.categorization.conftest import Stack, payment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.requirement("CAT-01")
async def test_classifier_singleton(stack: Stack) -> None:
    """100 calls at once, of many users, and one load."""
    callers = [stack.other_user() for _ in range(10)]
    answers = await asyncio.gather(*(callers[number % 10].classify(f"REWE MARKT {number}") for number in range(100)))
    assert {answer.category for answer in answers} == {"groceries_supermarket"}
    assert stack.loads.tried == len(stack.loads.models) == 1
    assert stack.app.predictor.info().version == stack.model.version == answers[0].model_version


async def test_what_was_loaded_answers_batches_and_streams_too(stack: Stack) -> None:
    await stack.batch([payment("cafe")] * 3)
    await stack.correct("cafe", "dining")
    assert stack.loads.tried == 1
