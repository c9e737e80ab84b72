"""A name for a category that was discovered: the words that its payments share and others do not have."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_MOST_WORDS = 3
_MOST_CHARACTERS = 40
_SHARED = 0.5
"""A word of the name stands in at least this fraction of the texts."""
_LEAST_TEXTS = 2
_SAMPLE = 5_000
_WORD = re.compile(r"[^\W\d_]+(?:['’&\-][^\W\d_]+)*")
_CLUTTER = frozenset(
    # How a payment was made, and what companies are called by law: they say nothing about what it was for.
    "achat auftrag aus bank beleg betaling bill bonifico buchung card carte cb charge cheque ck co com compra contactless corp credit "
    "credito dankort datum dauerauftrag debit debito direct dr ec eft einkauf entgelt facture factuur from gebuehr giro giropay gmbh "
    "gutschrift iban inc incasso invoice karta karte kartenzahlung kartou kauf kg kontakt kortkøb köp lastschrift limit limited llc "
    "ltd mandat mastercard mr mrs nr ofd ohg online order oy pagamento pago paiement pay payment paypal platba platby plc pos "
    "purchase rechnung ref reference sa sarl sas sepa sl spa srl sumup tarjeta terminal transaction transfer uk vir virement visa "
    "withdrawal www zahlung zettle überweisung "
    # Small words of the languages that statements come in.
    "a al an and at au auf av by da das de dei del della den der des di die do du e ein el en et for fra für gli het i il im in la las "
    "le les lo los mit my na nach no o od of on oder op och og or per por pour pro s te the til to u um un und une van vom von voor w "
    "with y you your z za ze zu zum zur".split()
)


def propose_name(texts: Sequence[str], others: Iterable[str] = ()) -> str:
    """A short name for what the texts share: "Climbing Gym", "Tierarzt". `others` are texts of other categories, whose words say less.

    Where no word stands in half of the texts it is the most common text without its numbers; "" where nothing has a letter.
    """
    rows = [words for text in texts[:_SAMPLE] if (words := _words(text))]
    if not rows:
        return _tidy(_with_letters(texts[:_SAMPLE]))
    found = Counter(word for words in rows for word in dict.fromkeys(words))
    elsewhere, other_rows = _document_counts(others)
    telling = {
        word: _distinctness(count / len(rows), elsewhere[word] / max(other_rows, 1)) for word, count in found.items() if _tells(word)
    }
    least = max(_SHARED * len(rows), min(_LEAST_TEXTS, len(rows)))
    shared = sorted((word for word in telling if found[word] >= least and telling[word] > 0), key=lambda word: (-telling[word], word))
    if shared:
        return _tidy(_as_written(shared[:_MOST_WORDS], rows))
    whole = Counter(tuple(word for word in words if _tells(word)) or tuple(words) for words in rows)
    return _tidy(whole.most_common(1)[0][0])


def _words(text: str) -> list[str]:
    """Case folded words; what has a digit in it is a number of a shop, a card or a day, and left out."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word for part in folded.split() if not any(letter.isdigit() for letter in part) for word in _WORD.findall(part)]


def _with_letters(texts: Sequence[str]) -> tuple[str, ...]:
    """Of texts that have nothing but words with digits, those of the most common: "O2", "3M"."""
    rows = [tuple(part for part in unicodedata.normalize("NFKC", text).split() if _is_written(part)) for text in texts]
    whole = Counter(row for row in rows if row)
    return whole.most_common(1)[0][0] if whole else ()


def _is_written(part: str) -> bool:
    return part.isprintable() and any(letter.isalpha() for letter in part)


def _tells(word: str) -> bool:
    # One letter is a word only where writing is not alphabetic: U+3000 begins what is.
    return word not in _CLUTTER and (len(word) > 1 or ord(word[0]) >= 0x3000)


def _document_counts(texts: Iterable[str]) -> tuple[Counter[str], int]:
    counts: Counter[str] = Counter()
    rows = 0
    for text in texts:
        counts.update(set(_words(text)))
        rows += 1
    return counts, rows


def _distinctness(here: float, elsewhere: float) -> float:
    """How much a word tells: the fraction of texts it is in, times how much likelier it is here than elsewhere, as a logarithm."""
    return here * math.log((here + 0.01) / (elsewhere + 0.01))


def _as_written(chosen: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The words in the order of the first text that has most of them."""
    model = max(rows, key=lambda words: sum(word in words for word in chosen))
    return sorted(chosen, key=lambda word: model.index(word) if word in model else len(model))


def _tidy(words: Sequence[str]) -> str:
    """Words with capitals, as many as fit."""
    name = ""
    for word in dict.fromkeys(words):
        longer = f"{name} {word[:1].upper()}{word[1:]}".strip()
        if name and len(longer) > _MOST_CHARACTERS:
            break
        name = longer
    return name[:_MOST_CHARACTERS]
