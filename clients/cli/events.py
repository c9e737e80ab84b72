"""Server-sent events, as the WHATWG describes them: lines in, events out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event. `id` is that of the last event that had one."""

    name: str
    data: str
    id: str


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in the lines of a stream. What the end of the stream cuts off is no event."""
    name, last_id = "", ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data), last_id)
            name = ""
            data = []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            last_id = value
