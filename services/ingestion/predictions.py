"""What categorization says of rows on their way to the ledger. Without an answer they go on without it: no import waits long, or fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import structlog

from services.ingestion.arrow import messages
from services.ingestion.metrics import IMPORTS_UNPREDICTED
from services.ingestion.protocols import Categorizer, CategorizerStream
from services.ingestion.threads import run_to_end
from services.kit.errors import ScaleError

log = structlog.get_logger()

UNAVAILABLE = "unavailable"
"""In `detected.categorization` of an import of which some rows, or all, went without."""
NOTE = (
    "some rows have no category, because categorization did not answer; recategorize (POST /api/v1/classify/recategorize) to make up for it"
)
SECONDS_PER_ROW = 0.0001
"""Waiting for an answer that comes at no less than this pace costs nothing of what an import may wait."""

QUESTION_SCHEMA = pa.schema(
    [("description", pa.utf8()), ("merchant", pa.utf8()), ("amount", pa.decimal128(19, 4)), ("transaction_date", pa.date32())]
)
_ANSWER_TYPES = {"category": pl.String(), "confidence": pl.Float64(), "source": pl.String()}
_ANSWER_COLUMNS = {"category": "predicted_category", "confidence": "confidence", "source": "prediction_source"}
_SOURCES = ("user", "model", "fallback")
_MAX_SLUG_CHARS = 100
"""What the ledger takes."""


class WrongAnswer(Exception):
    """An answer that is not what the contract promises."""


class Asked(NamedTuple):
    """A batch that categorization was asked about."""

    row_counts: Sequence[int]
    """Of each message."""


class Predictions:
    """Of one import: asked and answered batch by batch, in order, one batch or two ahead of the ledger. The first failure is the last."""

    def __init__(self, categorizer: Categorizer | None, *, executor: Executor | None, timeout_s: float) -> None:
        """Without `categorizer` there are none. `timeout_s`: how long the import may wait, all in all, for answers that are slow."""
        self._stream: CategorizerStream | None = categorizer.open() if categorizer is not None else None
        self._executor = executor
        self._timeout_s = timeout_s
        self._left_s = timeout_s
        self._unanswered = 0
        self.missing = False
        """Whether rows went without, though they should not have."""

    async def ask(self, rows: pl.DataFrame) -> Asked:
        """Asks about the rows, without waiting for the answer."""
        if self._stream is None:
            return Asked(())
        parts = await run_to_end(self._executor, lambda: list(messages(rows, QUESTION_SCHEMA)))
        for row_count, record_batch in parts:
            self._stream.ask(row_count, record_batch)
        self._unanswered += len(parts)
        return Asked([row_count for row_count, _ in parts])

    async def answer(self, asked: Asked) -> pl.DataFrame | None:
        """The columns that the ledger takes beside the rows, in their order; None when there is no answer."""
        if self._stream is None:
            return None
        self._left_s = min(self._timeout_s, self._left_s + sum(asked.row_counts) * SECONDS_PER_ROW)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left_s):
                parts = [await self._stream.answer() for _ in asked.row_counts]
            predicted = await run_to_end(self._executor, read_answers, parts, asked.row_counts)
        except TimeoutError:
            await self._go_without("slow", f"no answer after {time.monotonic() - started:.1f} s")
        except WrongAnswer as error:
            await self._go_without("wrong", str(error))
        except ScaleError as error:
            await self._go_without("unavailable", str(error))
        else:
            self._left_s -= time.monotonic() - started
            self._unanswered -= len(parts)
            return predicted
        return None

    async def close(self) -> None:
        """Ends the conversation."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close(complete=not self._unanswered)

    async def _go_without(self, reason: str, error: str) -> None:
        log.warning("an import goes on without predictions", reason=reason, error=error)
        IMPORTS_UNPREDICTED.labels(reason).inc()
        self.missing = True
        await self.close()


def read_answers(parts: Sequence[bytes], row_counts: Sequence[int]) -> pl.DataFrame:
    """The columns for the ledger. What it would refuse is a WrongAnswer here: a row without a prediction is better than no row."""
    return pl.concat([_read_answer(part, row_count) for part, row_count in zip(parts, row_counts, strict=True)], rechunk=False)


def _read_answer(data: bytes, row_count: int) -> pl.DataFrame:
    try:
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        table.validate(full=True)
        answer = pl.DataFrame(table).cast(_ANSWER_TYPES)  # type: ignore[arg-type]
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise WrongAnswer(f"is not an Arrow IPC stream of the contract: {(str(error).splitlines() or ['?'])[0][:200]}") from None
    if answer.columns != list(_ANSWER_TYPES) or answer.height != row_count:
        raise WrongAnswer(f"has {answer.height} rows of {', '.join(answer.columns)[:200]} for {row_count} rows")
    answer = answer.rename(_ANSWER_COLUMNS)
    said = pl.col("predicted_category").is_not_null()
    wrong = answer.filter(
        said
        & (
            (pl.col("predicted_category").str.len_chars() > _MAX_SLUG_CHARS)
            | pl.col("predicted_category").str.contains("\x00", literal=True)
            | ~pl.col("confidence").is_between(0, 1).fill_null(False)
            | ~pl.col("prediction_source").is_in(_SOURCES).fill_null(False)
        )
    )
    if wrong.height:
        raise WrongAnswer(f"says of {wrong.height} rows what the ledger would refuse")
    # Of rows of which nothing is said, nothing is passed on.
    return answer.with_columns(pl.when(said).then(pl.col(name)).alias(name) for name in ("confidence", "prediction_source"))
