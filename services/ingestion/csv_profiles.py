"""Between what is kept of a user's words on CSV files and what the reader takes of them and teaches anew."""

from __future__ import annotations

from collections.abc import Iterable

from services.ingestion.domain import CsvLayout, CsvProfile, ImportOptions
from services.ingestion.readers.statement import Statement, Taught

MAX_HEADER_CHARS = 4000
"""Of a header that is shown again; all of it counts for its hash."""


def for_reader(profiles: Iterable[CsvProfile]) -> dict[str, Taught]:
    """By header hash."""
    layouts = ((profile.layout, profile.import_id) for profile in profiles)
    return {known.header_hash: Taught(known.header_hash, known.columns, known.date_format, str(by)) for known, by in layouts}


def taught_by(statement: Statement, options: ImportOptions) -> CsvLayout | None:
    """What an import that went well teaches; None when its caller said nothing of columns and dates, or nothing can be known again by it.

    A file without a header teaches nothing: other banks' files look the same, and would be read wrong without anybody's noticing.
    """
    if statement.file_format != "csv" or statement.header_hash is None or not (options.columns or options.date_format):
        return None
    # What an earlier file taught and the caller left as it was stays taught.
    taken = statement.detected.get("profile", {})
    return CsvLayout(
        header_hash=statement.header_hash,
        header=_shown(statement.detected["header"]),
        columns=dict(options.columns or taken.get("columns", {})),
        date_format=options.date_format or taken.get("date_format"),
    )


def _shown(header: Iterable[str]) -> list[str]:
    shown: list[str] = []
    chars = 0
    for name in header:
        chars += len(name)
        if chars > MAX_HEADER_CHARS:
            break
        shown.append(name)
    return shown
