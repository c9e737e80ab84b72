"""What users once said of the layouts of CSV files."""

from __future__ import annotations

import json
from uuid import UUID

from services.ingestion.domain import CsvLayout, CsvProfile, Import
from services.ingestion.repository.records import json_of
from services.kit.postgres import Connection, Database, affected

MAX_PROFILES = 100
"""Of one user: more layouts than a person has, and few enough to be looked through for each file."""

_LIST = """
    SELECT header_hash, header, columns, date_format, import_id, updated_at FROM ingestion.csv_profiles
    WHERE user_id = $1 ORDER BY updated_at DESC, header_hash
"""
_LEARN = """
    INSERT INTO ingestion.csv_profiles (user_id, header_hash, header, columns, date_format, import_id, updated_at)
    VALUES ($1, $2, $3::jsonb, $4::jsonb, $5, $6, clock_timestamp())
    ON CONFLICT (user_id, header_hash) DO UPDATE
    SET header = EXCLUDED.header, columns = EXCLUDED.columns, date_format = EXCLUDED.date_format, import_id = EXCLUDED.import_id,
        updated_at = EXCLUDED.updated_at
"""
# Two imports that end at once may want to drop each other's: neither waits for the other.
_DROP_OLDEST = """
    DELETE FROM ingestion.csv_profiles
    WHERE user_id = $1 AND header_hash IN (
        SELECT header_hash FROM ingestion.csv_profiles
        WHERE user_id = $1 AND header_hash <> ALL (
            ARRAY (SELECT header_hash FROM ingestion.csv_profiles WHERE user_id = $1 ORDER BY updated_at DESC, header_hash LIMIT $2)
        )
        FOR UPDATE SKIP LOCKED
    )
"""
_DELETE = "DELETE FROM ingestion.csv_profiles WHERE user_id = $1 AND header_hash = $2"
_UNLEARN = "DELETE FROM ingestion.csv_profiles WHERE user_id = $1 AND import_id = $2"


class CsvProfileRecords:
    """One record for each header."""

    _database: Database

    async def list_csv_profiles(self, user_id: UUID) -> list[CsvProfile]:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(_LIST, user_id)
        return [
            CsvProfile(CsvLayout(header_hash, json.loads(header), json.loads(columns), date_format), import_id, updated_at)
            for header_hash, header, columns, date_format, import_id, updated_at in records
        ]

    async def delete_csv_profile(self, user_id: UUID, header_hash: str) -> bool:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            return affected(await connection.execute(_DELETE, user_id, header_hash)) > 0


async def learn(connection: Connection, running: Import, layout: CsvLayout) -> None:
    """Keeps what the import taught; of more than MAX_PROFILES the oldest go."""
    await connection.execute(
        _LEARN,
        running.user_id,
        layout.header_hash,
        json_of(list(layout.header)),
        json_of(dict(layout.columns)),
        layout.date_format,
        running.id,
    )
    await connection.execute(_DROP_OLDEST, running.user_id, MAX_PROFILES)


async def unlearn(connection: Connection, user_id: UUID, import_id: UUID) -> None:
    """Forgets what the import taught."""
    await connection.execute(_UNLEARN, user_id, import_id)
