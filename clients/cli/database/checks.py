"""What the database is asked about itself, and which answers are as they should be. Runs on PostgreSQL 15 and newer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Judge = Callable[[list[Row]], bool | None]

LARGE_TABLE_ROWS = 100_000
FLAG_UNUSED_DAYS, DROP_UNUSED_DAYS = 7, 30
_CLOSELY = {
    "autovacuum_vacuum_scale_factor=0.05",
    "autovacuum_analyze_scale_factor=0.02",
    "autovacuum_vacuum_cost_delay=2",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One question. `judge` says whether the answer is as it should be, None where it only informs."""

    name: str
    title: str
    query: str
    target: str = ""
    judge: Judge = lambda rows: None
    needs_statistics: bool = False
    """Whether it asks pg_stat_statements, which a server need not have."""


def _empty(rows: list[Row]) -> bool:
    return not rows


_STATEMENTS = """
    SELECT calls, round(total_exec_time::numeric, 1)::float8 AS total_ms, round(mean_exec_time::numeric, 2)::float8 AS mean_ms, rows,
           round(100.0 * shared_blks_hit / NULLIF(shared_blks_hit + shared_blks_read, 0), 1)::float8 AS hit_percent,
           left(regexp_replace(query, '\\s+', ' ', 'g'), 200) AS statement
      FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# How long the figures have been counted: since they were last reset, else at least since the server started.
_COUNTED_SINCE = """
    (SELECT COALESCE(stats_reset, pg_postmaster_start_time()) FROM pg_stat_database WHERE datname = current_database())
"""

# Of a partitioned table all partitions count as one: none of them is dropped, or given an index, by itself.
_TABLES = """
    SELECT COALESCE(pg_partition_root(relid), relid)::regclass::text AS table, sum(pg_total_relation_size(relid))::bigint AS bytes,
           pg_size_pretty(sum(pg_total_relation_size(relid))) AS size, sum(n_live_tup)::bigint AS live_rows,
           sum(n_dead_tup)::bigint AS dead_rows, max(greatest(last_vacuum, last_autovacuum)) AS vacuumed,
           max(greatest(last_analyze, last_autoanalyze)) AS analyzed
      FROM pg_stat_user_tables GROUP BY 1
"""
_INDEXES = """
    SELECT COALESCE(pg_partition_root(indexrelid), indexrelid)::regclass::text AS index, sum(idx_scan)::bigint AS idx_scan,
           sum(idx_tup_read)::bigint AS idx_tup_read, sum(pg_relation_size(indexrelid))::bigint AS bytes,
           pg_size_pretty(sum(pg_relation_size(indexrelid))) AS size, bool_or(indisunique) AS is_unique
      FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid) GROUP BY 1
"""

CHECKS = (
    Check(
        "statements_by_total_time",
        "Statements that take the most time in all",
        f"{_STATEMENTS} ORDER BY total_exec_time DESC LIMIT 10",
        needs_statistics=True,
    ),
    Check(
        "slow_statements",
        "Statements that take more than 100 ms on average",
        f"{_STATEMENTS} AND mean_exec_time > 100 ORDER BY mean_exec_time DESC LIMIT 20",
        "none",
        _empty,
        needs_statistics=True,
    ),
    Check(
        "statements_by_mean_time",
        "Statements that take the most time each",
        f"{_STATEMENTS} ORDER BY mean_exec_time DESC LIMIT 10",
        needs_statistics=True,
    ),
    Check(
        "table_scans",
        "Tables read from end to end, and by an index",
        f"""
        SELECT schemaname || '.' || relname AS table, seq_scan, seq_tup_read, COALESCE(idx_scan, 0) AS idx_scan, n_live_tup AS live_rows,
               n_live_tup >= {LARGE_TABLE_ROWS} AS large
          FROM pg_stat_user_tables ORDER BY seq_tup_read DESC, 1
        """,  # nosec B608
        f"no table of {LARGE_TABLE_ROWS:,} rows read whole (making figures anew does so, each time)",
        lambda rows: not any(row["large"] and row["seq_scan"] for row in rows),
    ),
    Check(
        "cache_hit_ratio",
        "Share of blocks found in memory",
        """
        SELECT round(sum(heap_blks_hit) / NULLIF(sum(heap_blks_hit) + sum(heap_blks_read), 0), 4)::float8 AS tables,
               round(sum(idx_blks_hit) / NULLIF(sum(idx_blks_hit) + sum(idx_blks_read), 0), 4)::float8 AS indexes
          FROM pg_statio_user_tables
        """,
        "above 0.99 for tables",
        lambda rows: None if rows[0]["tables"] is None else rows[0]["tables"] > 0.99,
    ),
    Check(
        "table_sizes",
        "Tables by size, with live and dead rows",
        f"{_TABLES} ORDER BY bytes DESC, 1 LIMIT 30",
    ),
    Check(
        "dead_rows",
        "Tables of which a fifth is dead rows",
        f"SELECT * FROM ({_TABLES}) AS t WHERE dead_rows > 10000 AND dead_rows > 0.2 * (live_rows + dead_rows) ORDER BY dead_rows DESC",  # nosec B608
        "none",
        _empty,
    ),
    Check(
        "unused_indexes",
        "Indexes that nobody has used",
        f"""
        SELECT index, bytes, size, counted.days AS counted_days, counted.days >= {FLAG_UNUSED_DAYS} AS flagged,
               counted.days >= {DROP_UNUSED_DAYS} AS may_be_dropped
          FROM ({_INDEXES}) AS t
         CROSS JOIN (SELECT floor(extract(epoch FROM now() - {_COUNTED_SINCE}) / 86400)::int AS days) AS counted
         WHERE idx_scan = 0 AND NOT is_unique ORDER BY bytes DESC, 1
        """,  # nosec B608
        f"none for {FLAG_UNUSED_DAYS} days; one may go after {DROP_UNUSED_DAYS}, a unique one never",
        lambda rows: not any(row["flagged"] for row in rows),
    ),
    Check(
        "index_usage",
        "Indexes by use, the least first",
        f"SELECT index, idx_scan, idx_tup_read FROM ({_INDEXES}) AS t ORDER BY idx_scan, 1 LIMIT 30",  # nosec B608
    ),
    Check(
        "index_sizes",
        "Indexes by size",
        f"SELECT index, bytes, size FROM ({_INDEXES}) AS t ORDER BY bytes DESC, 1 LIMIT 20",  # nosec B608
    ),
    Check(
        "invalid_indexes",
        "Indexes that were not built to the end",
        "SELECT indexrelid::regclass::text AS index FROM pg_index WHERE NOT indisvalid ORDER BY 1",
        "none",
        _empty,
    ),
    Check(
        "long_statements",
        "Statements that have been running for more than a second",
        """
        SELECT pid, usename AS role, round(extract(epoch FROM now() - query_start), 1)::float8 AS seconds, wait_event_type, wait_event,
               CASE WHEN query LIKE 'BEGIN%' THEN 'BEGIN' ELSE left(regexp_replace(query, '\\s+', ' ', 'g'), 200) END AS statement
          FROM pg_stat_activity
         WHERE state = 'active' AND now() - query_start > interval '1 second' AND backend_type = 'client backend'
           AND datname = current_database() AND pid <> pg_backend_pid()
         ORDER BY query_start
        """,
        "none",
        _empty,
    ),
    Check(
        "connections",
        "Connections by state",
        """
        SELECT COALESCE(state, 'unknown') AS state, count(*) AS connections, current_setting('max_connections')::int AS most
          FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        "below four fifths of max_connections",
        lambda rows: sum(row["connections"] for row in rows) < 0.8 * rows[0]["most"],
    ),
    Check(
        "settings",
        "Settings that these figures need",
        """
        SELECT name, setting FROM pg_settings WHERE name IN ('track_activities', 'track_counts', 'track_io_timing') ORDER BY name
        """,
        "on",
        lambda rows: all(row["setting"] == "on" for row in rows),
    ),
    Check(
        "autovacuum",
        "How closely the ledger is vacuumed",
        """
        SELECT relname AS table, reloptions AS options FROM pg_class
         WHERE relkind = 'r' AND (oid = to_regclass('accounts.transactions')
               OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('accounts.transactions')))
         ORDER BY relname
        """,
        "vacuum at 5 %, analyze at 2 %, cost delay 2 ms",
        lambda rows: all(set(row["options"] or ()) >= _CLOSELY for row in rows) if rows else None,
    ),
    Check(
        "partitions",
        "Months ahead, where the ledger is partitioned",
        """
        SELECT count(*) FILTER (WHERE relname ~ '^transactions_[0-9]{4}_[0-9]{2}$') AS months,
               count(*) FILTER (WHERE relname ~ '^transactions_[0-9]{4}_[0-9]{2}$'
                                  AND relname > to_char(current_date, '"transactions_"YYYY_MM')) AS ahead
          FROM pg_class
         WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('accounts.transactions'))
        """,
        "two",
        lambda rows: rows[0]["ahead"] >= 2 if rows[0]["months"] else None,
    ),
)
