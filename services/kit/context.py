"""Who is asking, and under which request id: set once at the edge of a process, read everywhere in it."""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from uuid import UUID

import uuid_utils

from services.kit.auth import Identity
from services.kit.errors import Unauthenticated
from services.kit.service_tokens import ServiceTokens

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_identity: ContextVar[Identity | None] = ContextVar("identity", default=None)
_tokens: ContextVar[ServiceTokens | None] = ContextVar("tokens", default=None)
_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


def request_id() -> str:
    """The id of the request in hand; empty outside one."""
    return _request_id.get()


class _OfProcess:
    """An id of this process alone: a fork's child has another one."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.id = str(uuid_utils.uuid7())


_of_process = _OfProcess()


def correlation_id() -> str:
    """What log lines and calls are found by: the id of the request in hand, else one that stands for all that this process does for
    nobody."""
    return _request_id.get() or _of_process.id


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


def bind_deadline(seconds: float | None) -> None:
    """Sets how long the caller waits, from now; None: for ever."""
    _ends_at.set(None if seconds is None else time.monotonic() + seconds)


def seconds_left() -> float | None:
    """How long the caller still waits for the request in hand; None: for ever, or nobody waits."""
    ends_at = _ends_at.get()
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


def bind_identity(value: Identity | None) -> None:
    """Sets the verified caller for the current task and what it starts."""
    _identity.set(value)
    _tokens.set(None)


def bind_background(user_id: UUID, tokens: ServiceTokens, *, since: float | None = None) -> None:
    """Lets the current task, and what it starts, work for a user who is not there: whoever enqueued the task decided for whom. `since`: by
    the database's clock, before the work was found to be still ordered; what the user erases later is closed to the task."""
    # Each call gets a token of its own.
    _identity.set(Identity(user_id, "service", token="", expires_at=0, signed_in_at=since))  # nosec B106
    _tokens.set(tokens)


def token_for(audience: str) -> str | None:
    """The token to send to a service: in background work a fresh one for that service alone, else the caller's; None without a caller."""
    caller = _identity.get()
    if caller is None:
        return None
    tokens = _tokens.get()
    return caller.token if tokens is None else tokens.mint(caller.user_id, audience=audience, signed_in_at=caller.signed_in_at)
