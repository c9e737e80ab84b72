"""The rules beside the model, and in its place where there is none: words of seven languages, brands of the world. Needs no artefact."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from models.hypcd.merchant import MAX_READ, fold_text, merchant_key
from models.knowledge.brands import DATA, match_brand
from models.knowledge.opinion import Opinion

VERSION = "rules-1"
THRESHOLD = 0.5
"""What is less sure than this is no answer."""
KEYWORDS = DATA / "keywords.csv"
_CACHED = 65_536
_LEAST_AFFIX = 4

# How often such an answer is right, as counted on purchase cards whose labels are clear.
_BRAND = 0.85
_PHRASE = 0.85
_WORD = 0.8
_AFFIX = 0.65
_BRAND_AND_MORE = 0.55
_RETURNED = 0.5

_SELL_EVERYTHING = frozenset({"groceries_supermarket", "shopping_general", "shopping_marketplace"})
"""Who else stands in the text says more: Tesco's petrol is fuel."""
_TOKEN = re.compile(r"[^\W_]+")
_WRITTEN_OUT = re.compile(r"(?<=[^aeo\s])([aou])e|\b([aou])e")
"""An umlaut as banks without one write it: GEBUEHR, BAECKEREI."""


class RuleAnswer(NamedTuple):
    """What a payment is by the rules."""

    category: str
    """A slug of the taxonomy; "" where no rule knows."""
    confidence: float
    """0 where no rule knows."""
    reason: str
    """In words for the user; "" where no rule knows."""


NO_ANSWER = RuleAnswer("", 0.0, "")


class _Found(NamedTuple):
    category: str
    confidence: float
    word: str
    """What was recognised."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words and what they mean, for money that leaves and for money that comes."""

    phrases: Mapping[str, str] = field(default_factory=dict)
    """By their words with single blanks between them, folded."""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    suffixes: Mapping[str, str] = field(default_factory=dict)

    leads: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Words that phrases begin with, and how many words these have, the most first: most words of a text begin none."""
    begins: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    """The first letters of `prefixes` and the last of `suffixes`, as many as the shortest must have: most words have none of these."""

    @classmethod
    def of(cls, phrases: Mapping[str, str], prefixes: Mapping[str, str], suffixes: Mapping[str, str]) -> Self:
        """From words and what they mean."""
        counts = defaultdict[str, set[int]](set)
        for words in (phrase.split(" ") for phrase in phrases):
            counts[words[0]].add(len(words))
        leads = {word: sorted(found, reverse=True) for word, found in counts.items()}
        begins = frozenset(prefix[:_LEAST_AFFIX] for prefix in prefixes)
        return cls(phrases, prefixes, suffixes, leads, begins, frozenset(suffix[-_LEAST_AFFIX:] for suffix in suffixes))

    def find(self, words: Sequence[str]) -> _Found | None:
        """The longest phrase, the first of equal length, shops that sell everything last; else a word with a known beginning or end."""
        longest = 1
        known: list[_Found] = []
        for start, word in enumerate(words):
            for count in self.leads.get(word, ()):
                if not longest <= count <= len(words) - start:
                    continue
                phrase = " ".join(words[start : start + count])
                if (category := self.phrases.get(phrase)) is None:
                    continue
                if count > longest:
                    longest, known = count, []
                known.append(_Found(category, _PHRASE if count > 1 else _WORD, phrase))
                break
        if known:
            return known[0] if len(known) == 1 else min(known, key=lambda found: found.category in _SELL_EVERYTHING)
        for word in words:
            if word[:_LEAST_AFFIX] not in self.begins and word[-_LEAST_AFFIX:] not in self.ends:
                continue
            for length in range(len(word) - 1, _LEAST_AFFIX - 1, -1):
                if category := self.prefixes.get(word[:length]) or self.suffixes.get(word[-length:]):
                    return _Found(category, _AFFIX, word)
        return None


def classify(description: str, merchant: str | None, amount: float) -> RuleAnswer:
    """What one payment is; `amount` is looked at for its sign only: money that comes is no purchase, and no salary leaves."""
    return _classify(description[:MAX_READ], (merchant or "")[:MAX_READ], amount > 0)


def classify_many(descriptions: Iterable[str], merchants: Iterable[str | None], amounts: Iterable[float]) -> list[RuleAnswer]:
    """`classify` of each; equal texts cost nothing."""
    return [classify(*payment) for payment in zip(descriptions, merchants, amounts, strict=True)]


def opine(descriptions: Sequence[str], merchants: Sequence[str | None], amounts: npt.NDArray[np.float64]) -> Opinion:
    """What n payments are by the rules; `amounts` [n] signed. What they do not know has no likely category."""
    answers = classify_many(descriptions, merchants, amounts.tolist())
    categories = sorted({answer.category for answer in answers} - {""})
    places = {category: place for place, category in enumerate(categories)}
    probabilities = np.zeros((len(answers), len(categories)), np.float32)
    known = [row for row, answer in enumerate(answers) if answer.category]
    probabilities[known, [places[answers[row].category] for row in known]] = [answers[row].confidence for row in known]
    reasons = [answer.reason for answer in answers]
    sentences = {reason: f"{reason[:1].upper()}{reason[1:]}." if reason else "" for reason in set(reasons)}
    return Opinion(categories, probabilities, None, [sentences[reason] for reason in reasons])


@lru_cache(maxsize=_CACHED)
def _classify(description: str, merchant: str, comes_in: bool) -> RuleAnswer:
    key = merchant_key(merchant, description)
    words = _TOKEN.findall(fold_text(f"{merchant} {description}").replace("'", ""))
    spending, income = vocabularies()
    found = _find(income if comes_in else spending, words)
    if comes_in and not found:
        spent = _spent(key, _find(spending, words), look_for_brand=True)
        return RuleAnswer("income_refund", _RETURNED, f"money back: {spent.reason}") if spent.reason else NO_ANSWER
    return _spent(key, found, look_for_brand=not comes_in)


def _find(vocabulary: Vocabulary, words: Sequence[str]) -> _Found | None:
    """What the words say as they stand, else with the umlauts that they write out."""
    found = vocabulary.find(words)
    if found is not None:
        return found
    text = " ".join(words)
    if "ae" not in text and "oe" not in text and "ue" not in text:
        return None
    plain = _WRITTEN_OUT.sub(r"\1\2", text)
    return vocabulary.find(plain.split(" ")) if plain != text else None


def _spent(key: str, found: _Found | None, *, look_for_brand: bool) -> RuleAnswer:
    """A word that the merchant's name begins with goes before a brand, and a brand with nothing behind it before any other word."""
    if look_for_brand and (found is None or not f"{key} ".startswith(f"{found.word} ")):
        brand = match_brand(key)
        if brand is not None and (found is None or brand.whole):
            return RuleAnswer(brand.category, _BRAND if brand.whole else _BRAND_AND_MORE, f"{brand.name} is a known brand")
    return RuleAnswer(found.category, found.confidence, f'the text says "{found.word}"') if found else NO_ANSWER


@lru_cache(maxsize=1)
def vocabularies() -> tuple[Vocabulary, Vocabulary]:
    """What words mean in front of money that leaves, and of money that comes. Raises ValueError for a word with two meanings."""
    spending: dict[str, dict[str, str]] = {"phrases": {}, "prefixes": {}, "suffixes": {}}
    income: dict[str, dict[str, str]] = {"phrases": {}, "prefixes": {}, "suffixes": {}}
    for category, sign, kind, word in _keywords():
        for meanings, wanted in ((spending, "debit"), (income, "credit")):
            if sign in (wanted, "both") and meanings[kind].setdefault(word, category) != category:
                raise ValueError(f"{KEYWORDS.name}: {word!r} is {meanings[kind][word]} and {category}; keep one")
    return Vocabulary.of(**spending), Vocabulary.of(**income)


def _keywords() -> Iterator[tuple[str, str, str, str]]:
    """Category, sign, kind and folded word."""
    with KEYWORDS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for written in row["keywords"].split(";"):
                kind = "prefixes" if written.endswith("*") else "suffixes" if written.startswith("*") else "phrases"
                yield row["category"], row["sign"], kind, " ".join(_TOKEN.findall(fold_text(written.strip("*")).replace("'", "")))
