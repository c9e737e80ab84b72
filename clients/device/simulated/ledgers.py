"""Local ledgers of devices that do not exist, from the tables that ship with SCALE. No two devices buy alike."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from models.federated.holdout import merchants, statements
from models.hypcd.corpus import CITIES, corpus, held_out, taxonomy

_CONCENTRATION = 0.3
"""Of the Dirichlet draw that says what a device buys: the smaller, the more unlike the devices are."""
_LAST_DAY = date(2026, 6, 30)
_DAYS = 365
_COLUMNS = ("date", "amount", "currency", "description", "merchant", "category", "category_source")


def write_ledgers(folder: Path, devices: int, rows: int, seed: int) -> list[Path]:
    """A CSV file for each device. What the gate asks a model is in none of them."""
    chance = np.random.default_rng(seed)
    kinds = taxonomy()
    income = {slug for slug, credit in zip(kinds.detailed, kinds.credit, strict=True) if credit}
    table = corpus(CITIES, leave_out=held_out)
    asked = {row[0] for row in statements() + merchants()}
    # Texts in other scripts are few, and a household knows one or two.
    usable = [place for place, text in enumerate(table.texts) if text.strip().isascii() and text not in asked]
    labels = np.array([table.labels[place] for place in usable])
    weights = np.array([table.weights[place] for place in usable])
    slugs = sorted(set(table.labels))
    by_slug = {slug: np.flatnonzero(labels == slug) for slug in slugs}
    files = []
    for device in range(devices):
        taste = chance.dirichlet([_CONCENTRATION] * len(slugs))
        bought = chance.choice(len(slugs), size=rows, p=taste)
        lines = []
        for number in bought:
            places = by_slug[slugs[number]]
            place = usable[chance.choice(places, p=weights[places] / weights[places].sum())]
            known = table.amounts[place]
            lines.append(_line(chance, table.texts[place], known, slugs[number], income))
        files.append(folder / f"ledger-{device}.csv")
        _write(files[-1], lines)
    return files


def _line(chance: np.random.Generator, text: str, known: float, slug: str, income: set[str]) -> tuple[str, ...]:
    cents = int(abs(known) * 100) if not math.isnan(known) else int(100 * math.exp(chance.normal(3.2, 1.0)))
    amount = f"{'' if slug in income else '-'}{cents // 100}.{cents % 100:02d}"
    day = _LAST_DAY - timedelta(days=int(chance.integers(_DAYS)))
    return day.isoformat(), amount, "EUR", " ".join(text.split()), "", slug, "user"


def _write(path: Path, lines: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(sorted(lines))
