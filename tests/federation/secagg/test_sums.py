"""The sum is exactly that of the contributors' vectors, whoever is lost on the way, as long as enough are left; else there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.federation.secagg import Stage, TooFew, threshold_of
from tests.federation.secagg.small_rounds import LEAST, SmallRound

STAGES = ("share", "upload", "confirm", "unmask")


@pytest.mark.requirement("FED-08")
@settings(max_examples=40, deadline=None)
@given(count=st.integers(LEAST, 8), word_bits=st.sampled_from([16, 24, 32]), lost=st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_the_sum_is_exact_whoever_is_lost(count: int, word_bits: int, lost: list[int]) -> None:
    found = SmallRound(count, word_bits=word_bits)
    needed = max(threshold_of(count), LEAST)
    left, fails = count, None
    for stage, gone in zip(STAGES, lost, strict=True):
        left -= gone
        if left < needed and not fails:
            fails = stage
    if fails:
        with pytest.raises(TooFew) as caught:
            found.to_the_end(dict(zip(STAGES, lost, strict=True)))
        assert caught.value.left < caught.value.needed
    else:
        total = found.to_the_end(dict(zip(STAGES, lost, strict=True)))
        assert total.dtype == np.int64
        assert np.array_equal(total, found.expected())
        assert len(found.contributors) == count - lost[0] - lost[1]


@settings(max_examples=25, deadline=None)
@given(count=st.integers(8, 14), lost=st.lists(st.integers(0, 1), min_size=4, max_size=4))
def test_the_sum_over_a_graph_of_neighbours_is_exact(count: int, lost: list[int]) -> None:
    found = SmallRound(count, complete_graph_limit=3, neighbor_count=6)
    try:
        total = found.to_the_end(dict(zip(STAGES, lost, strict=True)))
    except TooFew:
        assert sum(lost) > 2  # of seven that are near each other five are enough
    else:
        assert np.array_equal(total, found.expected())
        assert found.threshold == 5


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("count", "lost", "works"), [(12, 2, True), (12, 3, False), (14, 3, True), (13, 4, False)])
def test_ten_must_be_left_at_each_stage(stage: str, count: int, lost: int, works: bool) -> None:
    found = SmallRound(count, least_contributors=10, neighbor_count=14)
    if works:
        assert np.array_equal(found.to_the_end({stage: lost}), found.expected())
        return
    with pytest.raises(TooFew) as caught:
        found.to_the_end({stage: lost})
    after = {"share": Stage.SHARING, "upload": Stage.UPLOADING, "confirm": Stage.CONFIRMING, "unmask": Stage.UNMASKING}
    assert caught.value.stage == after[stage]
    assert (caught.value.left, caught.value.needed) == (9, 10)
    assert "9 devices were left" in str(caught.value)


def test_more_may_be_asked_for_in_the_sum_than_to_open_it() -> None:
    """The noise of sixteen is in it; eleven of them are still there to open it."""
    found = SmallRound(16, least_contributors=16, neighbor_count=14)
    assert np.array_equal(found.to_the_end({"confirm": 2, "unmask": 3}), found.expected())
    with pytest.raises(TooFew, match="15 devices were left in the end of stage uploading; 16 are needed"):
        SmallRound(16, least_contributors=16, neighbor_count=14).to_the_end({"upload": 1})


def test_nine_devices_do_not_begin() -> None:
    with pytest.raises(TooFew) as caught:
        SmallRound(9, least_contributors=10, neighbor_count=14).advertise()
    assert caught.value.stage == Stage.ADVERTISING


def test_a_group_of_sixty_with_ten_lost() -> None:
    found = SmallRound(60, least_contributors=10, complete_graph_limit=32, neighbor_count=32, word_bits=24)
    total = found.to_the_end({"share": 2, "upload": 4, "confirm": 2, "unmask": 2})
    assert np.array_equal(total, found.expected())
    assert len(found.contributors) == 54
    assert found.threshold == 23


def test_a_device_whose_neighbours_are_gone_ends_the_round() -> None:
    """Nobody could take its mask off the sum any more; without it the same would be true of those beside it."""
    found = SmallRound(12, complete_graph_limit=3, neighbor_count=4).advertise()
    near = found.group._group.near
    for device in list(near[found.left[0]] - {found.left[0]})[:2]:
        found.left.remove(device)
    with pytest.raises(TooFew, match="3 devices were left near one of them in the end of stage sharing; 4 are needed"):
        found.share()


def test_a_late_stage_can_be_tried_again_when_more_have_come() -> None:
    found = SmallRound(4).advertise()
    for device in found.left[:2]:
        found.group.add_shares(device, found.sessions[device].share(found.adverts, found.threshold))
    with pytest.raises(TooFew):
        found.group.close_shares()
    found.left = found.left[2:]
    for device in found.left:
        found.group.add_shares(device, found.sessions[device].share(found.adverts, found.threshold))
    assert len(found.group.close_shares()) == 4


def test_enough_to_unmask_says_when() -> None:
    found = SmallRound(5).advertise().share().upload().confirm()
    told = []
    for device in found.left:
        told.append(found.group.enough_to_unmask())
        found.group.add_unmask(device, found.sessions[device].unmask(found.confirmations))
    assert told == [False, False, False, False, True]
    with pytest.raises(TooFew):
        SmallRound(5).to_the_end({"unmask": 2})


def test_payloads_are_not_kept() -> None:
    found = SmallRound(4, length=4_000).advertise().share().upload()
    kept = found.group.__dict__
    assert all(payload not in str(kept).encode() for payload in found.payloads.values())
    assert sum(array.nbytes for array in kept.values() if isinstance(array, np.ndarray)) == 4 * 4_000
    assert {len(digest) for digest in kept["_contributors"].values()} == {32}
