"""Requests in a row, from beside an experiment: what was answered, how fast, and what was wrong with it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from statistics import median

import httpx

from tests.chaos.experiment import RETRY_STATUSES


class Requests(threading.Thread):
    """The same request again and again, until told to stop. `with` starts it and stops it."""

    def __init__(self, send: Callable[[], httpx.Response], *, pause_s: float = 0.05) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.wrong: list[str] = []
        self._send = send
        self._pause_s = pause_s
        self._stopping = threading.Event()

    def __enter__(self) -> Requests:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(120)

    def run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                response = self._send()
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(response.status_code)] += 1
                if response.status_code in RETRY_STATUSES and "Retry-After" not in response.headers:
                    self.wrong.append(f"{response.status_code} without Retry-After: {response.text[:200]}")
                elif response.status_code not in RETRY_STATUSES and response.status_code >= 400:
                    self.wrong.append(f"{response.status_code}: {response.text[:200]}")
            self.seconds.append(time.monotonic() - begun)
            self._stopping.wait(self._pause_s)

    @property
    def failed(self) -> int:
        """How many were not answered with what was asked."""
        return sum(count for answer, count in self.answers.items() if not answer.startswith("2"))

    @property
    def median_s(self) -> float:
        """Of all answers."""
        return median(self.seconds) if self.seconds else 0.0

    @property
    def slowest_s(self) -> float:
        """Of all answers."""
        return max(self.seconds, default=0.0)
