"""Devices and what they have spent, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from services.federation.devices.domain import (
    Enrollment,
    device_not_enrolled,
    device_revoked,
    device_unknown,
    enrolled_while_revoked,
    too_many_devices,
    too_many_ever,
)
from services.federation.domain import Contribution, Device, DeviceIdentity
from services.kit.postgres import Database

_COLUMNS = "id, user_id, public_key, display_name, platform, created_at, enrolled_at, last_seen_at, revoked_at"
_SPENT = """
    COALESCE((SELECT array_agg(noise_multiplier ORDER BY created_at, round_id) FROM federation.contributions AS given
               WHERE given.user_id = devices.user_id AND given.device_id = devices.id), '{}') AS noise_multipliers
"""
# Two at once would each find room.
_LOCK_USER = "SELECT pg_advisory_xact_lock(hashtextextended('federation.devices ' || $1::uuid, 0))"
_KNOWN = "SELECT id, revoked_at FROM federation.devices WHERE user_id = $1 AND public_key = $2"
_COUNT = "SELECT count(*) FILTER (WHERE revoked_at IS NULL) AS active, count(*) AS ever FROM federation.devices WHERE user_id = $1"
_ADD = """
    INSERT INTO federation.devices (user_id, id, public_key, display_name, platform, enrolled_at) VALUES ($1, $2, $3, $4, $5, now())
"""
_ENROLL_AGAIN = """
    UPDATE federation.devices
       SET display_name = $3, platform = $4, enrolled_at = now(), id = CASE WHEN enrolled_at IS NULL THEN $5 ELSE id END
     WHERE user_id = $1 AND id = $2 RETURNING id
"""
_GET = f"SELECT {_COLUMNS} FROM federation.devices WHERE user_id = $1 AND id = $2"  # nosec B608  # constants
_GET_SPENT = f"SELECT {_COLUMNS}, {_SPENT} FROM federation.devices WHERE user_id = $1 AND id = $2"  # nosec B608
_LIST = f"""
    SELECT {_COLUMNS}, {_SPENT} FROM federation.devices
     WHERE user_id = $1 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $2
"""  # nosec B608
_REVOKE = "UPDATE federation.devices SET revoked_at = now() WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL"
_SAW = """
    UPDATE federation.devices SET last_seen_at = now()
     WHERE user_id = $1 AND id = $2 AND (last_seen_at IS NULL OR last_seen_at < now() - interval '1 minute')
"""
# Waits for whatever else adds to the device's rows, a restore included, whose foreign key locks it.
_LOCK_DEVICE = "SELECT enrolled_at, revoked_at FROM federation.devices WHERE user_id = $1 AND id = $2 FOR UPDATE"
_CONTRIBUTIONS = """
    SELECT round_id, noise_multiplier FROM federation.contributions
     WHERE user_id = $1 AND device_id = $2 ORDER BY created_at, round_id
"""
_CHARGE = """
    INSERT INTO federation.contributions (user_id, device_id, round_id, model_version, noise_multiplier, bytes_up)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


class PostgresDevicesRepository:
    """`DevicesRepository` on PostgreSQL, schema `federation`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enroll(self, user_id: UUID, device_id: UUID, new: Enrollment, *, most: int, most_ever: int) -> Device:
        """See `DevicesRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK_USER, user_id)
            known = await connection.fetchrow(_KNOWN, user_id, new.public_key)
            if known is not None:
                if known["revoked_at"] is not None:
                    raise enrolled_while_revoked(known["id"])
                device_id = await connection.fetchval(_ENROLL_AGAIN, user_id, known["id"], new.display_name, new.platform, device_id)
            else:
                count = await connection.fetchrow(_COUNT, user_id)
                if count["active"] >= most:
                    raise too_many_devices(most)
                if count["ever"] >= most_ever:
                    raise too_many_ever(most_ever)
                await connection.execute(_ADD, user_id, device_id, new.public_key, new.display_name, new.platform)
            return _device(await connection.fetchrow(_GET_SPENT, user_id, device_id))

    async def get(self, user_id: UUID, device_id: UUID) -> Device | None:
        """See `DevicesRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_GET, user_id, device_id)
        return None if found is None else Device(**found)

    async def list_devices(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Device]:
        """See `DevicesRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [_device(one) for one in await connection.fetch(_LIST, user_id, limit, after)]

    async def revoke(self, user_id: UUID, device_id: UUID) -> Device | None:
        """See `DevicesRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_REVOKE, user_id, device_id)
            found = await connection.fetchrow(_GET_SPENT, user_id, device_id)
        return None if found is None else _device(found)

    async def saw(self, user_id: UUID, device_id: UUID) -> None:
        """See `DevicesRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_SAW, user_id, device_id)


class PostgresLedgerRepository:
    """`LedgerRepository` on PostgreSQL, table `federation.contributions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def noise_multipliers(self, device: DeviceIdentity) -> Sequence[float]:
        """See `LedgerRepository`."""
        async with self._database.transaction(device.user_id, read_only=True) as connection:
            found = await connection.fetch(_CONTRIBUTIONS, device.user_id, device.device_id)
        return [record["noise_multiplier"] for record in found]

    async def charge(self, device: DeviceIdentity, contribution: Contribution, allow: Callable[[Sequence[float]], None]) -> None:
        """See `LedgerRepository`."""
        async with self._database.transaction(device.user_id) as connection:
            locked = await connection.fetchrow(_LOCK_DEVICE, device.user_id, device.device_id)
            if locked is None:
                raise device_unknown()
            if locked["revoked_at"] is not None:
                raise device_revoked()
            if locked["enrolled_at"] is None:
                raise device_not_enrolled()
            earlier = await connection.fetch(_CONTRIBUTIONS, device.user_id, device.device_id)
            if any(record["round_id"] == contribution.round_id for record in earlier):
                return
            allow([record["noise_multiplier"] for record in earlier])
            await connection.execute(
                _CHARGE,
                device.user_id,
                device.device_id,
                contribution.round_id,
                contribution.model_version,
                contribution.noise_multiplier,
                contribution.bytes_up,
            )


def _device(record: dict[str, object]) -> Device:
    values = dict(record)
    return Device(**{**values, "noise_multipliers": tuple(values["noise_multipliers"])})  # type: ignore[arg-type]
