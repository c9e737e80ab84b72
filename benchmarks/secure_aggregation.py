"""What secure aggregation costs a device and the coordinator, and how often a round ends because too many near one device are lost.

`python -m benchmarks.secure_aggregation [--devices 12 32 100] [--length 3169] [--lost 0.1] [--rounds 3]`, one JSON line. Times are of the
processor, the smallest of some rounds; a device's are the mean of all devices. The yardstick is adding the same vectors up unmasked. Of the
devices `--lost` are lost after they have handed over their shares, which is what costs the coordinator most.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from math import comb
from typing import Any, TypeVar
from uuid import UUID, uuid4

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.federation.secagg import DeviceSession, GroupAggregation, Parameters, pack, threshold_of, to_words, unpack

WORD_BITS = 16
LIMIT, NEIGHBORS, LEAST = 32, 32, 10
Result = TypeVar("Result")


class NoPins:
    """Whoever comes is right: files are another benchmark's."""

    def check(self, device_id: UUID, identity_key: bytes) -> None:
        """Always."""


class Clock:
    """Processor time by what it was spent on."""

    def __init__(self) -> None:
        self.ms: defaultdict[str, float] = defaultdict(float)

    def of(self, what: str, work: Callable[..., Result], *given: object) -> Result:
        """Does the work."""
        began = time.process_time()
        result = work(*given)
        self.ms[what] += (time.process_time() - began) * 1000
        return result


def one_round(devices: int, length: int, lost: float) -> dict[str, float]:
    """Milliseconds, and bytes of an upload. Checks the sum."""
    parameters = Parameters(uuid4(), WORD_BITS, length, LIMIT, NEIGHBORS, LEAST)
    device, coordinator = Clock(), Clock()
    group = GroupAggregation(parameters)
    sessions = {(one := uuid4()): DeviceSession(parameters, one, Ed25519PrivateKey.generate(), NoPins()) for _ in range(devices)}
    for session in sessions.values():
        coordinator.of("adverts", group.add_advert, device.of("advertise", session.advertise))
    adverts, threshold = coordinator.of("adverts", group.close_adverts)
    for one, session in sessions.items():
        coordinator.of("shares", group.add_shares, one, device.of("share", session.share, adverts, threshold))
    handed = coordinator.of("shares", group.close_shares)
    left = list(sessions)[round(devices * lost) :]
    vectors = {one: to_words(np.random.default_rng().integers(-100, 100, length - 1), 1, WORD_BITS) for one in left}
    for one in left:
        coordinator.of("uploads", group.add_masked, one, device.of("mask", sessions[one].mask, handed[one], vectors[one]))
    contributors = coordinator.of("uploads", group.close_masked)
    for one in left:
        coordinator.of("confirmations", group.add_confirmation, one, device.of("confirm", sessions[one].confirm, contributors))
    confirmations = coordinator.of("confirmations", group.close_confirmations)
    for one in left:
        coordinator.of("unmasking", group.add_unmask, one, device.of("unmask", sessions[one].unmask, confirmations))
    total = coordinator.of("sum", group.sum)
    plain = Clock().of("plain", lambda: sum(vectors[one].astype(np.int64) for one in left))
    if not np.array_equal(total % (1 << WORD_BITS), plain % (1 << WORD_BITS)):
        raise SystemExit("The sum is wrong.")
    payloads, yardstick = [pack(vectors[one], WORD_BITS) for one in left], Clock()
    for payload in payloads:
        yardstick.of("ms", lambda payload=payload: np.add(total, unpack(payload, WORD_BITS), out=total))
    counts = {"advertise": devices, "share": devices}
    return {
        **{f"device_{step}_ms": spent / counts.get(step, len(left)) for step, spent in device.ms.items()},
        **{f"coordinator_{step}_ms": spent for step, spent in coordinator.ms.items()},
        "device_ms": sum(spent / counts.get(step, len(left)) for step, spent in device.ms.items()),
        "coordinator_ms": sum(coordinator.ms.values()),
        "plain_ms": yardstick.ms["ms"],
        "bytes_up": parameters.payload_bytes,
        "shares_bytes": 160 * min(devices - 1, NEIGHBORS if devices > max(LIMIT, NEIGHBORS + 1) else devices - 1),
    }


def failure(devices: int, neighbors: int, lost: float) -> float:
    """The chance, at most, that too many near one device are lost for its secret to be opened: a hypergeometric tail, times the devices."""
    near, gone = neighbors + 1, round(devices * lost)
    bearable = near - threshold_of(near)
    ways = sum(comb(gone, many) * comb(devices - gone, near - many) for many in range(bearable + 1, min(near, gone) + 1))
    return min(1.0, devices * ways / comb(devices, near))


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[12, 32, 100])
    parser.add_argument("--length", type=int, default=3169)
    parser.add_argument("--lost", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    measured: dict[str, Any] = {}
    for devices in asked.devices:
        rounds = [one_round(devices, asked.length, asked.lost) for _ in range(asked.rounds)]
        measured[str(devices)] = {name: round(min(found[name] for found in rounds), 2) for name in rounds[0]}
    chances = {
        f"{devices} devices, {neighbors} neighbours": {
            str(lost): float(f"{failure(devices, neighbors, lost):.0e}") for lost in (0.05, 0.1, 0.15)
        }
        for devices in (50, 100, 300, 1000)
        for neighbors in (14, 24, 32, 48, 64)
        if neighbors < devices - 1
    }
    print(json.dumps({"length": asked.length, "word_bits": WORD_BITS, "lost": asked.lost, "devices": measured, "failures": chances}))


if __name__ == "__main__":
    main()
