"""Column names that banks use, by field, rank and language. To teach the reader a name, add it to header_names.txt.

A line there is `field rank language: name; name; ...`. Rank 0 is what the ledger wants first; a higher rank is taken where no lower one
is there. Names are compared folded (no case, accents, punctuation), without a currency code ("Betrag (EUR)" is "betrag").
`other_*` names columns that must not be taken for the field though a part of their name says so. Where a file
has an amount and a currency of the purchase (`purchase_*`) beside those of the account (`own_currency`), the account's are the booking's.
"""

from __future__ import annotations

from importlib import resources

from services.ingestion.readers.folding import fold


def _parse(table: str) -> dict[str, dict[str, tuple[int, frozenset[str]]]]:
    raw: dict[str, dict[str, tuple[int, set[str]]]] = {}
    for line in table.strip().splitlines():
        head, names = line.split(":", 1)
        field, rank, language = head.split()
        for name in names.split(";"):
            known = raw.setdefault(field, {})
            best, languages = known.setdefault(fold(name), (int(rank), set()))
            known[fold(name)] = min(best, int(rank)), languages | {language}
    return {f: {n: (r, frozenset(ls)) for n, (r, ls) in names.items() if n} for f, names in raw.items()}


# field -> folded name -> (rank, languages that write it so)
NAMES: dict[str, dict[str, tuple[int, frozenset[str]]]] = _parse(
    resources.files("services.ingestion.readers").joinpath("header_names.txt").read_text(encoding="utf-8")
)
