"""How much to make of which evidence: a small network from the numbers of one category to its score, the same for every category."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from models.hypcd.personal_evidence import NAMES, Floats

FILE = Path(__file__).parent / "personal.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """score = out @ tanh(hidden @ evidence + bias); probabilities are the softmax of scores over the candidates."""

    hidden: Floats
    """[len(NAMES), h]"""
    bias: Floats
    """[h]"""
    out: Floats
    """[h]"""

    @classmethod
    def shipped(cls) -> Weights | None:
        """Those that `models.hypcd.personal_fit` made; None for as long as their file cannot be read."""
        try:
            status = FILE.stat()
            return _shipped(status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        except (OSError, ValueError):
            return None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError for a file that cannot be read, ValueError for one that holds no weights, or those of other evidence."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            evidence = tuple(stored["evidence"])
            hidden, bias, out = (np.asarray(stored[part], np.float32) for part in ("hidden", "bias", "out"))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} holds no weights: {type(error).__name__}; restore it, or fit it again") from error
        if evidence != NAMES:
            raise ValueError(f"{path} weighs other evidence than this version has: fit it again (models.hypcd.personal_fit)")
        if (
            hidden.shape != (len(NAMES), len(bias))
            or bias.shape != out.shape
            or not all(np.isfinite(part).all() for part in (hidden, bias, out))
        ):
            raise ValueError(f"{path} holds weights that do not fit together; restore it, or fit it again")
        return cls(hidden, bias, out)

    def write(self, path: Path) -> None:
        """A text file, so that a change can be read."""
        parts = {"hidden": self.hidden, "bias": self.bias, "out": self.out}
        lines = {name: json.dumps(np.round(part, 5).tolist()) for name, part in parts.items()}
        body = ",\n".join(f'"{name}": {line}' for name, line in lines.items())
        path.write_text(f'{{"evidence": {json.dumps(NAMES)},\n{body}}}\n', encoding="utf-8")

    def probabilities(self, evidence: Floats, candidates: npt.NDArray[np.bool_]) -> Floats:
        """[n, k] of evidence [n, k, len(NAMES)]; 0 for what is no candidate [n, k]. Every row needs one candidate."""
        rows, columns = np.nonzero(candidates)
        scores = np.full(candidates.shape, -np.inf, np.float32)
        scores[rows, columns] = np.tanh(evidence[rows, columns] @ self.hidden + self.bias) @ self.out
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=1)
def _shipped(*_changed: int) -> Weights:
    return Weights.read(FILE)
