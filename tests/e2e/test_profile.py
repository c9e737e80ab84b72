"""The profile through REST: kept by clients for an hour, and seen anew after a change."""

from __future__ import annotations

import pytest

from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.requirement("ACC-02", "ACC-03", "ACC-18")
@pytest.mark.parametrize("path", ["/profile", "/accounts/profile"])
def test_a_change_of_settings_changes_the_etag(user: RestUser, path: str) -> None:
    """ACC-02, ACC-03, ACC-18."""
    first = user.http.get(path)
    assert (first.status_code, first.json()["user_id"], first.json()["default_currency"]) == (200, str(user.user_id), "EUR")
    assert first.headers["cache-control"] == "private, max-age=3600"
    known = {"If-None-Match": first.headers["etag"]}
    assert user.http.get(path, headers=known).status_code == 304

    changed = user.http.patch("/profile", json={"display_name": "Ada", "default_currency": "CHF"})
    assert (changed.status_code, changed.headers["cache-control"]) == (200, "no-store")
    again = user.http.get(path, headers=known)
    assert (again.status_code, again.json()) == (200, changed.json())
    assert again.json() == first.json() | {"display_name": "Ada", "default_currency": "CHF", "updated_at": again.json()["updated_at"]}
    assert again.headers["etag"] != first.headers["etag"]
