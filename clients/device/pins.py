"""Identity keys of other devices as they were first met. One that comes with another key later is refused: nobody takes its place."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from uuid import UUID

from clients.device.files import write_private
from clients.device.problem import DeviceProblem
from services.federation.secagg import Reason, Refused

MOST_PINS = 20_000
"""About 2 MB; above it the oldest go."""


class PinsFile:
    """`secagg.Pins` in a file: device id to identity key, in the order in which they were met."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._known = {UUID(device): bytes.fromhex(key) for device, key in found.items()}
        except FileNotFoundError:
            self._known = {}
        except (ValueError, AttributeError, TypeError) as error:
            raise DeviceProblem(f"{path} is damaged ({error}). Remove it only if you trust the coordinator anew.") from error

    def check(self, device_id: UUID, identity_key: bytes) -> None:
        """Remembers a new device. Raises Refused for a known one with another key."""
        known = self._known.get(device_id)
        if known is None:
            self._known[device_id] = identity_key
            self._changed = True
        elif not hmac.compare_digest(known, identity_key):
            raise Refused(Reason.IDENTITY_CHANGED, f"Device {device_id} has another identity key than when it was first met.")

    def save(self) -> None:
        """Writes what is new."""
        if not self._changed:
            return
        kept = list(self._known.items())[-MOST_PINS:]
        write_private(self._path, json.dumps({str(device): key.hex() for device, key in kept}).encode())
        self._changed = False
