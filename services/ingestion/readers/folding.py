"""Text without what does not matter for comparing: case, accents, punctuation."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Letters that Unicode does not take apart into letter and accent.
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "№": " no "})


def fold(text: str) -> str:
    """Case folded, accents removed, punctuation to single blanks: "Date d'opération" is "date d operation".

    A change from lower to upper case starts a word: "netAmount" is "net amount". Only the first 200 characters count.
    """
    return _fold(text[:200])


@lru_cache(maxsize=32_768)
def _fold(text: str) -> str:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    text = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
    text = "".join(" " if not c.isalnum() else c for c in text if not unicodedata.combining(c))
    return " ".join(text.split())
