"""Categorization in memory: says of each row what a test wants."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from services.kit.errors import ScaleError

ANSWER_SCHEMA = pa.schema([("category", pa.utf8()), ("confidence", pa.float64()), ("source", pa.utf8())])
Said = tuple[str | None, float | None, str | None]


def answer_batch(said: Sequence[Said], schema: pa.Schema = ANSWER_SCHEMA) -> bytes:
    """Answers on the wire."""
    rows = [dict(zip(schema.names, one, strict=True)) for one in said]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
    return sink.getvalue().to_pybytes()


def by_description(row: dict[str, Any]) -> Said:
    """A category from the description's last letters, so that each row has its own."""
    return f"slug {row['description']}", 0.5, "model"


class FakeCategorizer:
    """`Categorizer`. `says` gives the answer to a row; `answers` whole answers in its place, by number of the question: an error is raised,
    and None never comes."""

    def __init__(self, says: Callable[[dict[str, Any]], Said] = by_description) -> None:
        self.says = says
        self.answers: dict[int, bytes | ScaleError | None] = {}
        self.delay_s = 0.0
        self.questions: list[list[dict[str, Any]]] = []
        self.closed: list[bool] = []
        """Whether each conversation was complete."""

    def open(self) -> _Stream:
        return _Stream(self)


class _Stream:
    def __init__(self, fake: FakeCategorizer) -> None:
        self._fake = fake
        self._waiting: list[tuple[int, list[dict[str, Any]]]] = []

    def ask(self, row_count: int, record_batch: bytes) -> None:
        rows = pa.ipc.open_stream(io.BytesIO(record_batch)).read_all().to_pylist()
        assert len(rows) == row_count
        self._waiting.append((len(self._fake.questions), rows))
        self._fake.questions.append(rows)

    async def answer(self) -> bytes:
        number, rows = self._waiting.pop(0)
        await asyncio.sleep(self._fake.delay_s)
        given = self._fake.answers.get(number, answer_batch([self._fake.says(row) for row in rows]))
        if isinstance(given, ScaleError):
            raise given
        if given is None:
            await asyncio.Event().wait()
        assert given is not None
        return given

    async def close(self, *, complete: bool) -> None:
        self._fake.closed.append(complete)
