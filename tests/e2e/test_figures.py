"""Figures made ahead over REST: an import is in them within a minute, by nothing but the clock and the worker."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# With the bank's own label, so that nobody has to guess what each was for.
STATEMENT = """Date,Description,Amount,Currency,Category
2026-01-30,Rent,-700.00,EUR,Housing
2026-01-31,Shop,-12.34,EUR,Housing
2026-02-01,Salary,2800.00,EUR,Income
"""


def summaries(user: RestUser, **query: str) -> dict[str, Any]:
    answer = user.http.get("/summaries/monthly", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.requirement("ACC-07", "REL-19")
def test_an_import_is_in_the_figures_within_a_minute(user: RestUser) -> None:
    assert summaries(user)["items"] == []
    user.imported(STATEMENT)
    before = summaries(user)
    assert (before["items"], before["outdated"]) == ([], True)
    (now,) = summaries(user, fresh="true")["items"]
    assert (now["month_start"], now["total"], now["transaction_count"]) == ("2026-01-01", "712.34", 2)

    deadline = time.monotonic() + 60
    while (found := summaries(user))["outdated"]:
        assert time.monotonic() < deadline
        time.sleep(0.25)
    assert found["items"] == [now]
    assert found["figures_time"] > before["figures_time"]
    statistics = user.http.get("/transactions/stats").json()
    assert not statistics["outdated"]
    assert sum(one["transaction_count"] for one in statistics["items"]) == 3
    # A second time from the cache, and no different.
    assert summaries(user) == found
