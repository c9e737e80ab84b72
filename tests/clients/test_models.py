"""`scale models`, `scale models promote` and `rollback`."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.conftest import FakeGateway, Scale

MODELS = "/api/v1/training/models/categorizer"
LIVE: dict[str, Any] = {
    "version": "3-1a2b3c4d",
    "stage": "live",
    "metrics": {"accuracy": 0.91},
    "parent_version": "2-5e6f7a8b",
    "created_at": "2026-02-01T08:00:00.000000Z",
}
EARLIER = LIVE | {"version": "2-5e6f7a8b", "stage": "retired", "metrics": {}, "parent_version": "hypcd-1.0.0+1a2b3c4d"}


def test_versions_are_listed_newest_first(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {MODELS}/versions", {"items": [LIVE, EARLIER], "next_page_token": None})
    result = scale("models")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[1:] == [
        ["2026-02-01", "3-1a2b3c4d", "live", "0.9100", "2-5e6f7a8b"],
        ["2026-02-01", "2-5e6f7a8b", "retired", "hypcd-1.0.0+1a2b3c4d"],
    ]


def test_no_versions_say_how_to_get_one(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/training/models/categorizer-global/versions", {"items": [], "next_page_token": None})
    output = scale("models", "--model", "categorizer-global").output
    assert output.strip() == "No versions of categorizer-global yet: `scale train --model categorizer-global` makes one."


def test_versions_of_a_forecaster_tell_what_they_lose(scale: Scale, gateway: FakeGateway) -> None:
    items = [LIVE | {"metrics": {"users": 25, "pinball": 0.302}}]
    gateway.answer("GET /api/v1/training/models/forecaster-global/versions", {"items": items, "next_page_token": None})
    assert "loss 0.3020" in scale("models", "--model", "forecaster-global").output


def test_everybodys_model_answers_when_everybody_has_asked(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/training/models/forecaster-global/versions/2-5e6f7a8b/promote", EARLIER)
    result = scale("models", "promote", "2-5e6f7a8b", "--model", "forecaster-global")
    assert result.output.strip() == "forecaster-global: version 2-5e6f7a8b answers, within a minute."


def test_a_version_is_promoted(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"POST {MODELS}/versions/2-5e6f7a8b/promote", EARLIER)
    result = scale("models", "promote", "2-5e6f7a8b")
    assert result.output.strip() == "categorizer: version 2-5e6f7a8b answers, within seconds."


def test_going_back_names_what_it_goes_back_from(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {MODELS}/live", LIVE)
    gateway.answer(f"POST {MODELS}/rollback", {"live": EARLIER})
    gateway.answer(f"POST {MODELS}/rollback", {"live": None})
    assert scale("models", "rollback").output.strip() == "categorizer: version 2-5e6f7a8b answers, within seconds."
    assert json.loads(gateway.seen[-1].body) == {"version": "3-1a2b3c4d"}
    last = scale("models", "rollback", "2-5e6f7a8b")
    assert last.output.strip() == "categorizer: the model that comes with SCALE answers, within seconds."
    assert json.loads(gateway.seen[-1].body) == {"version": "2-5e6f7a8b"}


def test_nothing_to_go_back_from(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {MODELS}/live", {"title": "No live model", "status": 404, "reason": "NO_LIVE_MODEL", "detail": "None."}, 404)
    result = scale("models", "rollback")
    assert result.exit_code == 1
    assert isinstance(result.exception, Exception)
    assert "nothing to go back from" in f"{result.output}{result.exception}"
    gateway.answers.clear()
    gateway.answer(f"GET {MODELS}/live", {"title": "Nope", "status": 503, "reason": "UNAVAILABLE", "detail": "Away."}, 503)
    assert "nothing to go back from" not in str(scale("models", "rollback").exception)
