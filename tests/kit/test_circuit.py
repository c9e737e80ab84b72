"""The circuit breaker, by a clock turned by hand."""

from __future__ import annotations

import pytest

from services.kit.circuit import CircuitBreaker


class Clock:
    """A clock to turn by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.requirement("REL-10")
def test_closed_open_half_open() -> None:
    clock = Clock()
    circuit = CircuitBreaker(clock=clock)
    for _ in range(4):
        assert circuit.allows()
        circuit.failed()
    assert circuit.state == "closed"
    circuit.failed()
    assert circuit.state == "open"
    assert not circuit.allows()
    clock.now = 29.9
    assert not circuit.allows()
    clock.now = 30.1
    assert circuit.state == "half-open"
    assert circuit.allows()
    assert not circuit.allows()  # one probe at a time
    circuit.failed()
    assert circuit.state == "open"
    clock.now = 61
    assert circuit.allows()
    circuit.succeeded()
    assert circuit.state == "closed"
    assert circuit.allows()


def test_a_success_resets_the_run() -> None:
    circuit = CircuitBreaker(failures=2, clock=Clock())
    circuit.failed()
    circuit.succeeded()
    circuit.failed()
    assert circuit.state == "closed"
