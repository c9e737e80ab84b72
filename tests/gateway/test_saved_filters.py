"""Saved filters: JSON to messages and back, and listing what one lets through."""

from __future__ import annotations

import pytest

from scale.accounts.v1 import saved_filters_service_pb2 as pb
from services.kit.errors import NotFound
from tests.support.gateway_app import Gateway, assert_problem
from tests.support.upstream_fakes import FakeSubject

SAVED_ID = "019b76da-a800-7000-8000-0000000000f1"
PATH = f"/api/v1/saved-filters/{SAVED_ID}"
BODY = {"name": "Groceries", "filter": "category = groceries"}
SHOWN = {"id": SAVED_ID, **BODY, "created_at": "2026-02-02T02:40:00.000000Z", "updated_at": "2026-02-02T02:40:00.000000Z"}


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    saved = pb.SavedFilter(saved_filter_id=SAVED_ID, name=BODY["name"], filter=BODY["filter"])
    saved.create_time.seconds = saved.update_time.seconds = 1_770_000_000
    found = gateway.subjects["SavedFiltersService"]
    found.answers = {
        "CreateSavedFilter": pb.CreateSavedFilterResponse(saved_filter=saved),
        "GetSavedFilter": pb.GetSavedFilterResponse(saved_filter=saved),
        "ListSavedFilters": pb.ListSavedFiltersResponse(saved_filters=[saved], next_page_token="more"),
        "UpdateSavedFilter": pb.UpdateSavedFilterResponse(saved_filter=saved),
    }
    return found


async def test_create_with_a_key(gateway: Gateway, fake: FakeSubject) -> None:
    created = [await gateway.post("/api/v1/saved-filters", json=BODY, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert (created[0].status_code, created[0].json(), created[0].headers["location"]) == (201, SHOWN, PATH)
    expected = pb.CreateSavedFilterRequest(request_id=fake.requests[0].request_id, name=BODY["name"], filter=BODY["filter"])
    assert len(expected.request_id) == 36
    assert fake.requests == [expected, expected]


async def test_list_get_change_and_delete(gateway: Gateway, fake: FakeSubject) -> None:
    assert (await gateway.get("/api/v1/saved-filters?page_size=2000")).json() == {"items": [SHOWN], "next_page_token": "more"}
    assert (await gateway.get(PATH)).json() == SHOWN
    assert (await gateway.patch(PATH, json={"name": "Food"})).json() == SHOWN
    assert (await gateway.delete(PATH)).status_code == 204
    listed, one, changed, deleted = fake.requests
    assert (listed.page_size, one.saved_filter_id, deleted.saved_filter_id) == (1000, SAVED_ID, SAVED_ID)
    assert changed.saved_filter == pb.SavedFilter(saved_filter_id=SAVED_ID, name="Food")
    assert list(changed.update_mask.paths) == ["name"]


@pytest.mark.parametrize(
    "body", [{}, {"name": "x", "filter": ""}, {"name": "x"}, {"name": "x" * 101, "filter": "y"}, BODY | {"id": SAVED_ID}]
)
@pytest.mark.usefixtures("fake")
async def test_a_body_of_another_shape_is_422(gateway: Gateway, body: dict[str, str]) -> None:
    assert_problem(await gateway.post("/api/v1/saved-filters", json=body), 422, "INVALID_ARGUMENT")


@pytest.mark.parametrize("body", [{}, {"name": None}, {"filter": ""}, {"id": SAVED_ID}])
async def test_a_change_names_a_field(gateway: Gateway, fake: FakeSubject, body: dict[str, str | None]) -> None:
    assert_problem(await gateway.patch(PATH, json=body), 422, "INVALID_ARGUMENT")
    assert not fake.requests


async def test_transactions_of_a_saved_filter(gateway: Gateway, fake: FakeSubject) -> None:
    response = await gateway.get("/api/v1/transactions", params={"saved_filter": SAVED_ID, "type": "debit"})
    assert response.status_code == 200
    assert fake.requests == [pb.GetSavedFilterRequest(saved_filter_id=SAVED_ID)]
    assert gateway.accounts.requests[0].filter == "category = groceries"
    fake.error = NotFound("There is no such saved filter.", reason="SAVED_FILTER_NOT_FOUND")
    assert_problem(await gateway.get("/api/v1/transactions", params={"saved_filter": SAVED_ID}), 404, "SAVED_FILTER_NOT_FOUND")
    assert len(gateway.accounts.requests) == 1
