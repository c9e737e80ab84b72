"""The rules beside the model, and in its place where there is none: words of thirteen languages, brands of the world. Needs no artefact."""

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
_LEAST_JOINED = 6

# How often such an answer is right, as counted on purchase cards whose labels are clear.
_BRAND = 0.85
_PHRASE = 0.85
_WORD = 0.8
_AFFIX = 0.65
_BRAND_AND_MORE = 0.55
_RETURNED = 0.5

_SELL_EVERYTHING = frozenset({"groceries_supermarket", "shopping_general", "shopping_marketplace"})
"""Who else stands in the text says more: Tesco's petrol is fuel."""
_TOKEN = re.compile(r"(?<![^\W_])[^\W_]&[^\W_](?![^\W_])|[^\W_]+")
_LETTERS = re.compile(r"(?<![^\W_])([^\W_]) ?[&+] ?([^\W_])(?![^\W_])")
"""A name of two letters, as C&A: one word, since two letters that only stand side by side are initials, or of a company's form."""
_PERSON = re.compile(
    r"\b(?:mr|mrs|miss|ms|mme|mlle|herrn?|frau|dhr|mevr|mvr|sig|sigra|srta?)\.? (?!d\.? ?i\.? ?y\b)(?:[^\W\d_](?:\. ?| )){1,3}"
    r"(?!(?:bar|beauty|boutique|cafe|care|clinic|coffee|commerce|grill|home|kitchen|nails|pizza|salon|shop|stores?)\b)"
    r"[^\W\d_]{2,}(?:-[^\W\d_]+)?(?!\w)"
)
"""A title, initials and a surname, which may be a trade's or a shop's: Mr J Baker, Mrs A Boots. Words that only shops have are none."""
_FEE_BEHIND = re.compile(r"(?<=\w) (?:incl?(?:ud(?:es|ing))?\.? )?non[- ](?:sterling|stg|euro|eur)\b.*?\bfee\b\D*\d.*")
"""What a purchase abroad cost beside, with its amount, which is not what it was for."""
_FORM_BEHIND = re.compile(r"(?<=\w{4})(?:couk|com|ltd|limited|gmbh|sarl|inc|plc|llc|bv|ab)$")
"""Collectors print names in one word: JUSTEATCOUK, RYANAIRLTD."""
_LENDERS = frozenset({"klarna", "clearpay", "afterpay", "affirm", "scalapay"})
"""They collect for shops: whoever else stands in the text is the shop."""
_GENERIC = frozenset(
    word.strip()
    for word in """loan repayment;loan payment;loan instalment;personal loan;kreditrate;darlehen;darlehensrate;ratenzahlung;finanzierung;
    tilgung;remboursement pret;echeance pret;prestamo;cuota prestamo;amortizacion;lening;aflossing;splatka;splatka uveru;
    uver;prestito;rata prestito;finanziamento;rata finanziamento;rata kredytu;instalment;installment;afbetaling;
    membership;membership fee;subscription fee;club dues;mitgliedsbeitrag;mitgliedschaft;vereinsbeitrag;cotisation;
    cotisation annuelle;adhesion;lidmaatschap;contributie;clenstvi""".split(";")
)
"""They say how something is paid for: whatever says what it is goes before them, a mortgage before a loan."""
_WALLETS = frozenset({"twint", "mobilepay", "vipps", "payconiq"})
_TO_SOMEBODY = frozenset("til till an to von fra fran from gesendet empfangen sent received".split())
"""With one of these a wallet has paid a person, else perhaps a shop, which stands behind it."""
_MUST_LEAD = frozenset({"porto", "ups", "sweep", "otto", "boulanger"})
"""Elsewhere in a text they are a city, a shop's other word or a surname."""
_STREETS = frozenset("street road lane avenue boulevard rd ave".split())
_PLACES = _MUST_LEAD | _STREETS
_SENT = re.compile(
    r"\b(?:fpo|fpi|fps|faster payments? (?:to|from)|bank transfer (?:to|from)|tfr (?:to|from)) (?:[^\W\d_]\.? ){1,2}[^\W\d_]{2,}(?!\w)"
)
"""An initial and a surname behind what only people and banks write."""
_BEFORE_NAMES = frozenset("mr mrs miss ms mme mlle herr herrn frau dhr mevr mvr sig sigra srt srta fpo fpi fps faster transfer tfr".split())
"""A word of which one is in every text that these two find something in."""
_NOTES = ("dining_", "groceries_", "transport_", "entertainment_", "shopping_", "travel_", "giving_", "personal_care_")
"""What is said of these to a person is what the money was for: she sold none of it."""
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
    joined: Mapping[str, str] = field(default_factory=dict)
    """Phrases by what they are without blanks."""

    @classmethod
    def of(cls, phrases: Mapping[str, str], prefixes: Mapping[str, str], suffixes: Mapping[str, str]) -> Self:
        """From words and what they mean."""
        counts = defaultdict[str, set[int]](set)
        for words in (phrase.split(" ") for phrase in phrases):
            counts[words[0]].add(len(words))
        leads = {word: sorted(found, reverse=True) for word, found in counts.items()}
        begins = frozenset(prefix[:_LEAST_AFFIX] for prefix in prefixes)
        ends = frozenset(suffix[-_LEAST_AFFIX:] for suffix in suffixes)
        joined = {
            name: phrase for phrase in phrases if len(name := phrase.replace(" ", "")) >= (_LEAST_JOINED if " " in phrase else _LEAST_AFFIX)
        }
        return cls(phrases, prefixes, suffixes, leads, begins, ends, joined)

    def find(self, words: Sequence[str]) -> _Found | None:
        """The longest phrase, the first of equal length, lenders and who sells everything last; else a known beginning or end of a word;
        else what is said of many things."""
        known: list[_Found] = []
        for start, word in enumerate(words):
            for count in self.leads.get(word, ()):
                if count > len(words) - start:
                    continue
                phrase = " ".join(words[start : start + count])
                if (category := self.phrases.get(phrase)) is not None:
                    known.append(_Found(category, _PHRASE if count > 1 else _WORD, phrase))
                    break
        generic = known and [found for found in known if _is_generic(found.word, words)]
        telling = [found for found in known if found not in generic] if generic else known
        if telling:
            return telling[0] if len(telling) == 1 else min(telling, key=_says_little)
        return self._by_affix(words) or (min(generic, key=_says_little) if generic else None)

    def _by_affix(self, words: Sequence[str]) -> _Found | None:
        for word in words:
            if word[:_LEAST_AFFIX] not in self.begins and word[-_LEAST_AFFIX:] not in self.ends:
                continue
            for length in range(len(word) - 1, _LEAST_AFFIX - 1, -1):
                if category := self.prefixes.get(word[:length]) or self.suffixes.get(word[-length:]):
                    return _Found(category, _AFFIX, word)
        return None

    def find_joined(self, name: str) -> _Found | None:
        """What one word is that is several, or that has a company's form at its end."""
        phrase = self.joined.get(name)
        return _Found(self.phrases[phrase], _WORD, phrase) if phrase else None


def _says_little(found: _Found) -> tuple[int, bool, bool]:
    return -found.word.count(" "), found.word in _LENDERS, found.category in _SELL_EVERYTHING


def _is_generic(phrase: str, words: Sequence[str]) -> bool:
    return phrase in _GENERIC or (phrase in _WALLETS and _TO_SOMEBODY.isdisjoint(words))


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
    text = fold_text(f"{merchant} {description}")
    if " non" in text:
        text = _FEE_BEHIND.sub("", text)
    words, people, sent = _words(text), 0, 0
    if not _BEFORE_NAMES.isdisjoint(words):
        text, people = _PERSON.subn(" ", text)
        text, sent = _SENT.subn(" ", text)
        people += sent
        words = _words(text) if people else words
    if not _PLACES.isdisjoint(words):
        words = [
            word for at, word in enumerate(words)
            if (word not in _MUST_LEAD or key.startswith(word)) and (at + 1 == len(words) or words[at + 1] not in _STREETS)
        ]  # fmt: skip
    if len(key) == len("h m") and key[1] == " ":
        words.append(f"{key[0]}&{key[2]}")  # nothing else stands there
    spending, income = vocabularies()
    if comes_in and (found := _find(income, words)):
        return _spent(key, found, look_for_brand=False)
    found = _find(spending, words)
    if (people and not found) or (sent and found and found.category.startswith(_NOTES)):
        return RuleAnswer("transfer_person", _PHRASE, "the text names a person")
    if found and found.word in _LENDERS and not key.startswith(found.word):
        found = None  # it has collected for whom the key names
    spent = _spent(key, found, look_for_brand=True)
    if not spent.reason and " " not in key:
        name = _FORM_BEHIND.sub("", key)
        spent = _spent(name, spending.find_joined(key) or spending.find_joined(name), look_for_brand=name != key)
    if comes_in and spent.reason:
        return RuleAnswer("income_refund", _RETURNED, f"money back: {spent.reason}")
    return spent


def _words(folded: str) -> list[str]:
    plain = folded.replace("'", "")
    return _TOKEN.findall(_LETTERS.sub(r"\1&\2", plain) if "&" in plain or "+" in plain else plain)


def _find(vocabulary: Vocabulary, words: Sequence[str]) -> _Found | None:
    """What the words say as they stand, else with the umlauts that they write out."""
    found = vocabulary.find(words)
    if found is not None and not _is_generic(found.word, words):
        return found
    text = " ".join(words)
    if "ae" not in text and "oe" not in text and "ue" not in text:
        return found
    plain = _WRITTEN_OUT.sub(r"\1\2", text)
    return (vocabulary.find(plain.split(" ")) if plain != text else None) or found


def _spent(key: str, found: _Found | None, *, look_for_brand: bool) -> RuleAnswer:
    """A word that the merchant's name begins with goes before a brand of no more words, and a brand with nothing behind it before any
    other word."""
    leading = _leading(found.word, key) if found else 0
    brand = match_brand(key) if look_for_brand and leading <= key.count(" ") else None
    if brand is not None and (found is None or (brand.whole and brand.words > leading)):
        return RuleAnswer(brand.category, _BRAND if brand.whole else _BRAND_AND_MORE, f"{brand.name} is a known brand")
    return RuleAnswer(found.category, found.confidence, f'the text says "{found.word}"') if found else NO_ANSWER


def _leading(word: str, key: str) -> int:
    """How many words of a key are what was recognised, company forms aside; 0 where it begins with something else."""
    name = merchant_key(word)
    return name.count(" ") + 1 if f"{key} ".startswith((f"{name} ", f"{name.replace(' ', '')} ")) else 0


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
                yield row["category"], row["sign"], kind, " ".join(_words(fold_text(written.strip("*"))))
