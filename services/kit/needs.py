"""What a process needs to start, said by the module that starts it, for `services.kit.self_check` to look at. Standard library alone: it
must be read where something else is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


def _nothing(_: object = None) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Needs(Generic[T]):
    """What a process needs beside what its modules import. The module that starts it names this NEEDS.

    `settings` reads them, and raises ValueError. `modules` are those that it imports by name, given its arguments. `loads` reads what comes
    with the code, and says what that was. Whatever any of them raises is a problem.
    """

    settings: Callable[[], T]
    modules: Callable[[Sequence[str]], Iterable[str]] = _nothing
    loads: Callable[[T], Iterable[str]] = _nothing
