"""`scale filters`, and `scale transactions` with a filter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import FakeGateway, Scale

SAVED = {"id": "019b76da-a800-7000-8000-0000000000f1", "name": "Groceries", "filter": "category = groceries"}


def page(*items: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"items": list(items), "next_page_token": None, **rest}


def test_saved_filters_are_listed(scale: Scale, gateway: FakeGateway) -> None:
    for answer in (page(SAVED), page()):
        gateway.answer("GET /api/v1/saved-filters", answer)
    assert "category = groceries" in scale("filters").output
    assert "scale filters add" in scale("filters").output


def test_add_keeps_a_new_one_and_replaces_one_of_that_name(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/saved-filters", page(SAVED))
    gateway.answer("POST /api/v1/saved-filters", SAVED, 201)
    gateway.answer(f"PATCH /api/v1/saved-filters/{SAVED['id']}", SAVED)
    assert scale("filters", "add", "Rent", "text:rent").exit_code == 0
    assert scale("filters", "add", "groceries", "amount < 0").exit_code == 0
    sent = [(one.method, json.loads(one.body)) for one in gateway.seen if one.method != "GET"]
    assert sent == [("POST", {"name": "Rent", "filter": "text:rent"}), ("PATCH", {"name": "groceries", "filter": "amount < 0"})]


def test_remove_by_name(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/saved-filters", page(SAVED))
    gateway.answer(f"DELETE /api/v1/saved-filters/{SAVED['id']}", None, 204)
    assert scale("filters", "remove", "GROCERIES").exit_code == 0
    assert gateway.seen[-1].method == "DELETE"
    unknown = scale("filters", "remove", "rent")
    assert unknown.exit_code == 1
    assert "No saved filter is named 'rent'" in str(unknown.exception)


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (["--filter", "amount < -50 OR rent"], {"filter": "amount < -50 OR rent"}),
        (["--saved", "groceries"], {"saved_filter": SAVED["id"]}),
    ],
)
def test_transactions_through_a_filter(scale: Scale, gateway: FakeGateway, options: list[str], query: dict[str, str]) -> None:
    gateway.answer("GET /api/v1/saved-filters", page(SAVED))
    gateway.answer("GET /api/v1/transactions", page())
    assert scale("transactions", *options).exit_code == 0
    assert gateway.seen[-1].query == query | {"page_size": "50"}


def test_corrected_words_are_named(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/transactions", page(corrected_words=[{"word": "shpo", "searched_for": ["shop", "ship"]}]))
    assert "Nothing holds 'shpo': searched for shop or ship." in scale("transactions", "-q", "shpo").output
