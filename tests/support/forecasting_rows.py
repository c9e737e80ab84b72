"""Rows of every table of forecasting, as SQL: for what must hold of all of them."""

from __future__ import annotations

from uuid import UUID

import asyncpg

TABLES = ("jobs", "forecasts", "anomalies", "scans", "ledgers")
"""Those with a user's rows."""
_JOBS = """
    INSERT INTO forecasting.jobs (user_id, id, kind, request_id, request_hash, state, completed_at, in_queue, lease_expires_at, attempt)
    SELECT $1, gen_random_uuid(), kind, request_id, decode(repeat('00', 32), 'hex'), state,
           CASE WHEN state = 'succeeded' THEN now() END, state = 'pending',
           CASE WHEN state = 'pending' THEN now() + interval '1 hour' END, 1
      FROM (VALUES ('forecast', 'made', 'succeeded'), ('forecast', 'open', 'pending'), ('scan', 'scan', 'succeeded'))
        AS job (kind, request_id, state)
"""
_FORECASTS = """
    INSERT INTO forecasting.forecasts
        (user_id, id, series_id, account_id, currency, measure, granularity, horizon, labels, threshold)
    SELECT user_id, id, repeat('a', 32), gen_random_uuid(), 'EUR', 'balance', 'day', 2, '{"for": "the \\"rent\\""}', 12.3456
      FROM forecasting.jobs WHERE request_id IN ('made', 'open')
"""
_MADE = """
    UPDATE forecasting.forecasts
       SET history_start_date = '2026-01-01', history_end_date = '2026-04-30', history_period_count = 120, history_transaction_count = 300,
           data_cutoff_at = now(), model = 'pooled', model_version = '1-abc', source = 'model', generated_at = now(),
           backtest = '[{"model": "pooled", "mase": 0.9, "pinball": 1.5, "coverage": 0.8, "origins": 4, "served": true}]',
           period_starts = '{2026-05-01,2026-05-02}', p10 = '{922337203685477.5807,-1.0001}', p50 = '{922337203685477.5807,0}',
           p90 = '{922337203685477.5807,1}', opening_balance = -0.5,
           scheduled_payments = '[["2026-05-01", "-700.00", "Rent", "019b76da-a800-7000-8000-00000000000a"]]'
     WHERE id = (SELECT id FROM forecasting.jobs WHERE request_id = 'made')
"""
_SCANS = """
    INSERT INTO forecasting.scans (user_id, id, transaction_count, found_count, resolved_count, data_cutoff_at)
    SELECT user_id, id, 300, 1, 0, now() FROM forecasting.jobs WHERE request_id = 'scan'
"""
_ANOMALIES = """
    INSERT INTO forecasting.anomalies
        (user_id, id, finding_key, kind, severity, score, reason, evidence, transaction_ids, merchant, amount, currency, occurred_on)
    VALUES ($1, gen_random_uuid(), 'duplicate_charge:' || repeat('b', 32), 'duplicate_charge', 2, 0.9, 'Twice the same on one day.',
            '{"usual_amount": "-12.30"}', ARRAY[gen_random_uuid(), gen_random_uuid()], 'REWE', -12.3, 'EUR', '2026-05-01')
"""
_LEDGERS = """
    INSERT INTO forecasting.ledgers (user_id, changed_at, scanned_at, due_at)
    VALUES ($1, '2026-05-01', '2026-05-01', '2100-01-01')
    ON CONFLICT (user_id) DO NOTHING
"""


async def fill(connection: asyncpg.Connection, user_id: UUID) -> dict[str, int]:
    """Puts something of the user's into every table, in the user's own transaction; how many rows of each. One job is open."""
    for statement in (_JOBS, _FORECASTS, _MADE, _ANOMALIES, _SCANS, _LEDGERS):
        await connection.execute(statement, *([user_id] if "$1" in statement else []))
    return {"jobs": 3, "forecasts": 2, "anomalies": 1, "scans": 1, "ledgers": 1}
