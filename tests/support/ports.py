"""Ports for what a test starts itself."""

from __future__ import annotations

from services.local.home import PORT_FAMILY, free_port_base, is_free

_unused: list[int] = []


def free_port() -> int:
    """A port that is free and that no other process is given: unlike the kernel's choice, which any connection may take meanwhile."""
    while True:
        if not _unused:
            base = free_port_base()
            _unused.extend(range(base, base + PORT_FAMILY - 1))
        if is_free(port := _unused.pop()):
            return port
