"""What the world knows of brands, beside what a network makes of the letters of their names. Pure: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.knowledge.brands import match_brand

# How much a brand's name counts: where nothing stands behind it, and where something does, which may be a town or make it another shop.
_WHOLE_BRAND = 0.8
_LEADING_BRAND = 0.4


def with_brands(
    probabilities: NDArray[np.float32], places: Mapping[str, int], keys: Sequence[str], amounts: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Changes probabilities [n, k] in place and returns them; `keys` [n] are merchants' from `merchant_key`, `amounts` [n] signed, and
    `places` says which column a category has. Brands count for money that leaves."""
    rows, columns, weights = [], [], []
    for row, key in enumerate(keys):
        brand = match_brand(key)
        if brand is not None and amounts[row] < 0 and brand.category in places:
            rows.append(row)
            columns.append(places[brand.category])
            weights.append(_WHOLE_BRAND if brand.whole else _LEADING_BRAND)
    if rows:
        share = np.array(weights, np.float32)
        probabilities[rows] *= (1 - share)[:, None]
        probabilities[rows, columns] += share
    return probabilities
