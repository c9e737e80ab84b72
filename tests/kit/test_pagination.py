"""Page tokens that nobody but us can make, for one user and one set of filters."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import InvalidArgument
from services.kit.pagination import PageTokens, page_size

TOKENS = PageTokens(b"k" * 32)
USER = UUID(int=7)
POSITION = ("2026-01-31", "019b76da-a800-7000-8000-000000000001")


@pytest.mark.requirement("GW-10")
@pytest.mark.parametrize(("asked", "used"), [(0, 50), (1, 1), (50, 50), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_page_size(asked: int, used: int) -> None:
    assert page_size(asked) == used


def test_negative_page_size() -> None:
    with pytest.raises(InvalidArgument):
        page_size(-1)
    assert page_size(0, default=7, maximum=9) == 7


@given(st.lists(st.text(), max_size=4).map(tuple), st.text(max_size=50), st.uuids())
def test_round_trip(position: tuple[str, ...], filters: str, user_id: UUID) -> None:
    token = TOKENS.encode(user_id=user_id, filters=filters, position=position)
    assert TOKENS.decode(token, user_id=user_id, filters=filters) == position
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.requirement("GW-10")
def test_token_is_opaque_about_its_filters_and_bound_to_them() -> None:
    token = TOKENS.encode(user_id=USER, filters="category=groceries", position=POSITION)
    for user_id, filters in ((USER, "category=housing"), (uuid4(), "category=groceries")):
        with pytest.raises(InvalidArgument):
            TOKENS.decode(token, user_id=user_id, filters=filters)
    with pytest.raises(InvalidArgument):
        PageTokens(b"x" * 32).decode(token, user_id=USER, filters="category=groceries")


@pytest.mark.requirement("GW-10")
def test_every_altered_character_is_refused() -> None:
    """GW-10: altered, shortened, lengthened, or written another way."""
    token = TOKENS.encode(user_id=USER, filters="f", position=POSITION)
    altered = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(len(token))]
    altered += [token[:-1], token + "A", token + "=", token + "\n", " " + token, token[:5] + "!" + token[5:], "", "x", "ümlaut"]
    for changed in altered:
        with pytest.raises(InvalidArgument) as caught:
            TOKENS.decode(changed, user_id=USER, filters="f")
        assert caught.value.fields[0].field == "page_token"


def test_short_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PageTokens(b"short")
