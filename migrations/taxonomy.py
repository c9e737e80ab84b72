"""Keeps accounts.categories equal to the taxonomy that the project ships as data."""

from __future__ import annotations

import csv
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

TAXONOMY = Path(__file__).resolve().parent.parent / "services" / "accounts" / "data" / "taxonomy.csv"

UPSERT = text("""
    INSERT INTO accounts.categories AS known (slug, primary_slug, name, sign, description, examples)
    VALUES (:slug, :primary_slug, :name, :sign, :description, :examples)
    ON CONFLICT (slug) DO UPDATE
       SET primary_slug = excluded.primary_slug, name = excluded.name, sign = excluded.sign,
           description = excluded.description, examples = excluded.examples
     WHERE (known.primary_slug, known.name, known.sign, known.description, known.examples)
           IS DISTINCT FROM
           (excluded.primary_slug, excluded.name, excluded.sign, excluded.description, excluded.examples)
""")


def read_taxonomy(path: Path = TAXONOMY) -> list[dict[str, str]]:
    """Every category, primary ones before their details: slug, primary_slug, name, sign, description, examples."""
    with path.open(encoding="utf-8", newline="") as file:
        details = list(csv.DictReader(file))
    categories: list[dict[str, str]] = []
    for primary in dict.fromkeys(row["primary"] for row in details):
        below = [row for row in details if row["primary"] == primary]
        signs = {row["sign"] for row in below}
        name = primary.replace("_", " ").capitalize()
        categories.append(_category(primary, primary, name, signs.pop() if len(signs) == 1 else "both"))
        categories += [_category(row["detailed"], primary, row["name"], row["sign"], row["description"], row["examples"]) for row in below]
    return categories


async def load_taxonomy(connection: AsyncConnection) -> None:
    """Adds what is new and corrects what changed. Nothing is ever removed: transactions may carry it."""
    await connection.execute(UPSERT, read_taxonomy())


def _category(slug: str, primary: str, name: str, sign: str, description: str = "", examples: str = "") -> dict[str, str]:
    return {
        "slug": slug,
        "primary_slug": primary,
        "name": name,
        "sign": sign,
        "description": description,
        "examples": examples,
    }
