"""What Sentry is told, through its real client: which error, where, and under which request id; of people nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from services.kit import context
from services.kit.auth import Identity
from services.kit.error_reports import configure_sentry, mask, scrub

pytestmark = pytest.mark.requirement("SEC-24", "OBS-04", "C-56")

PERSONAL = (
    "0198c0de-1111-7222-8333-944445555666",
    "0198c0de11117222833394444555566a",
    "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "erika.mustermann@example.org",
    "1234.56",
    "-17,80",
    "4711",
    "Rent for Erika",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln",
    "198.51.100.7",
)


class Capture(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keeps the items of one envelope, as they would be written."""
        for item in envelope.items:
            self.sent.append((item.type, json.loads(item.payload.get_bytes())))


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    """Sentry as a process sets it up, but for the transport; every request's time is reported. Of its integrations the one with logging
    alone: the others change libraries for the rest of the run."""
    capture = Capture()
    init = sentry_sdk.init
    own = {"traces_sample_rate": 1.0, "default_integrations": False, "auto_enabling_integrations": False}
    with monkeypatch.context() as patch:
        patch.setattr(sentry_sdk, "init", lambda **given: init(**given | own, integrations=[LoggingIntegration()], transport=capture))
        configure_sentry("https://key@sentry.example/1", "probe", "production")
    yield capture
    sentry_sdk.get_client().close()
    init(default_integrations=False, auto_enabling_integrations=False)
    context.bind_identity(None)
    context.bind_request_id("")


def of_type(sentry: Capture, kind: str) -> dict[str, Any]:
    sentry_sdk.flush()
    (found,) = [event for sent, event in sentry.sent if sent == kind]
    return dict(found)


def leave_personal_things_everywhere() -> None:
    """As careless code, and the SDK's own integrations, would."""
    text = "; ".join(f'"{value}"' if " for " in value else value for value in PERSONAL)
    sentry_sdk.set_user({"id": PERSONAL[0], "email": PERSONAL[5], "ip_address": "198.51.100.7"})
    for name in ("user_id", "iban", "note"):
        sentry_sdk.set_tag(name, text)
    sentry_sdk.set_extra("rows", {"amount": 1234.56, "text": text})
    sentry_sdk.set_context("statement", {"iban": PERSONAL[3], "balance": 4711, "text": text})
    sentry_sdk.add_breadcrumb(
        category="query", message=f"SELECT set_config('app.user_id','{PERSONAL[0]}',true) {text}", data={"text": text}
    )
    logging.getLogger("probe").warning("on the way: %s", text)


def test_an_error_says_where_and_nothing_of_anybody(sentry: Capture) -> None:
    request_id = str(uuid4())
    context.bind_request_id(request_id)
    context.bind_identity(Identity(uuid4(), "user", PERSONAL[10], 0))
    leave_personal_things_everywhere()
    amount = 1234.56
    try:
        raise ValueError(f"row of {PERSONAL[0]}: {amount} to {PERSONAL[2]} ({PERSONAL[5]}), 'Rent for Erika', 4711, -17,80; {PERSONAL[10]}")
    except ValueError:
        sentry_sdk.capture_exception()
    event = of_type(sentry, "event")
    text = json.dumps(event)
    text = text.replace(event["event_id"], "").replace(event["contexts"]["trace"]["trace_id"], "").replace(request_id, "")
    shown = json.dumps({key: value for key, value in json.loads(text).items() if key not in {"modules", "sdk"}})
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    source = json.dumps([[frame.get(part) for part in ("context_line", "pre_context", "post_context")] for frame in frames])
    for value in PERSONAL:
        # Source code, as it is committed, may stay: this test's own lines are the one place that spells such things out.
        assert shown.count(json.dumps(value)[1:-1]) <= source.count(json.dumps(value)[1:-1]), value
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert "row of [id]: [number] to [iban] ([email]), [quoted]" in event["exception"]["values"][0]["value"]
    assert frames[-1]["function"] == "test_an_error_says_where_and_nothing_of_anybody"
    assert all("vars" not in frame for frame in frames)
    assert event["tags"] == {"request_id": request_id}
    assert event["server_name"] == "probe"
    assert not {"user", "extra"} & set(event)
    assert "statement" not in event["contexts"]
    assert event["breadcrumbs"]["values"]
    assert all("data" not in crumb for crumb in event["breadcrumbs"]["values"])


def test_an_error_line_in_a_log_is_told_without_what_it_is_about(sentry: Capture) -> None:
    logging.getLogger("library").error("cannot book %s for %s", PERSONAL[6], PERSONAL[5])
    event = of_type(sentry, "event")
    assert PERSONAL[5] not in json.dumps(event)
    assert PERSONAL[6] not in json.dumps(event)
    assert event["logentry"] == {"message": "cannot book %s for %s"}


def test_the_time_of_a_request_is_told_without_its_statements_values(sentry: Capture) -> None:
    leave_personal_things_everywhere()
    with sentry_sdk.start_transaction(op="http.server", name=f"/api/v1/imports/{PERSONAL[0]}"):
        with sentry_sdk.start_span(op="db", name=f"SELECT set_config('app.user_id','{PERSONAL[0]}',true)") as span:
            span.set_data("db.params", [PERSONAL[3], 1234.56])
        with sentry_sdk.start_span(op="http.client", name=f"GET https://bank.example/{PERSONAL[3]}?email={PERSONAL[5]}"):
            pass
    event = of_type(sentry, "transaction")
    assert event["transaction"] == "/api/v1/imports/[id]"
    assert [span["description"] for span in event["spans"]] == ["SELECT set_config([quoted],[quoted],true)", "GET [address]"]
    assert [span["op"] for span in event["spans"]] == ["db", "http.client"]
    text = json.dumps(event)
    assert not [value for value in PERSONAL if value in text]


def test_what_nobody_listed_does_not_leave() -> None:
    assert scrub({"something_new": {"user_id": 7}, "contexts": {"reply": {"body": "x"}}}, None) == {
        "contexts": {},
        "tags": {"request_id": context.correlation_id()},
    }


def test_a_request_keeps_its_place_alone() -> None:
    given = {
        "method": "GET", "url": f"https://user:pass@scale.example/api/v1/accounts/{PERSONAL[0]}?q=rent", "query_string": "q=rent",
        "data": "body", "headers": {"Authorization": "Bearer x"}, "cookies": "c", "env": {"REMOTE_ADDR": "198.51.100.7"},
    }  # fmt: skip
    assert scrub({"request": given}, None)["request"] == {"method": "GET", "url": "https://scale.example/api/v1/accounts/[id]"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("relation accounts.transactions does not exist", "relation accounts.transactions does not exist"),
        ("sha256 of latin1 in python3.11", "sha256 of latin1 in python3.11"),
        ("DETAIL:  Failing row contains (7, REWE (Berlin), Erika Mustermann, null).", "DETAIL:  Failing row contains ([values])."),
        ("cannot decode b'Erika Mustermann' or 'the \\'old\\' Erika'", "cannot decode [quoted] or [quoted]"),
        ("DETAIL: Key (user_id, fingerprint)=(abc, x y) already exists.", "DETAIL: Key (user_id, fingerprint)=([values]) already exists."),
        ("Bearer abc.def and more", "[token] and more"),
        ("it isn't there, and won't be", "it isn't there, and won't be"),
        ("12 EUR, 1'200.50 CHF, -3", "[number] EUR, [number] CHF, [number]"),
    ],
)
def test_texts_lose_what_could_be_a_persons(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_it_stays_off_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentry_sdk, "init", lambda **_: pytest.fail("initialised"))
    configure_sentry(None, "probe", "production")


def test_it_is_set_up_without_personal_data(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(sentry_sdk, "init", lambda **options: seen.update(options))
    configure_sentry("https://key@sentry.example/1", "probe", "production")
    assert seen["send_default_pii"] is False
    assert seen["include_local_variables"] is False
    assert seen["max_request_body_size"] == "never"
    assert seen["before_send"] is seen["before_send_transaction"] is scrub
    assert seen["before_breadcrumb"] is not None
    # What passes neither of them is off.
    assert not any(seen[name] for name in ("enable_logs", "enable_metrics", "auto_session_tracking", "profiles_sample_rate"))
