"""Every file of the shared statements against its manifest, printed as a table.

    python -m benchmarks.statements_table                                  the reader alone
    python -m benchmarks.statements_table --gateway http://127.0.0.1:8080 \
        --token-command ".venv/bin/scale token --user {user}"              through REST, a fresh user for each file

Exit 1 when a file of kind `statement` differs from the manifest without being refused with a line and a reason.
The data folder is SCALE_SHARED_DATA, else ../shared/data beside the repository.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx

from services.ingestion.app import READERS
from services.ingestion.formats import HEAD_BYTES, choose_format
from services.ingestion.readers.statement import ReadOptions, UnreadableStatement
from services.kit.errors import InvalidArgument

ROOT = Path(__file__).resolve().parent.parent
# docs/statements.md argues these, file by file.
ARGUED_SUMS = {"publishspendpurchasecardsfebruary.xls": "XXX:-735975.49"}


@dataclass
class Outcome:
    """What became of a file. `refused` is the message when it was refused; `located` whether it gave a line and a reason."""

    rows: int = 0
    sums: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    first: date | None = None
    last: date | None = None
    rejected: list[str] = field(default_factory=list)
    file_format: str = ""
    refused: str = ""
    located: bool = False
    seconds: float = 0.0

    def add(self, day: date, amount: Decimal, currency: str | None) -> None:
        self.rows += 1
        self.sums[currency or "XXX"] += amount
        self.first = min(self.first or day, day)
        self.last = max(self.last or day, day)

    def shown_sums(self) -> str:
        return " ".join(f"{code}:{_plain(total)}" for code, total in sorted(self.sums.items())) or "-"


def data_folder() -> Path | None:
    """Where the shared data is, or None where it is absent."""
    folder = Path(os.environ.get("SCALE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "statements" / "MANIFEST.csv").is_file() else None


def manifest_rows(folder: Path) -> Iterator[dict[str, str]]:
    """The manifest's files but for companions, which are no statements at all."""
    with (folder / "statements" / "MANIFEST.csv").open(newline="", encoding="utf-8") as stream:
        yield from (row for row in csv.DictReader(stream) if row["kind"] != "companion")


def read_directly(path: Path) -> Outcome:
    """Run the reader that the file's content asks for."""
    outcome = Outcome()
    try:
        with path.open("rb") as stream:
            reader = READERS[choose_format(stream.read(HEAD_BYTES), None)]
        statement = reader(path, ReadOptions(file_name=path.name))
        outcome.file_format = statement.file_format
        for batch in statement.batches:
            for day, amount, currency in batch.rows.select("transaction_date", "amount", "currency").iter_rows():
                outcome.add(day, amount, currency)
            outcome.rejected += [f"line {e.line}: {e.field}: {e.reason}" for e in batch.errors]
    except UnreadableStatement as refused:
        outcome.refused = refused.message
        outcome.located = any(e.line > 0 and e.reason for e in refused.errors)
    except InvalidArgument as refused:
        outcome.refused = refused.message
        outcome.located = any(field.line and field.reason for field in refused.fields)
    return outcome


def through_gateway(client: httpx.Client, token: str, path: Path) -> Outcome:
    """Post one file and read its transactions back. Raises RuntimeError for a server error."""
    outcome = Outcome()
    headers = {"Authorization": f"Bearer {token}"}
    with path.open("rb") as stream:
        answer = client.post("/api/v1/imports", files={"file": (path.name, stream)}, headers=headers)
    if answer.status_code == 202:
        answer = _finished(client, headers, answer.headers["Location"])
    if answer.status_code >= 500:
        raise RuntimeError(f"{path.name}: {answer.status_code} {answer.text[:300]}")
    body = answer.json()
    if answer.status_code >= 400:
        outcome.refused = f"{answer.status_code} {body.get('detail', '')}"
        outcome.located = any(error.get("line") and error.get("reason") for error in body.get("errors", []))
        return outcome
    outcome.file_format = body["file_format"]
    outcome.rows = body["counts"]["zero_amount"]
    for item in _pages(client, headers, f"/api/v1/imports/{body['id']}/rows", {"outcome": "rejected"}):
        outcome.rejected.append(f"line {item['line']}: {item['reason']}")
    for item in _pages(client, headers, "/api/v1/transactions", {"page_size": "1000"}):
        outcome.add(date.fromisoformat(item["transaction_date"]), Decimal(item["amount"]), item["currency"])
    return outcome


def _finished(client: httpx.Client, headers: dict[str, str], location: str) -> httpx.Response:
    for _ in range(600):
        answer = client.get(location, headers=headers)
        if answer.json().get("state") not in ("pending", "running"):
            return answer
        time.sleep(0.1)
    raise RuntimeError(f"{location} is not finished after a minute")


def _pages(client: httpx.Client, headers: dict[str, str], url: str, params: dict[str, str]) -> Iterator[dict[str, str]]:
    token = ""
    while True:
        answer = client.get(url, params={**params, **({"page_token": token} if token else {})}, headers=headers)
        answer.raise_for_status()
        body = answer.json()
        yield from body["items"]
        token = body.get("next_page_token") or ""
        if not token:
            return


def verdict(expected: dict[str, str], outcome: Outcome, *, currency_filled_in: bool) -> str:
    """OK, ARGUED (in docs/statements.md), REFUSED (with line and reason) or DIFF.

    Through REST a row without a currency has got the account's.
    """
    if outcome.refused:
        return "REFUSED" if outcome.located else "DIFF"
    totals = {code: _plain(total) for code, total in outcome.sums.items()}
    parts = [part.partition(":") for part in expected["sum"].split(";") if part]
    wanted = {code: _plain(Decimal(total)) for code, _, total in parts} or None
    if wanted and "XXX" in wanted and currency_filled_in and len(totals) == 1:
        totals = {"XXX": next(iter(totals.values()))}
    argued = ARGUED_SUMS.get(expected["path"])
    if argued:
        wanted = {argued.partition(":")[0]: argued.partition(":")[2]}
    same = (
        str(outcome.rows) == expected["rows"]
        and (wanted is None or totals == wanted)
        and expected["first_date"] in ("", str(outcome.first))
        and expected["last_date"] in ("", str(outcome.last))
    )
    return ("ARGUED" if argued else "OK") if same else "DIFF"


def _plain(total: Decimal) -> str:
    return f"{total.normalize():f}"


def main() -> int:
    """Print the table; the exit status says whether every statement is right or refused with a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", help="base URL, for a run through REST")
    parser.add_argument("--token", help="a token for all files (rows of all files then share one ledger: use with --only)")
    parser.add_argument("--token-command", help="prints a token for {user}; run once for each file with a fresh user")
    parser.add_argument("--only", default="", help="only files whose path holds this text")
    options = parser.parse_args()
    folder = data_folder()
    if folder is None:
        print("no shared data: set SCALE_SHARED_DATA", file=sys.stderr)
        return 2
    if options.gateway and not (options.token or options.token_command):
        parser.error("--gateway needs --token-command or --token")
    client = httpx.Client(base_url=options.gateway, timeout=60) if options.gateway else None

    def read(path: Path) -> Outcome:
        if client is None:
            return read_directly(path)
        return through_gateway(client, options.token or _fresh_token(options.token_command), path)

    print(f"{'verdict':8} {'format':9} {'kind':15} {'rows':>11} {'sum (expected)':34} {'dates':23} {'s':>5}  file")
    wrong = 0
    for expected in manifest_rows(folder):
        if options.only not in expected["path"]:
            continue
        start = time.perf_counter()
        outcome = read(folder / "statements" / expected["path"])
        outcome.seconds = time.perf_counter() - start
        said = verdict(expected, outcome, currency_filled_in=client is not None)
        wrong += said == "DIFF" and expected["kind"] == "statement"
        print(_line(expected, outcome, said))
        for text in [f"refused: {outcome.refused}"] if outcome.refused else outcome.rejected[:5]:
            print(f"{'':25}{text}")
    print(f"{wrong} statements differ from the manifest without being refused with a line and a reason")
    return 1 if wrong else 0


def _fresh_token(command: str) -> str:
    words = shlex.split(command.replace("{user}", str(uuid4())))
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def _line(expected: dict[str, str], outcome: Outcome, said: str) -> str:
    rows = f"{outcome.rows}/{expected['rows'] or '-'}"
    total = outcome.shown_sums() + (f" ({expected['sum'] or '-'})" if said != "OK" else "")
    dates = f"{outcome.first}..{outcome.last}" if outcome.first else "-"
    kind = f"{outcome.file_format or '-':9} {expected['kind']:15}"
    return f"{said:8} {kind} {rows:>11} {total:34} {dates:23} {outcome.seconds:5.2f}  {expected['path']}"


if __name__ == "__main__":
    sys.exit(main())
