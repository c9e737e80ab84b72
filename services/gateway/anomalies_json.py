"""Between the JSON of anomalies and the messages of `scale.anomaly.v1`."""

from __future__ import annotations

from typing import Any

from google.type import date_pb2

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import anomalies as schemas
from services.gateway.wire import day_text, struct_value, timestamp_text
from services.kit.dates import to_date_proto
from services.kit.money import format_money


def list_request(filters: schemas.AnomalyFilters) -> pb.ListAnomaliesRequest:
    """The request for a page of anomalies."""
    return pb.ListAnomaliesRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        kind=f"ANOMALY_KIND_{filters.kind.upper()}" if filters.kind else None,
        minimum_severity=f"ANOMALY_SEVERITY_{filters.min_severity.upper()}" if filters.min_severity else None,
        state=f"ANOMALY_STATE_{filters.state.upper()}",
        account_id=str(filters.account_id) if filters.account_id else None,
        date_from=to_date_proto(filters.date_from) if filters.date_from else None,
        date_to=to_date_proto(filters.date_to) if filters.date_to else None,
    )


def page_json(page: pb.ListAnomaliesResponse) -> dict[str, Any]:
    """A page of anomalies."""
    return {
        "items": list(map(anomaly_json, page.anomalies)),
        "next_page_token": page.next_page_token or None,
        "scanned_at": timestamp_text(page.scan_time) if page.HasField("scan_time") else None,
    }


def anomaly_json(anomaly: pb.Anomaly) -> dict[str, Any]:
    """One anomaly."""
    amount = anomaly.amount if anomaly.HasField("amount") else None
    return {
        "id": anomaly.anomaly_id,
        "kind": pb.AnomalyKind.Name(anomaly.kind).removeprefix("ANOMALY_KIND_").lower(),
        "severity": pb.AnomalySeverity.Name(anomaly.severity).removeprefix("ANOMALY_SEVERITY_").lower(),
        "state": pb.AnomalyState.Name(anomaly.state).removeprefix("ANOMALY_STATE_").lower(),
        "score": anomaly.score,
        "reason": anomaly.reason,
        # On the wire they have no order.
        "evidence": dict(sorted(struct_value(anomaly.evidence).items())),
        "transaction_ids": list(anomaly.transaction_ids),
        "account_id": anomaly.account_id or None,
        "category": anomaly.category or None,
        "merchant": anomaly.merchant or None,
        "amount": format_money(amount.units, amount.nanos, amount.currency_code) if amount else None,
        "currency": amount.currency_code if amount else None,
        "date": _day(anomaly.occurrence_date),
        "created_at": timestamp_text(anomaly.create_time),
        "closed_at": timestamp_text(anomaly.close_time) if anomaly.HasField("close_time") else None,
    }


def scan_json(scan: pb.Scan) -> dict[str, Any]:
    """One scan."""
    return {
        "id": scan.scan_id,
        "state": pb.ScanState.Name(scan.state).removeprefix("SCAN_STATE_").lower(),
        "transactions": scan.transaction_count,
        "found": scan.found_count,
        "resolved": scan.resolved_count,
        "error": {"message": scan.error_message, "reason": scan.error_reason} if scan.error_reason else None,
        "created_at": timestamp_text(scan.create_time),
        "completed_at": timestamp_text(scan.complete_time) if scan.HasField("complete_time") else None,
    }


def _day(day: date_pb2.Date) -> str:
    return day_text(day.year, day.month, day.day)
