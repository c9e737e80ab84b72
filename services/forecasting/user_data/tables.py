"""Which tables of the schema `forecasting` are the user's, in the order in which they come back."""

from __future__ import annotations

from collections.abc import Mapping

from services.kit.user_bounds import iso_currency
from services.kit.user_tables import Check, Reference, UserTable

# A job that was under way stopped with the export.
_UNFINISHED = "staged.state IN ('pending', 'running')"
_STOPPED = "Your data was exported before this job was done. Start it again."
_OF_A_JOB = {"id": Reference("forecasting.jobs")}


def _each(column: str, is_one: str, reason: str) -> Check:
    """A list of which every element is as `is_one`, a predicate of jsonpath, says."""
    value = f"staged.{column}"
    good = f"SELECT count(*) FROM jsonb_path_query({value}, 'strict $[*] ? ({is_one})')"  # nosec B608  # constants
    return Check(column, f"CASE WHEN jsonb_typeof({value}) = 'array' THEN jsonb_array_length({value}) = ({good}) ELSE false END", reason)


_SCORES = {"model": "string", "mase": "number", "pinball": "number", "coverage": "number", "origins": "number", "served": "boolean"}
_NAMED = " || ".join(f'@.key == "{name}"' for name in _SCORES)
_IS_SCORE = " && ".join(
    [
        '@.type() == "object"',
        *(f'@.{name}.type() == "{kind}"' for name, kind in _SCORES.items()),
        f"!exists(@.keyvalue() ? (!({_NAMED})))",
        "@.origins >= 0 && @.origins <= 1000 && @.origins.floor() == @.origins",
    ]
)
# The day, the amount, the merchant, and of which recurring payment it is the next.
_IS_SCHEDULED = " && ".join(
    [
        '@.type() == "array" && @.size() == 4',
        '@[0] like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" && exists(@[0].datetime("YYYY-MM-DD"))',
        '@[1] like_regex "^-?[0-9]{1,15}([.][0-9]{1,4})?$"',
        '@[2].type() == "string"',
        '@[3] like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"',
    ]
)
_LABELS = Check(
    "labels",
    """jsonb_typeof(staged.labels) = 'object' AND NOT jsonb_path_exists(staged.labels, 'strict $.* ? (@.type() != "string")')""",
    "is no object of texts",
)
# A week that begins on the calendar's last days has no end.
_PERIODS = Check("period_starts", "'9999-12-25' > ALL (staged.period_starts)", "holds a day at the end of the calendar")
_EVIDENCE = Check("evidence", "jsonb_typeof(staged.evidence) = 'object'", "is no object")

EXPORTED = (
    UserTable(
        "forecasting.jobs",
        "jobs.jsonl",
        key=("id",),
        restored_as={
            "state": f"CASE WHEN {_UNFINISHED} THEN 'failed' ELSE staged.state END",
            "error_message": f"CASE WHEN {_UNFINISHED} THEN '{_STOPPED}' ELSE staged.error_message END",
            "error_reason": f"CASE WHEN {_UNFINISHED} THEN 'INTERRUPTED' ELSE staged.error_reason END",
            "completed_at": f"CASE WHEN {_UNFINISHED} THEN staged.created_at ELSE staged.completed_at END",
            "lease_expires_at": "NULL",
            "in_queue": "false",
        },
    ),
    UserTable(
        "forecasting.forecasts",
        "forecasts.jsonl",
        key=("id",),
        references=_OF_A_JOB,
        checks=[
            iso_currency(),
            _LABELS,
            _PERIODS,
            _each("backtest", _IS_SCORE, f"is no list of objects with {', '.join(_SCORES)}"),
            _each("scheduled_payments", _IS_SCHEDULED, "is no list of day, amount, merchant and recurring payment"),
        ],
    ),
    UserTable("forecasting.anomalies", "anomalies.jsonl", key=("id",), checks=[iso_currency(), _EVIDENCE]),
    UserTable("forecasting.scans", "scans.jsonl", key=("id",), references=_OF_A_JOB),
    # Due at once: what is brought back may be older than what the ledger holds.
    UserTable("forecasting.ledgers", "ledgers.jsonl", key=(), restored_as={"changed_at": "now()", "due_at": "now()"}),
)

LEFT_OUT: Mapping[str, str] = {}
"""Tables with a user_id that no export holds, and why."""
