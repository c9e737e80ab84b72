"""What the database server says of itself, asked when /metrics is: connections, size, and indexes that nobody uses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import TimeoutError as StillWaiting
from typing import Protocol

import asyncpg
import orjson
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.kit.errors import ScaleError
from services.kit.telemetry import export_at_scrape, export_pool

_TIMEOUT_S = 1.0
LARGE_TABLE_ROWS = 100_000
"""Below it, to read a whole table costs little, and so does an index."""

# Of all users' connections and tables, which any role may count.
_QUERY = f"""
SELECT json_build_object(
  'connections', (SELECT sum(numbackends) FROM pg_stat_database),
  'max_connections', current_setting('max_connections')::int,
  'size_bytes', pg_database_size(current_database()),
  'large_table_scans', (SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE n_live_tup > {LARGE_TABLE_ROWS}),
  'unused_indexes', (
    SELECT count(*) FROM pg_stat_user_indexes used JOIN pg_index made USING (indexrelid) JOIN pg_stat_user_tables own USING (relid)
    WHERE used.idx_scan = 0 AND NOT made.indisunique AND own.n_live_tup > {LARGE_TABLE_ROWS})
)::text
"""  # nosec B608  # of a constant
_GAUGES = {
    "connections": "Connections to the database server, everybody's.",
    "max_connections": "Connections that the database server takes.",
    "size_bytes": "Size of the database.",
    "unused_indexes": f"Indexes of tables of more than {LARGE_TABLE_ROWS} rows that no query has used since its statistics began.",
}
_SCANS = f"Times that a whole table of more than {LARGE_TABLE_ROWS} rows was read."


class AskedDatabase(Protocol):
    """A pool of connections, as far as it is asked."""

    def figures(self) -> dict[str, object]:
        """The pool's own."""

    async def fetch_value(self, query: str, *, timeout_s: float) -> object:
        """The first value that a query gives."""


class DatabaseServer(Collector):
    """`scale_db_server_*`; nothing while it does not answer within a second. Every service that shares it says the same."""

    def __init__(self, database: AskedDatabase, loop: asyncio.AbstractEventLoop) -> None:
        self._database = database
        self._loop = loop

    def describe(self) -> Iterator[Metric]:
        """What there is; the server is not asked for that."""
        yield from _families({})

    def collect(self) -> Iterator[Metric]:
        """What it says now."""
        asked = asyncio.run_coroutine_threadsafe(self._database.fetch_value(_QUERY, timeout_s=_TIMEOUT_S), self._loop)
        try:
            found = orjson.loads(str(asked.result(2 * _TIMEOUT_S)))
        except (ScaleError, asyncpg.PostgresError, TimeoutError, StillWaiting):
            asked.cancel()
            return
        yield from _families(found)


def _families(found: dict[str, int]) -> Iterator[Metric]:
    for name, text in _GAUGES.items():
        yield GaugeMetricFamily(f"scale_db_server_{name}", text, value=found.get(name))
    yield CounterMetricFamily("scale_db_server_large_table_scans", _SCANS, value=found.get("large_table_scans"))


def export_database(database: AskedDatabase) -> None:
    """Adds the pool's figures, and the server's, to /metrics. Call it where the loop runs on which the pool is opened."""
    export_pool(database.figures)
    export_at_scrape(DatabaseServer(database, asyncio.get_running_loop()))
