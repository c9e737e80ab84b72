"""What was made of payments: by a network, by rules, or of both. Standard library and numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What n payments are likely to be, before the user's own words."""

    categories: Sequence[str]
    probabilities: Floats
    """[n, k], over `categories`: calibrated."""
    points: Floats | None = None
    """[n, d], on the ball; None from what has none."""
    whys: Sequence[str] = ()
    """One for each payment, in words for the user; none where nothing knows words."""
