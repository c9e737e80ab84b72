"""Imports in PostgreSQL. Each method is one transaction as its user; row level security adds the second lock."""

from __future__ import annotations

from services.ingestion.repository.csv_profiles import CsvProfileRecords
from services.ingestion.repository.imports import ImportRecords
from services.ingestion.repository.layouts import LayoutRecords
from services.ingestion.repository.queued import QueuedRecords
from services.ingestion.repository.rows import RowRecords
from services.kit.postgres import Database


class PostgresImportsRepository(ImportRecords, QueuedRecords, RowRecords, LayoutRecords, CsvProfileRecords):
    """`QueuedImportsRepository` on PostgreSQL, schema `ingestion`; one parent class for each table, and one for the queue."""

    def __init__(self, database: Database, *, bulk_statement_timeout_s: float) -> None:
        """The timeout is for each statement that stores the outcome of an import, in seconds."""
        self._database = database
        self._bulk_statement_timeout_s = bulk_statement_timeout_s


__all__ = ["PostgresImportsRepository"]
