"""The targets: a reader each, with what it is started from and the words that its format is made of."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.ingestion.app import READERS
from services.ingestion.readers import workbook_process
from services.ingestion.readers.workbook import read_workbook
from tests.fuzz import seeds
from tests.fuzz.case import Case
from tests.fuzz.oracles import PACKED, TEXT, Limits, Reader
from tests.fuzz.vocabulary import ANYWHERE, OPTIONS, WORDS

_AGILE = "EncryptionInfo".encode("utf-16-le")


@dataclass(frozen=True)
class Target:
    """`readers` are those that an input may be read by, by format; `options` what a caller may say of it."""

    name: str
    readers: Mapping[str, Reader]
    seeds: Sequence[Case]
    tokens: Sequence[bytes]
    options: Sequence[Mapping[str, Any]]
    limits: Limits = TEXT


def target(name: str, *, in_process: bool) -> Target:
    """The target of a reader. `in_process` takes workbooks apart in this process, where coverage is seen, instead of one of their own."""
    if name == "workbook":
        readers: Mapping[str, Reader] = {"workbook": _read_in_process} if in_process else {"workbook": READERS["workbook"]}
    else:
        readers = {other: READERS[other] for other in READERS if other != "workbook"}
    options = [{**given, "file_format": name} for given in OPTIONS] + [{}]
    if name == "workbook":
        options += [{"password": "Schlüssel-42"}, {"password": "x" * 200}, {"password": "\U0001f600"}]
    cases = [*seeds.own(name), *seeds.shared(name)]
    if in_process:  # stretching their keys takes most of a second each
        cases = [case for case in cases if _AGILE not in case.content]
    limits = PACKED if name == "workbook" else TEXT
    return Target(name, readers, cases, [*ANYWHERE, *WORDS[name]], options, limits)


def _read_in_process(path: Path, options: Any) -> Any:
    return read_workbook(path, options, options.password, unpack=_unpack)


def _unpack(path: Path, password: str | None) -> bytes:
    """What the program prints, without its process and its limits."""
    stream = io.BytesIO()
    workbook_process.run(path.read_bytes(), password, stream)
    return stream.getvalue()
