"""What a simulation tells of its rounds, as plain values of JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from clients.device.outcome import Done, Outcome
from clients.device.simulated.devices import Said, Troubled
from models.federated.privacy import Spending
from scale.federation.v1.round_pb2 import Round

_MOST_TOLD = 5


@dataclass(slots=True)
class Heard:
    """What the devices of one round have said."""

    round_id: str
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    troubles: dict[int, str] = field(default_factory=dict)

    def take(self, news: Iterable[Any]) -> None:
        """Keeps what came."""
        for one in news:
            if isinstance(one, Said) and one.outcome.round_id == self.round_id:
                self.outcomes[one.device] = one.outcome
            elif isinstance(one, Troubled):
                self.troubles[one.device] = one.message


class Report:
    """The rounds so far."""

    def __init__(self, clients: int, noise_multiplier: float) -> None:
        self._clients = clients
        self._noise = noise_multiplier
        self._rates: list[float] = []
        self.rounds: list[dict[str, Any]] = []

    def add(self, found: Round, heard: Heard, seconds: float) -> None:
        """One more that has ended."""
        gave = [one for one in heard.outcomes.values() if one.done == Done.PUBLISHED]
        sent = [one.bytes_up for one in gave] or [one.bytes_up for one in heard.outcomes.values()]
        if gave and self._noise:
            self._rates.append(min(1.0, found.selected_count / self._clients))
        spent = max((one.epsilon for one in heard.outcomes.values()), default=0.0)
        told: dict[str, Any] = {
            "version": found.version or None,
            "contributors": found.contributor_count,
            "dropped": found.dropped_count,
            "seconds": round(seconds, 3),
            "bytes_up_per_client": round(sum(sent) / len(sent)) if sent else 0,
            # Of the devices of this simulation, by their own ledgers; and if it were by chance which of them take part.
            "epsilon": _finite(min(spent, self._amplified())),
            "epsilon_unamplified": _finite(spent),
            # Of a device that was in all rounds of the model, those before this simulation as well.
            "model_epsilon_unamplified": _finite(found.unamplified_epsilon),
            "accuracy": round(found.accuracy_ratio, 4),
            "base_accuracy": round(found.base_accuracy_ratio, 4),
            "update_norm": round(found.update_norm, 6),
            "selected": found.selected_count,
            "example_epsilon": _finite(max((one.example_epsilon for one in gave), default=0.0)),
        }
        if not found.version:
            told |= {"reason": found.reason, "message": found.reason_message}
            refused = (one.message for one in heard.outcomes.values() if one.done == Done.REFUSED)
            if troubles := sorted({*heard.troubles.values(), *refused}):
                told["devices_say"] = troubles[:_MOST_TOLD]
        self.rounds.append(told)

    @property
    def complete(self) -> bool:
        """Whether each has made a version."""
        return all(one["version"] for one in self.rounds)

    @property
    def example_epsilon(self) -> float | None:
        """The largest of a round."""
        return max((one["example_epsilon"] or 0.0 for one in self.rounds), default=0.0) or None

    def _amplified(self) -> float:
        return Spending((self._noise,) * len(self._rates)).epsilon(sample_rate=self._rates) if self._rates else math.inf


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return round(value, 4) if math.isfinite(value) else None
