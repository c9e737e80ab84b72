"""`scale erase`."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import FakeGateway, Scale

CALL = "POST /api/v1/erase"
OFFER = {
    "confirmation": "c0nf",
    "expires_at": "2026-02-01T08:10:00Z",
    "rows": {"ingestion": {"imports": 2}, "accounts": {"transactions": 4711, "rules": 0}},
}
BUSY = {"title": "User busy", "status": 503, "detail": "An import is being written."}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.cli.erase._PAUSE_S", 0.01)
    monkeypatch.setattr("clients.cli.erase._PATIENCE_S", 0.2)


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "eras\n"])
def test_erase_does_nothing_without_the_word(scale: Scale, gateway: FakeGateway, typed: str) -> None:
    gateway.answer(CALL, OFFER)
    result = scale("erase", stdin=typed)
    assert result.exit_code == 1
    assert "4,711" in result.output
    assert "rules" not in result.output
    assert [seen.body for seen in gateway.seen] == [b""]


def test_erase_sends_the_confirmation_back_until_all_is_gone(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(CALL, OFFER)
    gateway.answer(CALL, BUSY, status=503)
    gateway.answer(CALL, {"erased": OFFER["rows"]})
    result = scale("erase", stdin="Erase\n")
    assert result.exit_code == 0, result.output
    assert "4,713 rows" in result.output
    assert "sign in again" in result.output
    assert [json.loads(seen.body) for seen in gateway.seen[1:]] == [{"confirmation": "c0nf"}] * 2


def test_erase_says_when_it_is_not_finished(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(CALL, OFFER)
    gateway.answer(CALL, BUSY, status=503)
    result = scale("erase", stdin="erase\n")
    assert result.exit_code == 1
    assert "again finishes it" in str(result.exception) + result.output
