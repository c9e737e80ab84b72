"""Errors for Sentry, without anything personal: what may stay is listed, and in every text that stays, whatever could be a person's is
masked. The request id stays: it leads to the log lines, which are kept elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import sentry_sdk

from services.kit import context

REQUEST_ID = "request_id"
_TRACED = 0.05
"""Of all requests: the share whose time is reported."""

# Made by us or by the SDK; nothing of a request gets into them.
_PLAIN = frozenset(
    {
        "event_id", "timestamp", "start_timestamp", "received", "level", "platform", "sdk", "release", "environment", "server_name", "type",
        "modules", "logger", "transaction_info", "dist", "measurements", "breakdowns", "_metrics_summary", "profile",
    }
)  # fmt: skip
_TEXTS = frozenset({"message", "transaction", "culprit"})
_PLAIN_CONTEXTS = frozenset({"runtime", "os", "device", "app", "cloud_resource"})
_TRACE = frozenset({"trace_id", "span_id", "parent_span_id", "op", "status", "origin", "type", "dynamic_sampling_context"})
_SPAN = frozenset(
    {"trace_id", "span_id", "parent_span_id", "op", "status", "origin", "start_timestamp", "timestamp", "same_process_as_parent"}
)
_FRAME = frozenset(
    {"filename", "abs_path", "function", "module", "lineno", "colno", "in_app", "context_line", "pre_context", "post_context", "package"}
)
_BREADCRUMB = frozenset({"type", "category", "level", "timestamp"})
_MECHANISM = frozenset({"type", "handled", "synthetic", "exception_id", "parent_id", "is_exception_group", "source"})

_MASKS = (
    (re.compile(r"\b(Bearer\s+)?eyJ[\w-]+\.[\w-]+(\.[\w-]*)?|\bBearer\s+\S+"), "[token]"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.I), "[address]"),
    (re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[^\s@<>\"'(),;:]+"), "[email]"),
    (re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", re.I), "[id]"),
    # An IBAN as a person writes it, in groups, or as a machine does.
    (re.compile(r"\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,4})?\b", re.I), "[iban]"),
    # Names and descriptions are quoted where an error speaks of them.
    (re.compile(r"(?<!\w)[bru]{0,2}(\"(\\.|[^\"\\\n])*\"|'(\\.|[^'\\\n])*')|\"[^\"\n]*\"|«[^»\n]*»|“[^”\n]*”", re.I), "[quoted]"),
    # What PostgreSQL says of the row that it refuses.
    (re.compile(r"(Failing row contains )\([^\n]*\)"), r"\1([values])"),
    (re.compile(r"\(([^()\n]*)\)=\([^\n]*\)"), r"(\1)=([values])"),
    (re.compile(r"(?<![\w.])[-+]?\d[\d.,'’]*(?!\w)"), "[number]"),
)


def mask(text: str) -> str:
    """The text without tokens, addresses, ids, IBANs, whatever is quoted, and numbers."""
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def scrub(event: Any, _: Any) -> Any:
    """What may leave of a Sentry event, of an error or of a request's time."""
    kept = {key: value for key, value in event.items() if key in _PLAIN}
    kept |= {key: mask(str(event[key])) for key in _TEXTS if event.get(key)}
    if entry := event.get("logentry"):
        # Without its parameters, which are what it is about.
        kept["logentry"] = {"message": mask(str(entry.get("message") or ""))}
    for part in ("exception", "threads"):
        if values := (event.get(part) or {}).get("values"):
            kept[part] = {"values": [_stack(one) for one in values]}
    if request := event.get("request"):
        kept["request"] = _request(request)
    if crumbs := (event.get("breadcrumbs") or {}).get("values"):
        kept["breadcrumbs"] = {"values": [_texts(one, _BREADCRUMB, "message") for one in crumbs]}
    if spans := event.get("spans"):
        kept["spans"] = [_texts(one, _SPAN, "description") for one in spans]
    contexts = event.get("contexts") or {}
    kept["contexts"] = {name: value for name, value in contexts.items() if name in _PLAIN_CONTEXTS}
    if trace := contexts.get("trace"):
        kept["contexts"]["trace"] = _only(trace, _TRACE)
    kept["tags"] = {REQUEST_ID: context.correlation_id()}
    return kept


def scrub_breadcrumb(crumb: Any, _: Any) -> Any:
    """One line of what happened before, without its data: it waits in memory until an error takes it along."""
    return _texts(crumb, _BREADCRUMB, "message")


def _only(found: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in names}


def _texts(found: Mapping[str, Any], names: frozenset[str], text: str) -> dict[str, Any]:
    return _only(found, names) | ({text: mask(str(found[text]))} if found.get(text) else {})


def _stack(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(found, frozenset({"type", "module", "id", "current", "crashed"}))
    if found.get("value"):
        kept["value"] = mask(str(found["value"]))
    if mechanism := found.get("mechanism"):
        kept["mechanism"] = _only(mechanism, _MECHANISM)
    if frames := (found.get("stacktrace") or {}).get("frames"):
        kept["stacktrace"] = {"frames": [_only(frame, _FRAME) for frame in frames]}
    return kept


def _request(found: Mapping[str, Any]) -> dict[str, Any]:
    """Where it went: host and path, ids masked."""
    kept = _only(found, frozenset({"method"}))
    if url := found.get("url"):
        parts = urlsplit(str(url))
        kept["url"] = f"{parts.scheme}://{parts.hostname or ''}{mask(parts.path)}"
    return kept


def configure_sentry(dsn: str | None, service: str, environment: str) -> None:
    """Reports errors to Sentry, without personal data. Does nothing without a DSN."""
    if dsn:
        sentry_sdk.init(
            dsn=dsn,
            environment=environment,
            server_name=service,
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            before_send=scrub,
            before_send_transaction=scrub,
            before_breadcrumb=scrub_breadcrumb,
            traces_sample_rate=_TRACED,
            # What they would send passes no scrubber of ours.
            enable_logs=False,
            enable_metrics=False,
            auto_session_tracking=False,
            profiles_sample_rate=0,
        )
