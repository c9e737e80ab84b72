"""One JSON object per log line, with the request id and the caller's pseudonymous id."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from services.kit import context
from services.kit.log_lines import LineLogger, LineWriter

_SECRET_KEYS = frozenset({"authorization", "password", "token", "secret", "database_url", "redis_url", "cache_url", "cookie"})


def _add_context(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    event.setdefault("request_id", context.correlation_id())
    caller = context.identity_or_none()
    if caller is not None:
        event.setdefault("user_id", str(caller.user_id))
    return event


def _redact(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    for key in event:
        if key.lower() in _SECRET_KEYS:
            event[key] = "[redacted]"
    return event


def _json(event: structlog.types.EventDict, default: Callable[[Any], Any], **_: Any) -> str:
    return orjson.dumps(event, default=default, option=orjson.OPT_NON_STR_KEYS).decode()


class _LineHandler(logging.Handler):
    """The standard library's log records, through the same writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        try:
            self._writer.write(self.format(record), at_once=record.levelno >= logging.WARNING)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Writes what is waiting, structlog's lines included."""
        self._writer.flush()


def configure_logging(service: str, level: str) -> None:
    """Sends structlog and the standard library's loggers to stdout as JSON lines."""

    def add_service(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["service"] = service
        return event

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_context,
        add_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    writer = LineWriter()
    render = structlog.processors.JSONRenderer(serializer=_json)
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: LineLogger(writer),
        cache_logger_on_first_use=True,
    )
    handler = _LineHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "uvicorn", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
