"""Files with amounts and currencies of both the purchase and the account: one pair of them is the booking."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from tests.ingestion.reading import read_bytes


@pytest.mark.parametrize(
    ("header", "rows", "found"),
    [
        ("Date,Text,Orig currency,Orig amount,Payment currency,Amount",
         ["a,USD,-10.00,EUR,-9.20", "b,EUR,15.00,EUR,15.00"], [("-9.20", "EUR"), ("15.00", "EUR")]),
        ("Date,Text,Transaction currency,Transaction amount,Account currency,Amount",
         ["a,USD,-10.00,EUR,-9.20", "b,EUR,15.00,EUR,15.00"], [("-9.20", "EUR"), ("15.00", "EUR")]),
        ("Date,Text,Account currency,Transaction currency,Transaction amount",
         ["a,EUR,USD,-10.00", "b,EUR,EUR,15.00"], [("-10.00", "USD"), ("15.00", "EUR")]),
        ("Date,Text,Transaction currency,Debit,Credit,Account currency",
         ["a,USD,9.20,,EUR", "b,EUR,,15.00,EUR"], [("-9.20", "EUR"), ("15.00", "EUR")]),
        ("Date,Text,Transaction amount,Transaction currency", ["a,-10.00,USD", "b,15.00,EUR"], [("-10.00", "USD"), ("15.00", "EUR")]),
        ("Data,Texto,Valor (em US$),Cotação (em R$),Valor (em R$)",
         ["a,0,0,112.50", "b,0,0,51.00"], [("112.50", "BRL"), ("51.00", "BRL")]),
        ("Data,Texto,Valor (US$),Valor (R$)", ["a,0.00,-112.50", "b,-10.00,-51.00"], [("-112.50", "BRL"), ("-51.00", "BRL")]),
        ("Data,Texto,Valor (R$),Valor (US$)", ["a,-112.50,0.00", "b,-51.00,-10.00"], [("-112.50", "BRL"), ("-51.00", "BRL")]),
        ("Date,Text,Amount,Currency", ["a,-1.00,RUR", "b,2.00,RUB"], [("-1.00", "RUB"), ("2.00", "RUB")]),
    ],
)  # fmt: skip
def test_amount_and_currency_are_of_one_pair(header: str, rows: list[str], found: list[tuple[str, str]], tmp_path: Path) -> None:
    text = "\n".join([header, *(f"2024-01-{29 - at},{row}" for at, row in enumerate(rows))])
    read = read_bytes(read_csv, text.encode(), tmp_path)
    assert [(f"{row['amount']:.2f}", row["currency"]) for row in read.rows] == found


def test_an_amount_under_the_other_currency_alone_is_an_error_of_its_row(tmp_path: Path) -> None:
    text = "Date,Text,Amount (EUR),Amount (USD)\n2024-03-15,x,-8.00,-9.00\n2024-03-14,hold,{},-9.00\n2024-03-13,y,100,110\n"
    for nothing in ("0.00", ""):
        found = read_bytes(read_csv, text.format(nothing).encode(), tmp_path)
        assert [(row["amount"], row["currency"]) for row in found.rows] == [(-8, "EUR"), (100, "EUR")]
        assert [(error.line, error.field) for error in found.errors] == [(3, "amount")]
        assert "stands in 'Amount (USD)'" in found.errors[0].reason
