"""Which tables of the schema `ingestion` are the user's, in the order in which they come back."""

from __future__ import annotations

from collections.abc import Mapping

from services.kit.user_tables import Reference, UserTable

# An import that was under way stopped with the export: its upload is not in it.
_UNFINISHED = "staged.state IN ('pending', 'running')"
_STOPPED = "Your data was exported before this import was done. Send the file again."

EXPORTED = (
    UserTable("ingestion.uploaded_files", "uploaded_files.jsonl", key=("id",)),
    UserTable(
        "ingestion.imports",
        "imports.jsonl",
        key=("id",),
        references={"file_id": Reference("ingestion.uploaded_files")},
        restored_as={
            "state": f"CASE WHEN {_UNFINISHED} THEN 'failed' ELSE staged.state END",
            "failure_reason": f"CASE WHEN {_UNFINISHED} THEN '{_STOPPED}' ELSE staged.failure_reason END",
            "failure": f"CASE WHEN {_UNFINISHED} THEN jsonb_build_object('message', '{_STOPPED}', 'reason', 'INTERRUPTED', "
            "'retryable', true, 'metadata', '{}'::jsonb, 'fields', '[]'::jsonb) ELSE staged.failure END",
            "completed_at": f"CASE WHEN {_UNFINISHED} THEN staged.created_at ELSE staged.completed_at END",
            "lease_expires_at": "NULL",
            "object_key": "''",
            "in_queue": "false",
            "progress": "'{}'::jsonb",
        },
    ),
    UserTable(
        "ingestion.import_rows",
        "import_rows.jsonl",
        key=("import_id", "line"),
        references={"import_id": Reference("ingestion.imports")},
    ),
    UserTable("ingestion.layout_accounts", "layout_accounts.jsonl", key=("currency", "layout_hash")),
    UserTable("ingestion.csv_profiles", "csv_profiles.jsonl", key=("header_hash",)),
    UserTable("ingestion.typed_transactions", "typed_transactions.jsonl", key=("request_id",)),
)

LEFT_OUT: Mapping[str, str] = {}
"""Tables with a user_id that no export holds, and why."""
