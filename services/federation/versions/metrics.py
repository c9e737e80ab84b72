"""What is counted about versions of the federated model."""

from __future__ import annotations

from prometheus_client import Counter

HANDOVERS = Counter("scale_federation_handovers_total", "Versions handed over to the registry, by outcome.", ("outcome",))
