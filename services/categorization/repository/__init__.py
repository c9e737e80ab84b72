"""What users have said, in PostgreSQL. Each method is one transaction as its user; row level security adds the second lock."""

from __future__ import annotations

from services.categorization.repository.words import PostgresWordsRepository

__all__ = ["PostgresWordsRepository"]
