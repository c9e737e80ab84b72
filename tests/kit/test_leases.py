"""A lease is kept while the work goes on, and ends it when somebody else has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from services.kit.errors import Aborted, ScaleError, Unauthenticated, Unavailable
from services.kit.leases import Lease, keep_lease


class Renewals:
    """Answers as it is told, then that all is well."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.count = 0
        self._answers = list(answers)

    async def __call__(self) -> bool:
        self.count += 1
        answer = self._answers.pop(0) if self._answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


def over() -> ScaleError:
    return Aborted("somebody else has it", reason="ATTEMPT_OVER")


async def work_under(renewals: Renewals, work: Callable[[Lease], object] = lambda lease: None, *, takes_s: float = 0.2) -> None:
    async with keep_lease(renewals, every_s=0.01, over=over, work="a job") as lease:
        work(lease)
        await asyncio.sleep(takes_s)


async def test_it_is_renewed_until_the_work_ends() -> None:
    renewals = Renewals()
    await work_under(renewals)
    assert renewals.count > 3
    count = renewals.count
    await asyncio.sleep(0.05)
    assert renewals.count == count


async def test_work_in_a_thread_leaves_the_renewals_their_turn() -> None:
    renewals = Renewals()
    async with keep_lease(renewals, every_s=0.01, over=over, work="a job"):
        await asyncio.to_thread(time.sleep, 0.2)
    assert renewals.count > 3


@pytest.mark.parametrize(
    "answer", [False, Unauthenticated("gone", reason="USER_ERASED"), Unavailable("going", reason="ERASURE_IN_PROGRESS")]
)
async def test_work_that_is_in_vain_is_cancelled(answer: bool | Exception) -> None:
    renewals = Renewals(True, answer)
    started = time.monotonic()
    with pytest.raises(Aborted) as caught:
        await work_under(renewals, takes_s=30)
    assert caught.value.reason == "ATTEMPT_OVER"
    assert (renewals.count, time.monotonic() - started < 5) == (2, True)


async def test_a_renewal_that_fails_is_made_up_for_by_the_next() -> None:
    renewals = Renewals(Unavailable("down"), RuntimeError("broken"), Unauthenticated("who", reason="TOKEN_EXPIRED"))
    await work_under(renewals)
    assert renewals.count > 3


async def test_what_is_being_concluded_is_left_to_its_record() -> None:
    """The work is stored as done, and so has no lease to renew: that is no reason to cancel it."""
    await work_under(Renewals(False), Lease.conclude)


@pytest.mark.parametrize("error", [ValueError("wrong"), TimeoutError("too slow")])
async def test_errors_of_the_work_come_through(error: Exception) -> None:
    def fail(_: Lease) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await work_under(Renewals(), fail)
    assert caught.value is error


async def test_cancelling_the_work_is_no_loss_of_the_lease() -> None:
    working = asyncio.create_task(work_under(Renewals(), takes_s=30))
    await asyncio.sleep(0.05)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
