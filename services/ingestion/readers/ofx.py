"""The OFX reader: OFX 1.x (SGML), 2.x (XML) and QFX, with bank, card and investment statements, in bounded memory.

A first pass over the amounts tells their decimal mark (a comma is allowed), the second yields the rows. The civil date of DTPOSTED counts
as written. Amounts are in the statement's CURDEF unless the row has CURRENCY. Of investment statements the cash rows (INVBANKTRAN) are
read. STMTTRNP are pending.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from services.ingestion.readers.amounts import AmountFormat, decide_marks
from services.ingestion.readers.balances import Balances
from services.ingestion.readers.ofx_markup import TAG, Markup, fields_of, open_markup
from services.ingestion.readers.ofx_rows import Records
from services.ingestion.readers.ofx_statements import AccountStatement, Answer
from services.ingestion.readers.record_rows import BATCH_ROWS, add_up, batch_of, checked, count_shapes, given_currency, with_a_row
from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement

MAX_RECORD_CHARS = 1024 * 1024
_MONEY = re.compile(r"<(TRNAMT|BALAMT|CURDEF)>\s*([^<\r\n]+)")
_START = re.compile(r"<STMTTRNP?>")
# Banks forget end tags: whatever can only come after a transaction ends it.
_END = re.compile(
    r"<(?:/?STMTTRNP?|/?BANKTRANLISTP?|/?(?:CC|INV)?STMTRS|LEDGERBAL|AVAILBAL|/?INVBANKTRAN|/?INVTRANLIST|/?SUBACCTFUND|/OFX"
    r"|/(?:BANK|CREDITCARD|INVSTMT)MSGSRSV1|/(?:CC|INV)?STMTTRNRS)>"
)


def read_ofx(path: Path, options: ReadOptions) -> Statement:
    """Read an OFX or QFX file.

    Raises UnreadableStatement, naming line and reason, when it holds no statement, only investments, or no row that can be read.
    A statement without transactions gives no batches and a note.
    """
    currency = given_currency(options)
    markup = open_markup(path)
    form, accounts_hint = _decide_form(markup, currency)
    reading = _Reading(markup, form, currency)
    batches = with_a_row(checked(reading.batches()))
    if batches is None:
        reading.refuse_without_statement()
        reading.detected["notes"].append("the file holds a statement without any transaction")
        batches = iter(())
    del accounts_hint
    return Statement("ofx", reading.detected, reading.only_account(), batches)


def _decide_form(markup: Markup, currency: str | None) -> tuple[AmountFormat, int]:
    """The first pass: the decimal mark, by all amounts of the file, then by its balances."""
    amounts: Counter[str] = Counter()
    balances: Counter[str] = Counter()
    found_currency = currency
    for chunk in markup.chunks():
        found = _MONEY.findall(chunk)
        count_shapes(amounts, [text for name, text in found if name == "TRNAMT"])
        count_shapes(balances, [text for name, text in found if name == "BALAMT"])
        found_currency = found_currency or next((text.strip().upper() for name, text in found if name == "CURDEF"), None)
    return decide_marks(amounts, balances, found_currency), 0
