"""Makes this room's training tables from public data: `python -m models.hypcd.collect --data ../shared/data/categorization`.

The folder holds the purchase-card rows of two cities (Open Government Licence: see NOTICE) and `osm_category.csv`, tags of OpenStreetMap
in the taxonomy. Of the rows, those whose account says clearly what was bought are kept, by `data/council_label_category.csv`: one line for
each merchant, category and octave of amounts, with the number of rows. The same input makes the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from models.hypcd.corpus import CITIES, DATA, read_table


class CardRow(NamedTuple):
    """A purchase as a city published it. Spending is negative, as everywhere in SCALE."""

    merchant: str
    day: date | None
    amount: float
    label: str  # the account it was booked on, folded
    card: str  # masked; "" where none is given


def card_rows(data: Path, city: str) -> Iterator[CardRow]:
    """All rows of a city with a label, as they stand in its files."""
    if city == "birmingham":
        for row in read_table(data / "birmingham_2014-04_2017-06.csv.gz"):
            yield _card_row(row["MERCHANT NAME"], row["TRANS DATE"], row["ORIGINAL GROSS AMT"], row["TRANS CAC DESC 1"], row["CARD NUMBER"])
        return
    for row in read_table(data / "barnet" / "Purchasing_Card_Data_2014_v1.csv", encoding="cp1252"):
        yield _card_row(row["Creditor"], row["Transaction Date"], row["JV Value"], row["Account Description"])
    for row in read_table(data / "barnet" / "PCard_Transactions_15-16.txt", encoding="cp1252"):
        yield _card_row(row["Creditor"], row["Journal Date"], row["Total"], row["Account Description"])


def clear_rows(data: Path, city: str) -> Iterator[tuple[CardRow, str]]:
    """Rows of a city whose label says clearly what was bought, each with its category."""
    categories = {row["label"]: row["category"] for row in read_table(DATA / "council_label_category.csv") if row["source"] == city}
    for row in card_rows(data, city):
        if row.label in categories:
            yield row, categories[row.label]


def _card_row(merchant: str | None, day: str | None, amount: str | None, label: str | None, card: str | None = "") -> CardRow:
    return CardRow((merchant or "").strip(), _day(day or ""), _spent(amount or ""), (label or "").strip().lower(), card or "")


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007
        except ValueError:
            continue
    return None


def _spent(text: str) -> float:
    try:
        return -float(text.replace(",", ""))
    except ValueError:
        return math.nan


def merchant_rows(data: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """City, merchant, category, an amount of the octave, number of rows; the same order every time."""
    for city in CITIES:
        counts: Counter[tuple[str, str, float]] = Counter()
        for row, category in clear_rows(data, city):
            octave = 0.0 if not row.amount else math.copysign(2.0 ** round(math.log2(abs(row.amount))), row.amount)
            counts[" ".join(row.merchant.lower().split()), category, octave] += 1
        for (merchant, category, octave), count in sorted(counts.items()):
            if merchant:
                yield city, merchant, category, f"{octave:g}", str(count)


def word_rows(data: Path) -> Iterator[tuple[str, str]]:
    """What a shop, a place or a service is called, and its category."""
    for row in read_table(data / "osm_category.csv"):
        category = row["detailed"] or row["primary"]
        if category and not category.startswith("other"):
            yield row["osm_value"].replace("_", " ").replace(";", " "), category


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> int:
    text, lines = io.StringIO(), list(rows)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)
    return len(lines)


def main() -> int:
    """Writes both tables and says how many rows they have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the public files")
    parser.add_argument("--out", type=Path, default=DATA, help="where to write (default: beside the code)")
    options = parser.parse_args()
    merchants = _write(options.out / "merchants.csv.gz", ("city", "merchant", "category", "amount", "rows"), merchant_rows(options.data))
    words = _write(options.out / "words.csv", ("words", "category"), word_rows(options.data))
    sys.stdout.write(f"{merchants} lines of merchants, {words} of words\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
