"""Which tables of the schema `categorization` are the user's, in the order in which they come back."""

from __future__ import annotations

from collections.abc import Mapping

from services.kit.user_tables import Reference, UserTable

# A job that was under way stopped with the export: what it was asked is not in it.
_UNFINISHED = "staged.state IN ('pending', 'running')"
_STOPPED = "Your data was exported before this job was done. Start it again."

EXPORTED = (
    UserTable("categorization.corrections", "corrections.jsonl", key=("id",)),
    UserTable("categorization.anchors", "anchors.jsonl", key=("subject",)),
    UserTable(
        "categorization.jobs",
        "jobs.jsonl",
        key=("id",),
        restored_as={
            "state": f"CASE WHEN {_UNFINISHED} THEN 'failed' ELSE staged.state END",
            "error_message": f"CASE WHEN {_UNFINISHED} THEN '{_STOPPED}' ELSE staged.error_message END",
            "error_reason": f"CASE WHEN {_UNFINISHED} THEN 'INTERRUPTED' ELSE staged.error_reason END",
            "completed_at": f"CASE WHEN {_UNFINISHED} THEN staged.created_at ELSE staged.completed_at END",
            "lease_expires_at": "NULL",
            "in_queue": "false",
            "cursor": "''",
        },
    ),
    UserTable("categorization.suggestions", "suggestions.jsonl", key=("id",)),
    UserTable(
        "categorization.suggestion_members",
        "suggestion_members.jsonl",
        key=("suggestion_id", "position"),
        references={"suggestion_id": Reference("categorization.suggestions")},
    ),
)

LEFT_OUT: Mapping[str, str] = {
    "categorization.job_chunks": "What jobs were asked and answered, kept for a few days; the caller has it.",
    "categorization.user_models": "Weights, which are made anew from the corrections; none from a file are ever run.",
    "categorization.acceptance": "How many categories were given and put right a day, kept for a month, by which it is seen when to train.",
    "categorization.revisions": "A number that says that something has changed.",
}
"""Tables with a user_id that no export holds, and why."""
