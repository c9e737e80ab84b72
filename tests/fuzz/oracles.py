"""What must hold for every input whatever: a reader reads it or refuses it with a reason, in bounded time and memory, alike each time."""

from __future__ import annotations

import json
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

import polars as pl
from google.protobuf import json_format, struct_pb2

from services.accounts.batches import read_batch
from services.ingestion.domain import AccountRef, ImportOptions, RowOutcome
from services.ingestion.formats import HEAD_BYTES, choose_format
from services.ingestion.normalise import Normaliser
from services.ingestion.outcomes import RowOutcomes
from services.ingestion.readers.record_rows import BATCH_ROWS
from services.ingestion.readers.statement import BATCH_SCHEMA, MAX_ERRORS_SHOWN, ReadOptions, RowError, Statement, UnreadableStatement
from services.kit.errors import ScaleError
from services.kit.money import MAX_AMOUNT, is_currency
from tests.fuzz.case import Case

Reader = Callable[[Path, ReadOptions], Statement]
MiB = 1024 * 1024
_ACCOUNT = AccountRef(UUID(int=7), "EUR")
_MAX_DETECTED_BYTES = 2 * MiB
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Finding(Exception):
    """An input broke a promise. `signature` is the same for inputs that break it in the same way."""

    def __init__(self, kind: str, detail: str, place: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail
        self.signature = f"{kind} {place or detail}"


class _OutOfTime(BaseException):
    """Not an Exception, so that no reader takes it for trouble with its file."""


@dataclass(frozen=True)
class Limits:
    """Of one execution. Time is the processor's, children included: the machine may be busy with other things.

    At most `cpu_s`, and at most `slack_s` + size / `bytes_per_s`, so that what grows faster than the input is seen on small ones.
    """

    cpu_s: float = 10.0
    slack_s: float = 1.0
    bytes_per_s: float = 200_000.0
    growth_bytes: int = 300 * MiB

    def seconds(self, size: int) -> float:
        return min(self.cpu_s, self.slack_s + size / self.bytes_per_s)


TEXT = Limits()
PACKED = Limits(slack_s=9)
"""Of a workbook: its size says little of what is in it, and its own process is stopped after six seconds."""


@dataclass
class Result:
    """How one execution went."""

    file_format: str
    rows: int = 0
    errors: int = 0
    refused: str = ""
    cpu_s: float = 0.0
    growth_bytes: int = 0
    output: Any = None  # equal for equal inputs


class Oracle:
    """Runs cases on `readers` (by format), with `folder` for the file. Not for two threads at once."""

    def __init__(self, readers: Mapping[str, Reader], folder: Path, limits: Limits) -> None:
        self._readers = readers
        self._path = folder / "statement"
        self._limits = limits

    def check(self, case: Case, *, default_format: str, twice: bool) -> Result:
        """One execution; with `twice` a second one, which must give the same, and whose rows the ledger must take. Raises Finding."""
        self._path.write_bytes(case.content)
        try:
            name = choose_format(case.content[:HEAD_BYTES], case.file_format)
        except ScaleError as refusal:
            return Result("none", refused=str(refusal))
        except Exception as error:
            raise crash(error) from error
        if name not in self._readers:
            return Result(name, refused=f"not of the {default_format} reader")
        with _measured(len(case.content), self._limits) as result:
            result.file_format = name
            self._read(name, case, result)
        if twice:
            again = Result(name)
            with _measured(len(case.content), self._limits):
                self._read(name, case, again)
            if again.output != result.output:
                raise Finding("unequal", f"the same {name} file read twice gives two results")
            with _measured(len(case.content), self._limits):
                self._ledger_takes(name, case, result)
        return result

    def _read(self, name: str, case: Case, result: Result) -> None:
        try:
            statement = self._readers[name](self._path, case.read_options())
            batches = list(statement.batches)
        except UnreadableStatement as refusal:
            result.output = _refusal(refusal)
            result.refused = refusal.message
        except ScaleError as refusal:
            result.output = result.refused = str(refusal)
        except (Exception, pl.exceptions.PanicException) as error:
            raise crash(error) from error
        else:
            _check_statement(statement)
            rows = [row for batch in batches for row in _rows(batch.rows)]
            errors = [wrong for batch in batches for wrong in batch.errors]
            _check_lines(rows, errors)
            for wrong in errors:
                _check_error(wrong)
            for row in rows:
                _check_row(row)
            _check_balances(statement, rows)
            result.rows, result.errors = len(rows), len(errors)
            result.output = (statement.file_format, statement.account, json.dumps(statement.detected), rows, errors)

    def _ledger_takes(self, name: str, case: Case, result: Result) -> None:
        """What the service makes of the rows passes the ledger's own checks, and every row has an outcome."""
        if result.refused:
            return
        statement = self._readers[name](self._path, case.read_options())
        outcomes = RowOutcomes()
        normaliser = Normaliser(statement, ImportOptions(currency=case.options.get("currency")), outcomes)
        after_line = sent = 0
        try:
            while (batch := normaliser.read()) is not None:
                for count, message in normaliser.encode(batch, dict.fromkeys(batch.keys, _ACCOUNT)):
                    frame = read_batch(message, after_line=after_line)
                    after_line, sent = frame["line"][-1], sent + count
                    if frame.height != count:
                        raise Finding("counts", "a message holds another number of rows than it says")
        except ScaleError as refusal:
            if "record_batch" in str(refusal):
                raise Finding("ledger", f"the ledger refuses the whole import: {refusal}", _figureless(str(refusal))) from refusal
            return  # more accounts than a person has
        except Finding:
            raise
        except Exception as error:
            raise crash(error) from error
        kept_out = outcomes.count(RowOutcome.ZERO_AMOUNT) + outcomes.count(RowOutcome.REJECTED)
        if sent + kept_out > result.rows + result.errors or sent + outcomes.count(RowOutcome.ZERO_AMOUNT) > result.rows:
            raise Finding("counts", f"{result.rows} rows and {result.errors} errors became {sent} sent and {kept_out} kept out")


def crash(error: BaseException) -> Finding:
    """A finding for an exception that no reader may raise, told apart by the place in our code that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/services/" in frame.filename]
    frame = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    return Finding("crash", f"{type(error).__name__}: {str(error)[:300]} at {Path(frame.filename).name}:{frame.lineno} {frame.name}", place)


@contextmanager
def _measured(size: int, limits: Limits) -> Iterator[Result]:
    """Time and memory of what runs inside. Raises Finding when it took too much of either."""
    result = Result("")
    before = _resident("VmRSS")
    _forget_peak()
    started = cpu_seconds()
    stopped_at: list[str] = []
    try:
        with _alarm(limits.cpu_s, stopped_at):
            yield result
    except _OutOfTime:
        pass
    except Finding:
        if not stopped_at:  # else the reader took the alarm for trouble with its file
            raise
    if stopped_at:
        raise Finding("hang", f"{size} bytes take more than {limits.cpu_s:.0f} s; the reader was at {stopped_at[0]}", stopped_at[0])
    result.cpu_s = cpu_seconds() - started
    result.growth_bytes = max(0, _resident("VmHWM") - before)
    if result.cpu_s > limits.seconds(size):
        raise Finding("slow", f"{size} bytes take {result.cpu_s:.1f} s, more than {limits.seconds(size):.1f}", result.file_format)
    if result.growth_bytes > limits.growth_bytes:
        raise Finding("memory", f"{size} bytes make the process grow by {result.growth_bytes // MiB} MiB", result.file_format)


def cpu_seconds() -> float:
    """What this process has had of the processors, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def _alarm(seconds: float, stopped_at: list[str]) -> Iterator[None]:
    """Notes where the work stands once it has had its processor time, and stops it; again and again if it goes on all the same."""

    def stop(_: int, frame: FrameType | None) -> None:
        ours = [summary for summary in traceback.extract_stack(frame) if "/services/" in summary.filename]
        stopped_at.append(f"{Path(ours[-1].filename).name} {ours[-1].name}" if ours else "a place outside of it")
        raise _OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _resident(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    """Lets the peak of the resident memory start from here."""
    _CLEAR.write_text("5")


def _rows(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    if dict(frame.schema) != BATCH_SCHEMA:
        raise Finding("schema", f"a batch has the columns {dict(frame.schema)}", "schema")
    if frame.height > BATCH_ROWS:
        raise Finding("schema", f"a batch has {frame.height} rows", "height")
    try:
        return frame.rows()
    except Exception as error:  # a day that no calendar has
        raise crash(error) from error


def _check_lines(rows: list[tuple[Any, ...]], errors: list[RowError]) -> None:
    lines = [row[0] for row in rows]
    if any(line < 1 for line in lines) or any(later <= line for line, later in pairwise(lines)):
        raise Finding("lines", "the rows' lines do not rise from 1")
    if {error.line for error in errors} & set(lines):
        raise Finding("lines", "a line is a row and an error, too")


def _check_row(row: tuple[Any, ...]) -> None:
    values = dict(zip(BATCH_SCHEMA, row, strict=True))
    day, amount, currency = values["transaction_date"], values["amount"], values["currency"]
    if not isinstance(day, date) or not 1000 <= day.year <= 9999:
        raise Finding("date", f"line {row[0]} has the date {day!r}", "date")
    if not isinstance(amount, Decimal) or not amount.is_finite() or abs(amount) > MAX_AMOUNT:
        raise Finding("amount", f"line {row[0]} has the amount {amount!r}", "amount")
    if currency is not None and not is_currency(currency):
        raise Finding("currency", f"line {row[0]} has the currency {currency!r}", "currency")
    if values["status"] not in ("posted", "pending", "void"):
        raise Finding("status", f"line {row[0]} has the status {values['status']!r}", "status")
    if values["description"] is None or values["source_id"] == "":
        raise Finding("text", f"line {row[0]} has no description, or an empty source id", "null")
    for name in ("description", "merchant", "category", "payment_method", "account", "source_id", "raw_data"):
        if "\x00" in (values[name] or ""):
            raise Finding("text", f"line {row[0]} has a NUL in {name}", f"NUL {name}")
    try:
        raw = json.loads(values["raw_data"])
    except ValueError as error:
        raise Finding("raw_data", f"line {row[0]}: {error}", "JSON") from error
    if not isinstance(raw, dict) or "\\u0000" in values["raw_data"]:
        raise Finding("raw_data", f"line {row[0]}: PostgreSQL cannot hold {values['raw_data'][:100]!r}", "jsonb")


def _check_error(error: RowError) -> None:
    if error.line < 0 or not error.field or not error.reason:
        raise Finding("error", f"{error!r} does not say where and why", f"empty {error.field}")
    _sendable(error.field + error.reason, f"reason of {error.field}")


def _refusal(refusal: UnreadableStatement) -> tuple[Any, ...]:
    """The refusal as values. Raises Finding for one that could not be sent or says nothing."""
    if not refusal.message or not 1 <= len(refusal.errors) <= MAX_ERRORS_SHOWN:
        raise Finding("error", f"{refusal.message!r} comes with {len(refusal.errors)} errors", "refusal")
    for error in refusal.errors:
        _check_error(error)
    _sendable(refusal.message, "message")
    _sendable(json.dumps(refusal.needs, ensure_ascii=False), "needs")
    return refusal.message, tuple(refusal.errors), json.dumps(refusal.needs)


def _sendable(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Finding("text", f"{what} holds half a character: {text[:100]!r}", f"surrogate {what}") from error


def _check_statement(statement: Statement) -> None:
    """`detected` travels as JSON, as protobuf's Struct, and into jsonb."""
    try:
        text = json.dumps(statement.detected, allow_nan=False, ensure_ascii=False)
        json_format.ParseDict(statement.detected, struct_pb2.Struct()).SerializeToString()
    except Exception as error:
        raise Finding("detected", f"cannot be sent: {type(error).__name__}: {error}"[:300], type(error).__name__) from error
    _sendable(text + (statement.account or ""), "detected")
    if len(text.encode()) > _MAX_DETECTED_BYTES:
        raise Finding("detected", f"has {len(text.encode())} bytes", "size")


def _check_balances(statement: Statement, rows: list[tuple[Any, ...]]) -> None:
    """Where the file is one section of one account, the rows that were counted are the posted ones that came out."""
    for balance in statement.detected.get("balances", ()):
        opening, closing, total, lacks = (balance[name] for name in ("opening", "closing", "rows_sum", "difference"))
        if (lacks is None) != (opening is None or closing is None):
            raise Finding("balances", f"{balance} names a difference without both balances, or none with them", "difference")
        if lacks is not None and Decimal(opening) + Decimal(total) + Decimal(lacks) != Decimal(closing):
            raise Finding("balances", f"{balance} does not add up", "sum")


def _figureless(text: str) -> str:
    return "".join(character for character in text if not character.isdigit())[:120]
