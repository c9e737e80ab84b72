"""A global model so small that it is trained in a second, and what its tables and its users say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from models.hypcd.classifier import Heads
from models.hypcd.corpus import Corpus, taxonomy
from models.hypcd.fit import Options, fit
from models.hypcd.network import Config
from models.hypcd.retrain import Agreed, Recipe
from models.hypcd.train import Row, training_rows, write

CONFIG = Config(bucket_bits=11, gram_width=16, hidden=16, dimension=8)
OPTIONS = Options(epochs=3, draws=1024, batch=128, learning_rate=0.03, contrastive_rows=16)
KINDS = taxonomy()
TOWNS = ("leeds", "york", "bath", "ayr", "hull", "deal")
SHOPS = {"tesco": "groceries_supermarket", "aldi": "groceries_supermarket", "shell": "transport_fuel", "esso": "transport_fuel"}
SAID = [Agreed(f"kibbles {town} {end}", "shopping_pets", credit=False) for town in TOWNS for end in ("shop", "store", "north")]


def shops() -> list[Row]:
    return [(f"{shop} {town}", -20.0, label, 1.0) for shop, label in SHOPS.items() for town in TOWNS]


def tables(leave_out: Callable[[str], bool]) -> Corpus:
    found = Corpus()
    found.add([row for row in shops() if not leave_out(row[0])], 1.0)
    return found


RECIPE = Recipe(CONFIG, OPTIONS, tables, shops)


def write_present(folder: Path) -> None:
    """The model that answers before anybody has said anything: `small-1`."""
    fitted = fit(training_rows(tables(lambda merchant: False), KINDS), CONFIG, OPTIONS)
    parent, credit = torch.from_numpy(KINDS.parent), torch.from_numpy(KINDS.credit)
    heads = Heads(KINDS.detailed, KINDS.primaries, parent, credit, fitted.anchors, fitted.temperature, 0.4)
    write(folder, "small-1", fitted.encoder, heads, {})
