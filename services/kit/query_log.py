"""Says which statements took long, or every one: duration and text, never a parameter."""

from __future__ import annotations

from typing import Any

import structlog

from services.kit.settings import DatabaseSettings
from services.kit.telemetry import SLOW_QUERIES

_MOST_CHARACTERS = 2000
"""Of a statement: enough to find it, and no line without end."""

log = structlog.get_logger()


class QueryLog:
    """Listens to connections. Statements are fixed text with placeholders, so that the text holds nothing of a person."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._echo = settings.echo
        self._slow_s = settings.slow_query_s if settings.enable_query_logging else None

    async def attach(self, connection: Any) -> None:
        """Listens to a new connection, as long as it lives. Costs nothing where nothing would be logged."""
        if self._echo or self._slow_s is not None:
            connection.add_query_logger(self.note)

    def note(self, record: Any) -> None:
        """Takes asyncpg's word on one statement that has ended, well or not."""
        slow = self._slow_s is not None and record.elapsed > self._slow_s
        if not slow and not self._echo:
            return
        if slow:
            SLOW_QUERIES.inc()
        write = log.warning if slow else log.info
        failure = {"failed": type(record.exception).__name__} if record.exception is not None else {}
        write("slow query" if slow else "query", duration_s=round(record.elapsed, 3), statement=_text(record.query), **failure)


def _text(query: str) -> str:
    # What opens a transaction is the one statement with a value in it: the user.
    text = "BEGIN" if query.startswith("BEGIN") else " ".join(query.split())
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + " ..."
