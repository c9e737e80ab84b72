"""Which versions are kept, and where going back leads."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import InvalidArgument
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, NOBODY, ModelVersion, Stage
from services.training.registry.domain import one_before, owner_of, read_path, surplus
from tests.support.registry_fakes import a_version


def test_to_whom_versions_belong() -> None:
    assert owner_of(CATEGORIZER, UUID(int=7)) == UUID(int=7)
    assert owner_of(CATEGORIZER_GLOBAL, UUID(int=7)) == NOBODY
    for unknown in ("", "forecaster", "categorizer "):
        with pytest.raises(InvalidArgument) as caught:
            owner_of(unknown, UUID(int=7))
        assert caught.value.fields[0].field == "model"


@pytest.mark.parametrize("path", ["", "a/b", f"{UUID(int=1)}/categorizer", f"{UUID(int=1)}/a/b/c", "x/categorizer/1-2"])
def test_paths_that_name_nothing(path: str) -> None:
    with pytest.raises(InvalidArgument):
        read_path(path)


# What is kept


def numbers(versions: list[ModelVersion]) -> list[int]:
    return [one.number for one in versions]


@pytest.mark.requirement("TRN-22")
def test_the_last_ones_the_live_one_the_one_before_it_and_the_best_are_kept() -> None:
    versions = [a_version(number) for number in range(9, 0, -1)]
    versions[6] = a_version(3, Stage.LIVE)
    versions[8] = a_version(1, Stage.RETIRED)
    versions[7] = a_version(2, Stage.CANDIDATE, metrics={"accuracy": 0.99})
    versions[5] = a_version(4, Stage.CANDIDATE, metrics={"accuracy": 0.98})
    assert numbers(surplus(versions, keep=3)) == [6, 5, 4]
    assert surplus(versions[:3], keep=3) == []
    assert surplus([], keep=3) == []


@given(
    st.lists(st.tuples(st.sampled_from(list(Stage)), st.integers(0, 20), st.none() | st.floats(0, 1)), max_size=12),
    st.integers(1, 4),
)
def test_whatever_is_removed_what_matters_stays(drawn: list[tuple[Stage, int, float | None]], keep: int) -> None:
    live_seen = False
    versions = []
    for number, (drawn_stage, promoted, accuracy) in reversed(list(enumerate(drawn, 1))):
        stage = Stage.RETIRED if drawn_stage is Stage.LIVE and live_seen else drawn_stage
        live_seen |= stage is Stage.LIVE
        metrics = {} if accuracy is None else {"accuracy": accuracy}
        versions.append(a_version(number, stage, promoted=promoted if stage is not Stage.CANDIDATE else None, metrics=metrics))
    gone = {one.id for one in surplus(versions, keep=keep)}
    assert len(versions) - len(gone) <= keep + 3
    assert not gone & {one.id for one in versions[:keep]}
    for one in versions:
        if one.stage is Stage.LIVE:
            assert one.id not in gone
            before = one_before(one, versions)
            assert before is None or before.id not in gone
    measured = [one for one in versions if one.metrics]
    if measured:
        best = max(measured, key=lambda one: one.metrics["accuracy"])
        assert any(one.id not in gone for one in measured if one.metrics["accuracy"] == best.metrics["accuracy"])
