"""Silos in threads: real SuperNodes, and what they answer is said by the test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message

from clients.device.silo.node import serve
from services.federation.silos import Silos

PATIENCE_S = 60

Keys = Mapping[int, ec.EllipticCurvePrivateKey]


def silo_keys(count: int, folder: Path) -> dict[int, ec.EllipticCurvePrivateKey]:
    """So many, and the public ones in the folder: as organisations send them, and, every other one, as PEM."""
    keys = {number: ec.generate_private_key(ec.SECP384R1()) for number in range(count)}
    for number, key in keys.items():
        public = key.public_key()
        if number % 2:
            content = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            (folder / f"silo-{number}.pem").write_bytes(content)
        else:
            content = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            (folder / f"silo-{number}.pub").write_bytes(content)
    return keys


class SiloNodes:
    """They are there while it is entered."""

    def __init__(self, silos: Silos, keys: Keys, answer: Callable[[int, Message], Message]) -> None:
        self._over = threading.Event()
        self.said: list[tuple[int, str]] = []
        """By whom, and what."""
        superlink = silos.superlink
        self._threads = [
            threading.Thread(
                target=serve,
                args=(superlink.address, key, partial(answer, number)),
                kwargs={
                    "authority": superlink.certificate,
                    "over": self._over,
                    "poll_s": 0.2,
                    "told": partial(self._tell, number),
                },
            )
            for number, key in keys.items()
        ]

    def _tell(self, number: int, line: str) -> None:
        self.said.append((number, line))

    def __enter__(self) -> SiloNodes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


async def joined(silos: Silos, count: int) -> None:
    """Once so many are there."""

    def look() -> None:
        with silos.run() as run:
            until(lambda: len(run.node_ids()) == count)

    await asyncio.to_thread(look)


def until(condition: Callable[[], object]) -> None:
    """Waits for it."""
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)
