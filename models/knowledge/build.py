"""Makes the tables of this room from public data: `python -m models.knowledge.build --data ../shared/data/categorization`.

The folder holds `brands.csv.gz` (name-suggestion-index, BSD 3-Clause: see NOTICE), `osm_category.csv` (its tags in the taxonomy),
`mcc_codes.csv` (merchant category codes, public domain) and `mcc_category.csv`. The same input makes the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from models.hypcd.merchant import merchant_key
from models.knowledge.brands import DATA

_AGREED = 0.6
"""Of the weight of a name, for its detailed category to be taken; its primary needs as much, too."""
_COUNTRIES = 10
_OPERATOR = 0.3
_OTHER_NAME = 0.5
_LARGE = frozenset({"groceries_supermarket", "shopping_general", "shopping_home", "housing_home_improvement"})
_SIDE_LINES = frozenset(
    "transport_fuel financial_cash dining_cafe dining_fast_food dining_restaurant health_pharmacy health_optician groceries_convenience"
    " shopping_postage utilities_phone children_activities health_veterinary travel_package transport_vehicle_service".split()
)
_FORECOURT = frozenset({"transport_fuel", "groceries_convenience", "transport_vehicle_service", "dining_cafe", "financial_cash"})
_SAYS_NOTHING = frozenset({"", "other", "other_uncategorized", "education_school"})
# Words that stand behind the first in so many names are no brand alone, and may not be followed by others.
_COMMON_IN = 10
_LEADS_IN = 3
_WELL_KNOWN = 4
_COMMON = frozenset(
    "active advance air allianz alpha america apple arena art atlas auto avenue bank bar bargain base bay beach bell best big black"
    " blue bond bravo bridge bright burger business cafe card care carters cash castle central centre charter choice city classic club"
    " coffee comfort corner cost country crown daily delta diamond direct discount dragon eagle east easy eco elite energy europe"
    " event express extra family farm fast first fitness food forever fresh friends garden general gift gold golden good grand green"
    " group guess harvest health heart home hope hotel house ideal international island jacks jet joy junction king kings kiosk lake"
    " life light lion live local lotus love magic mail main marcos market master max media metro mini mobile modern money moon my new"
    " next north nova oasis ocean one online open optimum orange organic palace paradise park partner pause pay people perfect phone"
    " pizza planet platinum plaza plus point polo premier premium prestige prima prime pro queen quick rainbow rapid real red rent rio"
    " river rose royal russells safe sas select service shop signature silver sky smart smile solo south spring square standard star"
    " station store style sun super supreme sweet swift target taxi team the time today top total town trade travel triumph trust"
    " tudor union unique united universal urban us value vision west white wind wolf world young zone".split()
)


def main() -> int:
    """Writes both tables and says how many rows they have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four files")
    parser.add_argument("--out", type=Path, default=DATA, help="where to write (default: beside the code)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    brands = list(brand_rows(options.data))
    _write(options.out / "brands.csv.gz", ("key", "name", "category", "leads"), brands)
    codes = list(code_rows(options.data))
    _write(options.out / "mcc.csv.gz", ("code", "description", "category"), codes)
    sys.stdout.write(f"{len(brands)} brands, {len(codes)} merchant category codes\n")
    return 0


def brand_rows(data: Path) -> Iterator[tuple[str, str, str, str]]:
    """key, name where it says more than the key, category, whether other words may follow; by key."""
    categories = {(row["osm_key"], row["osm_value"]): row["detailed"] or row["primary"] for row in _read(data / "osm_category.csv")}
    votes: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    names: dict[str, tuple[float, int, str]] = {}
    spread: Counter[str] = Counter()
    for row in _read(data / "brands.csv.gz"):
        spread.update(set(merchant_key(row["name"]).split(" ")[1:]))
        category = categories.get((row["osm_key"], row["osm_value"]), "")
        if category in _SAYS_NOTHING:
            continue
        weight = (1 + min(len([c for c in row["countries"].split(",") if c]), _COUNTRIES)) * (1 if row["tree"] == "brands" else _OPERATOR)
        for number, name in enumerate([row["name"], *row["other_names"].split("|")]):
            if key := merchant_key(name):
                share = weight * (1 if not number else _OTHER_NAME)
                votes[key][category] += share
                names[key] = max(names.get(key, (0.0, 0, "")), (share, -len(name), name.title() if name.islower() else name))
    for key in sorted(votes):
        agreed = agreed_category(votes[key])
        words = key.split(" ")
        common = all(word in _COMMON or spread[word] >= _COMMON_IN or (word.isascii() and word.isdigit()) for word in words)
        if agreed and len(key.replace(" ", "")) > 1 and not (common and len(words) == 1):
            # One word leads when it is long and rare enough to be nothing else, several when they are no everyday phrase.
            leads = len(key) >= 4 and spread[key] <= _LEADS_IN
            if len(words) > 1:
                leads = not common or sum(votes[key].values()) >= _WELL_KNOWN
            *_, name = names[key]
            yield key, "" if name == key.title() else name, agreed, str(int(leads))


def agreed_category(votes: Mapping[str, float]) -> str | None:
    """The category that a name stands for, or None when it stands for several things.

    A supermarket that also sells fuel is a supermarket, and a petrol station with a shop a petrol station.
    """
    total = sum(votes.values())
    if len(votes) > 1 and any(votes.get(large, 0.0) * 10 >= total for large in _LARGE):
        votes = {category: weight for category, weight in votes.items() if category not in _SIDE_LINES}
        total = sum(votes.values())
    elif "transport_fuel" in votes and votes.keys() <= _FORECOURT:
        return "transport_fuel"
    best = max(sorted(votes), key=lambda category: votes[category])
    if votes[best] >= _AGREED * total:
        return best
    primaries: defaultdict[str, float] = defaultdict(float)
    for category, weight in votes.items():
        primaries[_primary(category)] += weight
    primary = max(sorted(primaries), key=lambda category: primaries[category])
    return primary if primaries[primary] >= _AGREED * total else None


def code_rows(data: Path) -> Iterator[tuple[str, str, str]]:
    """Code, description and category of every code whose category says something."""
    described = {row["mcc"]: row["edited_description"] for row in _read(data / "mcc_codes.csv")}
    for row in _read(data / "mcc_category.csv"):
        category = row["detailed"] or row["primary"]
        if category not in ("", "other_uncategorized"):
            yield row["mcc"].zfill(4), described.get(row["mcc"], ""), category


def _primary(category: str) -> str:
    return "personal_care" if category.startswith("personal_care") else category.partition("_")[0]


def _read(path: Path) -> Iterator[dict[str, str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    yield from csv.DictReader(io.StringIO(text, newline=""))


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


if __name__ == "__main__":
    sys.exit(main())
