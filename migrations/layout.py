"""Names that the history, its runner and its check share."""

from __future__ import annotations

# Alembic's own table has a schema of its own, so that no service role can even see which revision is applied.
VERSION_SCHEMA = "migrations"

# One login role per service; each is granted the schema that it owns, and nothing else.
SERVICE_ROLES = {
    "scale_accounts": "accounts",
    "scale_ingestion": "ingestion",
    "scale_categorization": "categorization",
    "scale_training": "training",
    "scale_forecasting": "forecasting",
    "scale_federation": "federation",
}
