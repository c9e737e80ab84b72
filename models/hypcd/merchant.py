"""The merchant's stable name, out of a descriptor as card networks and banks print it. Standard library only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

MAX_READ = 512
"""Characters of a text that are looked at: a name stands in front."""
MAX_KEY = 64
_MAX_WORDS = 6
_CACHED = 65_536

# Letters with a stroke are no base letter plus accent, so that decomposition leaves them as they are.
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "’": "'", "`": "'", "´": "'"})
_ACCENTS = re.compile("[\u0300-\u036f]+")

# Fields of SEPA remittances: only the counterparty's name is of use.
_NAME_FIELD = re.compile(r"/name/([^/]{2,})")
_NAME_LABEL = re.compile(r"\b(?:name|naam|nom|nombre)\s*:")
_NEXT_LABEL = re.compile(r"\s\w+\Z")
_SEPA_FIELDS = re.compile(r"\b(?:eref|kref|mref|cred|debt|svwz|abwa|abwe|iban|bic|coam|oamt|purp)\+\s*(?=(\S*))")
_LABELLED = re.compile(
    r"\b(?:iban|bic|end-to-end(?:-ref\.?)?|mandatsref\.?|mandat(?:sreferenz)?|mandate|glaubiger-id|creditor id|kundenreferenz|omschrijving"
    r"|kenmerk|machtiging(?: id)?|incassant id|reference|referenz|ref|trn|terminal|auth(?:code)?)\s*[:.#]\s*\S+"
)

# What stands in front of the name: how it was paid.
_PAID = """
card payment to; card payment; card purchase; card transaction; debit card purchase; debit card; credit card; contactless payment; contactless; checkcard; check card;
pos purchase; pos debit; point of sale; pos; purchase authorized on; recurring payment; recurring; visa purchase; visa debit; visa; mastercard; maestro; v pay;
direct debit payment to; direct debit to; direct debit; standing order to; standing order; bill payment to; faster payment to; faster payments receipt;
payment to; payment from; transfer to; transfer from; transfer; bank giro credit; ach debit; ach credit; preauthorized debit; dd; so; bgc; fpo; fpi;
kartenzahlung; kartenumsatz; girocard; ec-karte; folgelastschrift; erstlastschrift; basislastschrift; sepa-basislastschrift; sepa basislastschrift;
lastschrift; sepa-lastschrift; sepa lastschrift; uberweisung an; uberweisung; sepa-uberweisung; sepa uberweisung; online-uberweisung; dauerauftrag; gutschrift;
paiement par carte; paiement carte; achat cb; achat; carte; cb; prelevement europeen; prelevement; prlv sepa; prlv; virement sepa; virement de; virement; vir sepa; vir;
compra con tarjeta; compra tarjeta; compra en; compra; pago con tarjeta en; pago en; pago; recibo; adeudo; transferencia de; transferencia a; transferencia;
pagamento pos; pagamento; addebito; bonifico; acquisto; betaalautomaat; betaalpas; betaling; bea; sepa overboeking; overboeking; sepa incasso; incasso; ideal;
platba kartou u obchodnika; platba kartou; platba; nakup; prichozi platba; odchozi platba; inkaso; trvaly prikaz; platnosc karta; zakup; karta;
varekjop; varekob; kortkop; kortkob; kortbetaling; kortbetalning; dankort-kob; dankort kob; korttiosto; eftpos; trf; tfr; autogiro; avtalegiro; betalingsservice;
domiciliering; bancontact; upi; compra mb; pagamento de servicos
"""
_PHRASES = sorted((" ".join(phrase.split()) for phrase in _PAID.split(";")), key=len, reverse=True)
_PAID_BY = re.compile(rf"(?:(?:{'|'.join(map(re.escape, _PHRASES))})(?=[\s:,\-])[\s:,\-]*)+")
# Companies that collect for many merchants: the name that follows theirs is the merchant.
_COLLECTORS = re.compile(
    r"(?:paypal|pp|vipps|mobilepay|sumup|sq|square|iz|izettle|zettle|zettle_|sp|tst|crv|curve|klarna|adyen|stripe|worldpay|wpy|ckbk|dnh|fs|ls|upt|nyx|ppi?ro)\s*[*_]+\s*(?=\S)"
    r"|(?:paypal|sumup|izettle|zettle)\s+(?=[a-z])"
)
# Such companies under the name by which they are registered, and what they print between it and the merchant.
_REGISTERED = re.compile(
    r"(?:paypal \(?europe\)? s\W{0,2}a\W{0,2}r\W{0,2}l\W{0,2} ?et cie\W{0,3}s\W{0,2}c\W{0,2}a\b|klarna bank ab(?: \(?publ\)?)?)"
    r"[\s.,:/*-]*+(?:(?:\d[\d/]*+|pp\.\d+\.pp)[\s.,:/*-]*+)*+"  # possessive: else a run of digits splits in 2^n ways
)
_BOUGHT_AT = re.compile(r"\bihr einkauf bei ([^,;/]{2,})")
_ADDRESS = re.compile(
    r"(?:\bhttps?:?/{0,2})?\bwww[. ]+([a-z0-9-]{2,})(?:\.[a-z]*)*(?:/\S*)?"
    r"|(?:\bhttps?:/{1,2})?\b([a-z0-9][a-z0-9-]+)\.(?:(?:co|com|org|net|ac|gov|sch|nhs|ltd|me)(?:\.[a-z]{0,2})?|de|fr|es|nl|cz|sk|eu|it|at|ch|be|uk|pl|ie|pt|se|dk"
    r"|no|fi|us|ca|info|biz|io|tv|shop|store|online|app)\b(?:/\S*)?"
)
_WIDE_GAP = re.compile(r"(?<=\w{3}) {3,}.*|(?<=\w{3})\t.*")
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = re.compile(
    r"\b(?:on )?\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b"
    rf"|\b(?:on )?\d{{1,2}} ?{_MONTH}[a-z]*(?: ?\d{{2,4}})?\b|\b{_MONTH}\d{{1,2}}\b"
    r"|\b\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: ?(?:uhr|h))?\b"
)
_CARD = re.compile(
    r"\b(?:card|karte|carte|tarjeta|kaart|karty|pasvolgnr)[ .:]*+(?:number|nr|no|n)?[ .:]*+[x*\d]*\d{3,}\b"
    r"|[x*]{2,}[ -]?\d{2,}|\b\d{4,6}[x*]{4,}\d{2,4}\b"
)
_MONEY = re.compile(
    r"\b(?:eur|gbp|usd|chf|czk|pln)\s*-?\d+(?:[.,]\d+)*\b|\b\d+(?:[.,]\d+)*\s*(?:eur|gbp|usd|chf|czk|pln|kc)\b|[£$€]\s*\d+(?:[.,]\d+)*"
)
_ORDER_CODE = re.compile(r"\*\s*(?=\S*\d)\S+")
_GLUED_NUMBER = re.compile(r"\b\d{4,}(?=[a-z]{3})")
_NUMBERS = (_ORDER_CODE, _MONEY, _DATE, _CARD, _GLUED_NUMBER)
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W_]+")
_COMPANY = frozenset(
    "ltd limited limite limit lt plc llc llp lp inc incorporated corp corporation co company gmbh mbh ag kg ohg ug se ev"
    " sarl sas sa sasu eurl sl slu srl spa snc sro bv nv cv vof oy oyj ab aps asa spzoo kft zrt doo pty".split()
)
_SHORT_FORMS = {
    "amzn": "amazon",
    "mktp": "marketplace",
    "mktplce": "marketplace",
    "mktplace": "marketplace",
    "mkt": "marketplace",
    "svcs": "services",
}


def merchant_key(merchant: str | None, description: str = "") -> str:
    """The name under which payments of one merchant meet, at most 64 characters; "" only where there is no letter and no digit.

    Taken from `merchant` where that says anything, else from `description`. Case, accents, store and card numbers, dates, amounts, how
    it was paid (`CARD PAYMENT TO`), who collected it (`PAYPAL *`), cities after wide gaps, domain endings and company forms do not count.
    """
    if not merchant or not merchant[:MAX_READ].strip():
        return _key(description[:MAX_READ])
    if description and merchant[:6].casefold() in ("paypal", "klarna") and _REGISTERED.fullmatch(fold_text(merchant[:MAX_READ])):
        return _key(f"{merchant[:MAX_READ]} {description[:MAX_READ]}")  # who collected it, and for whom
    return _key(merchant[:MAX_READ])


def merchant_keys(merchants: Iterable[str | None], descriptions: Iterable[str]) -> list[str]:
    """`merchant_key` of each pair."""
    return [merchant_key(merchant, description) for merchant, description in zip(merchants, descriptions, strict=True)]


@lru_cache(maxsize=_CACHED)
def _key(text: str) -> str:
    plain = fold_text(text)
    plain = _named(plain) or plain
    name = _without_noise(plain)
    if _REGISTERED.fullmatch(name):
        return name.split()[0]
    for lead in (_PAID_BY, _REGISTERED, _COLLECTORS, _PAID_BY):
        found = lead.match(name)
        if found and _WORD.search(name, found.end()):
            name = name[found.end() :]
    if _DIGIT.search(name):
        for pattern in _NUMBERS:
            name = pattern.sub(" ", name)
    words = _words(name)
    # A text of nothing but numbers is still the same text next month.
    return (" ".join(words) or " ".join(plain.split()))[:MAX_KEY].strip()


def _named(text: str) -> str:
    """What a field of the text says is the counterparty's name: up to the next field, if that is not within an address; "" where none does."""
    if "/name/" in text and (found := _NAME_FIELD.search(text)):
        return found[1]
    if "ihr einkauf bei" in text and (found := _BOUGHT_AT.search(text)):
        return found[1]
    for label in _NAME_LABEL.finditer(text) if ":" in text else ():
        value, colon, _ = text[label.end() :].partition(":")
        if colon:
            # One word stands between the name and the colon: the next field's own.
            value = value.rstrip()
            following = _NEXT_LABEL.search(value)
            value = value[: following.start()] if following else ""
        value = value.strip()
        if len(value) > 1 and "/" not in value:
            return value
    return ""


def fold_text(text: str) -> str:
    """Case folded, compatibility forms and accents resolved, quotes gone; wide gaps stay."""
    if not text.isascii():
        folded = unicodedata.normalize("NFKC", text).casefold().translate(_STROKES)
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", folded)))
    return text.lower().strip(" \t\r\n\"'\0.,;:*-")


def _without_noise(text: str) -> str:
    """Without the bank's own fields, without what follows a wide gap, and addresses of the web down to their name."""
    # Most texts lack the marks without which a pattern finds nothing: to look for these costs a tenth.
    if "+" in text:
        text = _unless_all(_SEPA_FIELDS, text)
    if ":" in text or "." in text or "#" in text:
        text = _unless_all(_LABELLED, text)
    if "   " in text or "\t" in text:
        text = _unless_all(_WIDE_GAP, text)
    if "." in text or "www" in text:
        text = _ADDRESS.sub(lambda found: f" {found[1] or found[2]} ", text)
    return text.strip()


def _unless_all(pattern: re.Pattern[str], text: str) -> str:
    """Without what the pattern finds, unless that leaves nothing."""
    shorter = pattern.sub(" ", text)
    return shorter if shorter.strip() else text


def _words(text: str) -> list[str]:
    """The words that make up the name, each once: no store numbers, order codes or company forms, the first six."""
    found = list(dict.fromkeys([_SHORT_FORMS.get(word, word) for word in _WORD.findall(text.replace("'", ""))]))
    named = [
        word for place, word in enumerate(found) if word != "and" and (word.isalpha() or not _is_code(word, place, len(found)))
    ] or found[:1]
    while len(named) > 1 and named[-1] in _COMPANY:
        named.pop()
    return named[:_MAX_WORDS]


def _is_code(word: str, place: int, words: int) -> bool:
    """Whether a word is a number of a store, an order or a person, rather than part of a name such as 7eleven, 99p or o2."""
    digits = sum(map(str.isdigit, word))
    if not digits:
        return False
    if digits == len(word):
        return digits > 3 or place > 0 or words == 1
    return digits >= 3 or (digits == 2 and len(word) >= 5 and place > 0)
