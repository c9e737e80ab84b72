"""Who is asking, and under which request id: set once at the edge of a process, read everywhere in it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from services.kit.errors import Unauthenticated

if TYPE_CHECKING:
    from services.kit.auth import Identity

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_identity: ContextVar[Identity | None] = ContextVar("identity", default=None)


def request_id() -> str:
    """The id of the request in hand; empty outside one."""
    return _request_id.get()


def identity() -> Identity:
    """The verified caller. Raises Unauthenticated when there is none."""
    caller = _identity.get()
    if caller is None:
        raise Unauthenticated("This call needs a token.")
    return caller


def identity_or_none() -> Identity | None:
    """The verified caller, or None on a route that needs none."""
    return _identity.get()


def bind_request_id(value: str) -> None:
    """Sets the request id for the current task and what it starts."""
    _request_id.set(value)


def bind_identity(value: Identity | None) -> None:
    """Sets the verified caller for the current task and what it starts."""
    _identity.set(value)
