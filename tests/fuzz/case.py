"""One input of the fuzzers: a statement's bytes and what the caller says about it, as one file that people can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.ingestion.readers.statement import ReadOptions

TODAY = date(2026, 6, 1)
_MARK = b"#fuzz "
_NAMES = ("file_format", "date_format", "currency", "columns", "password")


@dataclass(frozen=True)
class Case:
    """What one execution reads. `options` has `file_format`, `date_format`, `currency`, `columns` and `password`, where they are given."""

    content: bytes
    options: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> bytes:
        """The options as a first line of JSON, where there are any, then the statement."""
        if not self.options and not self.content.startswith(_MARK):
            return self.content
        return _MARK + json.dumps(dict(self.options), ensure_ascii=True).encode() + b"\n" + self.content

    @property
    def file_format(self) -> str | None:
        """What the caller declares the format to be."""
        return self.options.get("file_format")

    def read_options(self) -> ReadOptions:
        """As the service gives them to a reader, on a fixed day."""
        given = {name: self.options[name] for name in ("date_format", "currency", "columns", "password") if name in self.options}
        return ReadOptions(**given, file_name="statement.txt", today=TODAY)


def case_of(data: bytes) -> Case:
    """The case of `Case.data`. A first line that is no longer whole stands for no options."""
    if not data.startswith(_MARK):
        return Case(data)
    head, _, content = data.partition(b"\n")
    try:
        said = json.loads(head[len(_MARK) :])
    except ValueError:
        return Case(content)
    return Case(content, _sane(said) if isinstance(said, dict) else {})


def _sane(said: dict[str, Any]) -> dict[str, Any]:
    """Only what passes the checks that the service makes before it calls a reader."""
    options: dict[str, Any] = {}
    for name in _NAMES:
        value = said.get(name)
        if name == "columns" and isinstance(value, dict):
            pairs = {str(key).strip(): str(text).strip() for key, text in value.items()}
            options[name] = {key[:200]: text[:200] for key, text in pairs.items() if "\x00" not in key + text}
        elif name != "columns" and isinstance(value, str) and "\x00" not in value and value.strip():
            options[name] = value.strip()[:200]
    return options
