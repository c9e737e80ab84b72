"""Which tables of the schema `federation` are the user's, in the order in which they come back."""

from __future__ import annotations

from collections.abc import Mapping

from services.kit.user_tables import Reference, UserTable

EXPORTED = (
    # An export holds no proof that anybody has the keys in it.
    UserTable("federation.devices", "devices.jsonl", key=("id",), restored_as={"enrolled_at": "NULL"}),
    UserTable(
        "federation.contributions",
        "contributions.jsonl",
        key=("device_id", "round_id"),
        references={"device_id": Reference("federation.devices")},
    ),
)

LEFT_OUT: Mapping[str, str] = {}
"""Tables with a user_id that no export holds, and why."""
