"""What a card company writes on the payment of its bill: "Payment - thank you". A shop that a bank account pays may thank as well."""

from __future__ import annotations

import polars as pl

from services.ingestion.readers.folding import fold


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split())


_PAYMENT = _words(
    """payment payments pymt epayment autopay directpay paiement reglement prelevement zahlung zahlungseingang lastschrift betaling incasso
    pago pagamento inbetalning betalning indbetaling innbetaling wplata splatka platba maksu"""
)
_THANKS = _words(
    "thank thanks merci danke dank vielen besten bedankt gracias obrigado obrigada grazie tack tak takk dziekujemy dziekuje dekujeme kiitos"
)
_ARRIVED = _words("received recu enregistre erhalten ontvangen recibido recebido ricevuto mottagen modtaget mottatt otrzymana prijata")
# With one of these a payment that says no thanks is the holder's own, on the company's own statement.
_YOURS = _words("your ihre uw votre su seu suo vostro")
_BESIDE = _words(
    """a an the by for of on to you we your our online internet web website mobile app phone telephone automatic automated auto electronic e
    direct debit bill card credit ach bpay cash cheque check branch bank transfer recurring scheduled regular full balance minimum from
    le la du de votre par caisse en ligne automatique internet carte recu bien
    ihre fur fuer vom am per mit kreditkarte eingang und uns
    uw via voor ontvangen per
    su el por en linea tarjeta efectuado del automatico
    seu pelo pela efetuado cartao do da em
    il con addebito carta per
    for din er av"""
)
_KNOWN = _PAYMENT | _THANKS | _ARRIVED | _YOURS | _BESIDE
_LIKELY = f"(?i){'|'.join(sorted(_PAYMENT))}|prélèvement|règlement|wpłata|spłátka|splátka"

_TELLING = rf"(?i)\b(?:{'|'.join(sorted(_THANKS | _ARRIVED | _YOURS))}|reçu|dzię|otrzym|přijat)"


def thanked(texts: pl.Series) -> pl.Series:
    """Which texts are a card company's thanks for a payment, or say that the holder's own came in. Few are looked at one by one."""
    likely = texts.filter(texts.str.contains(_LIKELY) & texts.str.contains(_TELLING)).unique()
    return texts.is_in([text for text in likely if thanks_for_payment(text)])


def thanks_for_payment(text: str) -> bool:
    """Whether a text thanks for a payment and names nobody before that, or says no more than that one arrived, or that it is yours."""
    words = [word for word in fold(text).split() if not word.isdecimal()]
    telling = [at for at, word in enumerate(words) if word in _PAYMENT | _THANKS]
    if not any(word in _PAYMENT for word in words):
        return False
    if any(word in _THANKS for word in words):  # a place may follow
        return all(word in _KNOWN for word in words[: telling[-1] + 1])
    return any(word in _ARRIVED | _YOURS for word in words) and all(word in _KNOWN for word in words)
