"""Checks of single fields, as every service makes them."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.kit.errors import InvalidArgument
from services.kit.fields import text_of, uuid_of


@pytest.mark.parametrize(("value", "required"), [("", False), (" ", False), ("abc", True), ("ä" * 5, True)])
def test_a_text_stays_as_it_came(value: str, required: bool) -> None:
    assert text_of("name", value, 5, required=required) == value


@pytest.mark.parametrize(
    ("value", "required", "reason"),
    [("", True, "is required"), (" \n", True, "is required"), ("abcdef", False, "at most 5 are allowed"), ("a\x00", False, "NUL")],
)
def test_a_text_that_cannot_be_stored_is_named(value: str, required: bool, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason) as refused:
        text_of("name", value, 5, required=required)
    assert [one.field for one in refused.value.fields] == ["name"]


def test_a_uuid_is_one() -> None:
    found = UUID(int=7)
    assert uuid_of("id", str(found)) == uuid_of("id", found.hex) == found
    for wrong in ("", "x", "7", "0" * 10_000):
        with pytest.raises(InvalidArgument, match="is not a UUID") as refused:
            uuid_of("id", wrong)
        assert len(str(refused.value)) < 100
