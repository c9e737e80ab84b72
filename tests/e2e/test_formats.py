"""Statements in other formats than CSV, through REST: chosen by content, never by name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.ingestion.workbook_samples import PROTECTED, SECRET
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

OFX = """OFXHEADER:100
DATA:OFXSGML

<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>77-1</BANKACCTFROM><BANKTRANLIST>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260304<TRNAMT>-12.34<FITID>F1<NAME>Corner Bakery</STMTTRN>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260305<TRNAMT>2000.00<FITID>F2<NAME>ACME</STMTTRN>
</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


def test_ofx_names_its_account_and_its_ids(user: RestUser) -> None:
    first = user.imported(OFX, name="anything.csv")
    assert (first["file_format"], first["counts"]["inserted"]) == ("ofx", 2)
    assert [(row["amount"], row["currency"], row["transaction_date"]) for row in user.transactions()] == [
        ("2000.00", "USD", "2026-03-05"),
        ("-12.34", "USD", "2026-03-04"),
    ]
    # The bank words the same payment differently: its id settles it.
    again = user.imported(OFX.replace("Corner Bakery", "CARD 4711 CORNER BAKERY NORTH"))
    assert (again["counts"]["duplicates"], again["account_id"]) == (2, first["account_id"])


@pytest.mark.requirement("ING-16")
@pytest.mark.parametrize("kind", sorted(PROTECTED))
def test_a_protected_workbook_needs_its_password(user: RestUser, kind: str) -> None:
    for password in (None, "mistaken-guess"):
        given = {"password": password} if password else {}
        refused = user.post_import(PROTECTED[kind], key="one", name="statement.bin", **given)
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == ["password"]
        assert "mistaken-guess" not in refused.text
    done = user.post_import(PROTECTED[kind], key="one", name="statement.bin", password=SECRET)
    assert done.status_code == 201, done.text
    assert done.json()["counts"]["inserted"] > 0
    assert SECRET not in done.text


def test_every_shared_file_is_answered(user: RestUser, shared_data: Path) -> None:
    """No file of any kind gives a server error, and every refusal says why. What each holds: python -m benchmarks.statements_table."""
    folder = shared_data / "statements"
    answers = {}
    with (folder / "MANIFEST.csv").open(newline="") as manifest:
        for entry in csv.DictReader(manifest):
            response = user.post_import((folder / entry["path"]).read_bytes(), name=Path(entry["path"]).name)
            answers[entry["path"]] = response.status_code
            assert response.status_code in (201, 422), (entry["path"], response.text)
            if response.status_code == 422:
                assert response.json()["detail"], entry["path"]
            elif entry["kind"] == "not_a_statement":
                assert response.json()["counts"]["inserted"] == 0, entry["path"]
    assert answers
