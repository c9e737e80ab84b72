"""The fingerprint: the same everywhere and for ever, and of the six canonical fields alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestion.fingerprint import canonical_description, generate_fingerprint

ROOT = Path(__file__).resolve().parents[2]
ROW: dict[str, Any] = {
    "account_id": "01890000-0000-7000-8000-000000000001",
    "transaction_date": date(2024, 1, 2),
    "amount": Decimal("-12.34"),
    "currency": "EUR",
    "description": "Café  Central",
    "occurrence": 1,
}
GOLDEN = [
    (ROW, "v1:82bcfa0f9c28d3038f5a6963db014a16f3a92360cd8786a2a8d84a3a04464e4a"),
]
CHANGES: dict[str, Any] = {
    "account_id": "01890000-0000-7000-8000-000000000002",
    "transaction_date": date(2024, 1, 3),
    "amount": Decimal("12.34"),
    "currency": "USD",
    "description": "Cafe Central",
    "occurrence": 2,
}


@pytest.mark.requirement("ING-02")
def test_fingerprint_deterministic() -> None:
    for row, expected in GOLDEN:
        assert generate_fingerprint(**row) == expected
        assert generate_fingerprint(**row) == expected
    assert re.fullmatch(r"v1:[0-9a-f]{64}", generate_fingerprint(**ROW))


@pytest.mark.requirement("ING-02")
@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_fingerprint_is_the_same_in_another_process(seed: str) -> None:
    imports = "import datetime\nfrom decimal import Decimal\nfrom services.ingestion.fingerprint import generate_fingerprint\n"
    code = f"{imports}print(generate_fingerprint(**{ROW!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}
    )
    assert done.stdout.strip() == GOLDEN[0][1]


@pytest.mark.requirement("ING-03")
@pytest.mark.parametrize("field", sorted(CHANGES))
def test_fingerprint_canonical_fields(field: str) -> None:
    assert generate_fingerprint(**{**ROW, field: CHANGES[field]}) != generate_fingerprint(**ROW)


@pytest.mark.requirement("ING-04")
@pytest.mark.parametrize(
    "description",
    [
        "Café Central", "  Café Central ", "Café\tCentral", "Café\n\r Central", "CAFÉ CENTRAL", "café central", "Cafe\u0301 Central",
        "Café\u00a0Central", "Ｃafé Central", "Café\u2003Central",
    ],
)  # fmt: skip
def test_fingerprint_ignores_whitespace(description: str) -> None:
    assert generate_fingerprint(**{**ROW, "description": description}) == GOLDEN[0][1]


def test_fingerprint_ignores_how_equal_values_are_written() -> None:
    assert generate_fingerprint(**{**ROW, "amount": Decimal("-12.3400")}) == GOLDEN[0][1]
    assert generate_fingerprint(**{**ROW, "currency": " eur"}) == GOLDEN[0][1]
    assert generate_fingerprint(**{**ROW, "account_id": str(ROW["account_id"]).upper()}) == GOLDEN[0][1]
    assert generate_fingerprint(**{**ROW, "transaction_date": datetime(2024, 1, 2, 23, 59)}) == GOLDEN[0][1]  # noqa: DTZ001
    zero = {**ROW, "amount": Decimal("-0.00")}
    assert generate_fingerprint(**zero) == generate_fingerprint(**{**ROW, "amount": Decimal(0)})


def test_fields_do_not_run_together() -> None:
    one = generate_fingerprint(**{**ROW, "description": "a", "occurrence": 11})
    assert one != generate_fingerprint(**{**ROW, "description": "a1", "occurrence": 1})


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("amount", Decimal("1.00001"), "4 decimals"), ("amount", Decimal("NaN"), "finite"), ("amount", Decimal("Infinity"), "finite"),
        ("occurrence", -1, "occurrence"),
    ],
)  # fmt: skip
def test_what_has_no_fingerprint(field: str, value: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        generate_fingerprint(**{**ROW, field: value})


texts = st.text(max_size=400)
rows = st.fixed_dictionaries(
    {
        "account_id": st.text(st.sampled_from("0123456789abcdef-"), min_size=1, max_size=36),
        "transaction_date": st.dates(),
        "amount": st.integers(-(10**18), 10**18).map(lambda n: Decimal(n).scaleb(-4)),
        "currency": st.sampled_from(["EUR", "USD", "JPY"]),
        "description": texts,
        "occurrence": st.integers(0, 10**6),
    }
)


@settings(deadline=None)
@given(rows, rows)
def test_equal_canonical_rows_and_no_others_share_a_fingerprint(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = {**one, "description": canonical_description(one["description"])} == {
        **other, "description": canonical_description(other["description"]),
    }  # fmt: skip
    assert (generate_fingerprint(**one) == generate_fingerprint(**other)) == same


@settings(deadline=None)
@given(texts)
def test_a_canonical_description_stays_as_it_is(text: str) -> None:
    once = canonical_description(text)
    assert canonical_description(once) == once
    assert canonical_description(f" \t{text}\n") == once
    assert canonical_description(unicodedata.normalize("NFC", text)) == once


@pytest.mark.requirement("ING-04")
@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x17F), max_size=40))
def test_case_does_not_count(text: str) -> None:
    assert canonical_description(text.upper()) == canonical_description(text.upper().lower().upper())
    assert canonical_description(text.casefold()) == canonical_description(text)
