"""Which tables of the schema `training` are the user's, in the order in which they come back."""

from __future__ import annotations

from collections.abc import Mapping

from services.kit.user_tables import UserTable

# A job that was under way stopped with the export.
_UNFINISHED = "staged.status IN ('pending', 'processing')"
_STOPPED = "Your data was exported before this job was done. Start it again."

JOBS = "training.training_jobs"

EXPORTED = (
    UserTable(
        JOBS,
        "training_jobs.jsonl",
        key=("id",),
        restored_as={
            "status": f"CASE WHEN {_UNFINISHED} THEN 'failed' ELSE staged.status END",
            "error_message": f"CASE WHEN {_UNFINISHED} THEN '{_STOPPED}' ELSE staged.error_message END",
            "error_reason": f"CASE WHEN {_UNFINISHED} THEN 'INTERRUPTED' ELSE staged.error_reason END",
            "completed_at": f"CASE WHEN {_UNFINISHED} THEN staged.created_at ELSE staged.completed_at END",
            "lease_expires_at": "NULL",
            "in_queue": "false",
            "checkpoint_path": "''",
            "requested_by": "NULL",
        },
    ),
    UserTable(
        "training.model_versions",
        "model_versions.jsonl",
        key=("id",),
        # Where each came from comes back; its artefact does not, so that none answers until the user trains again.
        restored_as={
            "stage": "'retired'",
            "promoted_at": "coalesce(staged.promoted_at, staged.created_at)",
            "delivered_at": "NULL",
            "artifact_key": "'models/' || $1::uuid || '/' || staged.model_type || '/' || staged.version",
        },
    ),
    UserTable("training.notifications", "notifications.jsonl", key=("id",)),
)

LEFT_OUT: Mapping[str, str] = {}
"""Tables with a user_id that no export holds, and why."""
