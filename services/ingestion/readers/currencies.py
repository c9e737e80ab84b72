"""Currency codes and the signs that stand for them, as data."""

from __future__ import annotations

# ISO 4217, the codes in use and the national ones that old statements still carry.
CODES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND
    VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL
    ATS BEF CSK CYP DEM EEK ESP FIM FRF GRD IEP ITL LTL LUF LVL MTL NLG PTE SIT SKK TRL ROL
    """.split()
)

# Decimals after the mark where it is not two.
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})

# Folded (case, blanks and bidirectional marks removed) sign -> code. The empty code: a sign of several currencies. "rur" is the
# rouble's code of before 1998, which some banks still write.
SIGNS: dict[str, str] = {
    "€": "EUR", "eur.": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp.": "GBP", "$": "USD", "us$": "USD", "usd$": "USD",
    "$us": "USD", "u$s": "USD", "a$": "AUD", "au$": "AUD", "c$": "CAD", "ca$": "CAD", "can$": "CAD", "hk$": "HKD", "nz$": "NZD",
    "s$": "SGD", "sg$": "SGD", "nt$": "TWD", "mx$": "MXN", "r$": "BRL", "¥": "JPY", "￥": "JPY", "円": "JPY", "元": "CNY",
    "rmb": "CNY", "cn¥": "CNY", "人民币": "CNY", "日元": "JPY", "美元": "USD", "港币": "HKD",
    "₹": "INR", "rs": "INR", "rs.": "INR", "kč": "CZK", "kc": "CZK", "zł": "PLN", "zl": "PLN",
    "ft": "HUF", "ft.": "HUF", "fr": "CHF", "fr.": "CHF", "sfr": "CHF", "sfr.": "CHF", "kr": "", "kr.": "", "₺": "TRY",
    "tl": "TRY", "₽": "RUB", "rur": "RUB", "руб": "RUB", "руб.": "RUB", "₴": "UAH", "грн": "UAH", "₪": "ILS", "₩": "KRW", "원": "KRW",
    "฿": "THB", "₫": "VND", "đ": "VND", "₱": "PHP", "rm": "MYR", "rp": "IDR", "rp.": "IDR", "lei": "RON", "лв": "BGN",
    "лв.": "BGN", "kn": "HRK", "₦": "NGN", "₡": "CRC", "₲": "PYG", "s/": "PEN", "s/.": "PEN", "r": "ZAR", "₸": "KZT", "₾": "GEL",
    "₼": "AZN", "₨": "INR", "din": "RSD", "din.": "RSD", "км": "BAM", "km": "BAM", "د.ا.": "JOD", "د.ا": "JOD", "د.إ.": "AED",
    "د.إ": "AED", "ر.س.": "SAR", "ر.س": "SAR", "د.ك.": "KWD", "د.ك": "KWD", "د.ب.": "BHD", "د.ب": "BHD", "ر.ع.": "OMR",
    "ر.ع": "OMR", "ر.ق.": "QAR", "ر.ق": "QAR", "ج.م.": "EGP", "ج.م": "EGP", "د.ت.": "TND", "د.ت": "TND", "د.م.": "MAD",
    "د.م": "MAD", "د.ع.": "IQD", "د.ع": "IQD", "د.ل.": "LYD", "د.ل": "LYD", "ل.ل.": "LBP", "ل.ل": "LBP",
}  # fmt: skip

# Signs that are read as one currency though others share them; the reader says so.
SHARED_SIGNS = frozenset({"$", "¥", "rs", "rs.", "r", "₨"})
# Which others they are, by the code that the sign is read as.
SHARERS: dict[str, frozenset[str]] = {
    "USD": frozenset("ARS AUD BBD BMD BND BSD BZD CAD CLP COP DOP FJD GYD HKD JMD LRD MXN NAD NZD SGD SRD TTD TWD UYU XCD ZWL".split()),
    "JPY": frozenset({"CNY"}),
    "INR": frozenset("LKR MUR NPR PKR SCR".split()),
}


def code_of(text: str) -> str | None:
    """The ISO code that a code or a sign stands for; "" for a sign of several currencies; None for anything else."""
    word = text.strip().strip("()[]")
    if word.upper() in CODES:
        return word.upper()
    return SIGNS.get(word.casefold().replace(" ", ""))
