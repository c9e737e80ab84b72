"""What is odd about single payments: pure rules over a ledger's columns. docs/anomalies.md says by what rules."""

from services.forecasting.anomaly.findings.find import find_anomalies

__all__ = ["find_anomalies"]
