"""Between anomalies' nouns and the contract's messages."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from services.forecasting.anomaly.domain import Anomaly, AnomalyFilter, AnomalyKind, AnomalyState, Scan, ScanState, Severity
from services.kit.dates import from_date_proto, to_date_proto, to_timestamp
from services.kit.errors import invalid
from services.kit.fields import uuid_of
from services.kit.money import to_money

_KINDS: dict[AnomalyKind, Any] = {one: pb.AnomalyKind.Value(f"ANOMALY_KIND_{one.name}") for one in AnomalyKind}
_SEVERITIES: dict[Severity, Any] = {one: pb.AnomalySeverity.Value(f"ANOMALY_SEVERITY_{one.name}") for one in Severity}
_STATES: dict[AnomalyState, Any] = {one: pb.AnomalyState.Value(f"ANOMALY_STATE_{one.name}") for one in AnomalyState}
_SCAN_STATES: dict[ScanState, Any] = {one: pb.ScanState.Value(f"SCAN_STATE_{one.name}") for one in ScanState}
_KIND_NOUNS: dict[int, AnomalyKind | None] = {number: one for one, number in _KINDS.items()} | {pb.ANOMALY_KIND_UNSPECIFIED: None}
_SEVERITY_NOUNS: dict[int, Severity | None] = {number: one for one, number in _SEVERITIES.items()} | {pb.ANOMALY_SEVERITY_UNSPECIFIED: None}
_STATE_NOUNS: dict[int, AnomalyState | None] = {number: one for one, number in _STATES.items()} | {pb.ANOMALY_STATE_ANY: None}
_STATE_NOUNS |= {pb.ANOMALY_STATE_UNSPECIFIED: AnomalyState.OPEN}


def filter_of(request: pb.ListAnomaliesRequest) -> AnomalyFilter:
    """Which anomalies. Raises InvalidArgument."""
    date_from, date_to = from_date_proto(request.date_from, "date_from"), from_date_proto(request.date_to, "date_to")
    if date_from is not None and date_to is not None and date_from > date_to:
        raise invalid("date_from", f"{date_from} is after date_to, {date_to}")
    return AnomalyFilter(
        state=_noun("state", _STATE_NOUNS, request.state),
        kind=_noun("kind", _KIND_NOUNS, request.kind),
        minimum_severity=_noun("minimum_severity", _SEVERITY_NOUNS, request.minimum_severity),
        account_id=uuid_of("account_id", request.account_id) if request.account_id else None,
        date_from=date_from,
        date_to=date_to,
    )


def _noun(field: str, nouns: dict[int, Any], number: int) -> Any:
    if number not in nouns:
        raise invalid(field, f"{number} is not a value of this enum")
    return nouns[number]


def anomaly_message(found: Anomaly) -> pb.Anomaly:
    """An anomaly as it stands."""
    evidence = struct_pb2.Struct()
    evidence.update(found.evidence)
    return pb.Anomaly(
        anomaly_id=str(found.id),
        kind=_KINDS[found.kind],
        severity=_SEVERITIES[found.severity],
        state=_STATES[found.state],
        score=found.score,
        reason=found.reason,
        evidence=evidence,
        transaction_ids=map(str, found.transaction_ids),
        account_id=str(found.account_id) if found.account_id is not None else "",
        category=found.category,
        merchant=found.merchant,
        amount=to_money(found.amount, found.currency) if found.amount is not None else None,
        occurrence_date=to_date_proto(found.occurred_on),
        create_time=to_timestamp(found.created_at),
        close_time=to_timestamp(found.closed_at) if found.closed_at is not None else None,
    )


def scan_message(found: Scan) -> pb.Scan:
    """A scan as far as it is."""
    return pb.Scan(
        scan_id=str(found.id),
        state=_SCAN_STATES[found.state],
        transaction_count=found.transaction_count,
        found_count=found.found_count,
        resolved_count=found.resolved_count,
        error_message=found.error_message,
        error_reason=found.error_reason,
        create_time=to_timestamp(found.created_at),
        complete_time=to_timestamp(found.completed_at) if found.completed_at is not None else None,
    )
