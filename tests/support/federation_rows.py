"""Rows of every table of the federation that is a user's, as SQL: for what must hold of all of them."""

from __future__ import annotations

from uuid import UUID

import asyncpg

TABLES = ("devices", "contributions")
"""Those with a user's rows."""
_DEVICES = """
    INSERT INTO federation.devices (user_id, id, public_key, display_name, platform, created_at, enrolled_at, last_seen_at, revoked_at)
    SELECT $1, gen_random_uuid(), sha256(uuid_send(gen_random_uuid())), name, 'ios 19.1', '2026-05-01 10:00:00.123456+00', now(),
           '2026-05-02', CASE WHEN name = 'lost' THEN timestamptz '2026-05-03' END
      FROM unnest(ARRAY['phone "of" Zoë', 'lost']) AS name
"""
_CONTRIBUTIONS = """
    INSERT INTO federation.contributions (user_id, device_id, round_id, model_version, noise_multiplier, bytes_up, created_at)
    SELECT user_id, id, gen_random_uuid(), version, 0.1 + 3 * version, 100000, now() + version * interval '1 hour'
      FROM federation.devices, generate_series(1, 2) AS version WHERE user_id = $1
"""


async def fill(connection: asyncpg.Connection, user_id: UUID) -> dict[str, int]:
    """Puts something of the user's into every table, in the user's own transaction; how many rows of each. One device was revoked."""
    for statement in (_DEVICES, _CONTRIBUTIONS):
        await connection.execute(statement, user_id)
    return {"devices": 2, "contributions": 4}
