"""How well recurring payments are found: precision and recall on made ledgers with known answers, and the standing orders of real accounts.

`python -m benchmarks.recurring [--ledgers 40] [--data ../shared/data]`, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from services.accounts.analytics.domain import RecurrencePeriod, RecurringPayment
from services.accounts.analytics.recurring import ROWS, find_recurring

LAST_DAY = date(2026, 1, 31)
FIRST_DAY = date(2024, 1, 1)
_LEAST = {RecurrencePeriod.WEEKLY: 6, RecurrencePeriod.BIWEEKLY: 5, RecurrencePeriod.YEARLY: 2}
_SAME = 0.8
"""Of the rows, for a found payment to be a true one."""
_ACCOUNT = "00000000-0000-7000-8000-000000000001"
_MONTHS = {RecurrencePeriod.MONTHLY: 1, RecurrencePeriod.QUARTERLY: 3, RecurrencePeriod.HALF_YEARLY: 6, RecurrencePeriod.YEARLY: 12}
_DAYS = {RecurrencePeriod.WEEKLY: 7, RecurrencePeriod.BIWEEKLY: 14, RecurrencePeriod.FOUR_WEEKLY: 28}


@dataclass
class MadeLedger:
    """Rows of one user, and which of them belong to which recurring payment."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    truth: dict[str, tuple[RecurrencePeriod, set[str]]] = field(default_factory=dict)

    def add(self, day: date, cents: int, text: str, merchant: str | None = None) -> str:
        """One row."""
        made = str(UUID(int=len(self.rows) + 1))
        row = dict.fromkeys(ROWS) | {"id": made, "account_id": _ACCOUNT, "transaction_date": day, "currency": "EUR"}
        self.rows.append(row | {"steps": cents * 100, "description": text, "merchant": merchant})
        return made

    def frame(self) -> pl.DataFrame:
        """As `find_recurring` takes it."""
        return pl.DataFrame(sorted(self.rows, key=lambda row: (row["transaction_date"], row["id"])), schema=ROWS)


def make_ledger(seed: int) -> MadeLedger:
    """Two years of a household: some twenty recurring payments with all that happens to them, among shops, cafés, cash and friends."""
    chance = random.Random(seed)
    ledger = MadeLedger()
    for number in range(20):
        _add_recurring(
            ledger, chance, f"Payee {_letters(chance)} {number}", chance.choice([*_MONTHS, *_MONTHS, RecurrencePeriod.MONTHLY, *_DAYS])
        )
    _add_noise(ledger, chance)
    return ledger


def _add_recurring(ledger: MadeLedger, chance: random.Random, payee: str, period: RecurrencePeriod) -> None:
    cents = -chance.randrange(399, 120_000) * (1 if chance.random() < 0.85 else -3)
    varies = chance.choice([0, 0, 0, 0.02, 0.15]) if period in (RecurrencePeriod.MONTHLY, RecurrencePeriod.QUARTERLY) else 0
    raised_on = FIRST_DAY + timedelta(days=chance.randrange(2000))
    days = _due_days(chance, period)
    if period is RecurrencePeriod.MONTHLY and chance.random() < 0.2:
        days = days[: chance.randrange(6, len(days))]  # given notice
    skipped = chance.randrange(1, len(days) - 1) if len(days) > 10 and chance.random() < 0.2 else None
    merchant = payee if chance.random() < 0.5 else None
    ids = set()
    for place, due in enumerate(days):
        # Banks book on working days, most of them later, some earlier.
        day = due + timedelta(days={5: 2, 6: 1}.get(due.weekday(), 0))
        if place == skipped or day > LAST_DAY:
            continue
        amount = round(cents * (1.04 if due >= raised_on else 1) * (1 + chance.uniform(-varies, varies)))
        text = f"{payee} {due:%b %Y} REF {chance.randrange(10**8)}"
        ids.add(ledger.add(day, amount, text, merchant))
    if len(ids) >= _LEAST.get(period, 4 if period in (RecurrencePeriod.MONTHLY, RecurrencePeriod.FOUR_WEEKLY) else 3):
        ledger.truth[payee] = (period, ids)


def _due_days(chance: random.Random, period: RecurrencePeriod) -> list[date]:
    if step := _DAYS.get(period):
        first = FIRST_DAY + timedelta(days=chance.randrange(step))
        return [first + timedelta(days=turn * step) for turn in range((LAST_DAY - first).days // step + 1)]
    step, number = _MONTHS[period], chance.randrange(1, 32)
    offset = chance.randrange(step)
    found = []
    for month in range(offset, 25, step):
        year, place = 2024 + month // 12, month % 12 + 1
        found.append(date(year, place, min(number, monthrange(year, place)[1])))
    return found


def _add_noise(ledger: MadeLedger, chance: random.Random) -> None:
    span = (LAST_DAY - FIRST_DAY).days

    def any_day() -> date:
        return FIRST_DAY + timedelta(days=chance.randrange(span + 1))

    day = FIRST_DAY
    while day < LAST_DAY:  # groceries every few days, on Saturdays for sure
        ledger.add(day, -chance.randrange(300, 12_000), f"SUPERMARKET {chance.randrange(999)} BERLIN", "Supermarket")
        day += timedelta(days=chance.randrange(1, 5))
    for week in range(span // 7):
        ledger.add(FIRST_DAY + timedelta(days=7 * week + 5), -chance.randrange(800, 4_500), "Farmers market", None)
    for _ in range(150):  # one price, any day
        ledger.add(any_day(), -chance.choice([320, 350, 450]), "Coffee corner", "Coffee corner")
    for _ in range(60):
        ledger.add(any_day(), -chance.choice([2_000, 5_000, 10_000]), f"ATM {chance.randrange(9999)}", None)
    for _ in range(120):
        ledger.add(any_day(), -chance.randrange(500, 20_000), f"AMAZON MKTPLACE {chance.randrange(10**6)}", "Amazon")
    for _ in range(40):
        ledger.add(any_day(), chance.choice([1, -1]) * chance.randrange(500, 8_000), f"Friend {chance.choice('ABCDEF')} thanks")
    for shop in range(200):  # seen a few times, often at one price
        name, price = f"Shop {_letters(chance)} {shop}", chance.randrange(500, 15_000)
        for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4, 6])):
            ledger.add(any_day(), -(price if chance.random() < 0.5 else chance.randrange(500, 15_000)), name, name)


def _letters(chance: random.Random) -> str:
    return "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7))


@dataclass
class Score:
    """What was found of what there is."""

    found: int = 0
    right: int = 0
    """Of those found, the ones that are one true payment with its true period."""
    true: int = 0
    known: int = 0
    """Of the true ones, those that were found."""

    def add(self, payments: list[RecurringPayment], truth: dict[str, tuple[RecurrencePeriod, set[str]]]) -> None:
        """Counts one ledger."""
        self.found += len(payments)
        self.true += len(truth)
        seen = set()
        for payment in payments:
            ids = {str(one) for one in payment.transaction_ids}
            for name, (period, rows) in truth.items():
                pure = len(ids & rows) >= _SAME * len(ids)
                if pure and payment.period is period and payment.occurrence_count >= _SAME * len(rows):
                    self.right += 1
                    seen.add(name)
                    break
        self.known += len(seen)


def measure_made(ledgers: int) -> dict[str, float]:
    """Precision and recall over many made ledgers."""
    score = Score()
    for seed in range(ledgers):
        ledger = make_ledger(seed)
        score.add(list(find_recurring(ledger.frame(), today=LAST_DAY).payments), ledger.truth)
    return {
        "ledgers": ledgers,
        "payments": score.true,
        "precision": round(score.right / score.found, 4),
        "recall": round(score.known / score.true, 4),
    }


def measure_orders(folder: Path) -> dict[str, int]:
    """Standing orders of the Berka accounts that were carried out four times or more, and how many of them are found."""
    text = (folder / "trans_TRUNCATED_3MiB.asc").read_bytes().rpartition(b"\n")[0]
    rows = pl.read_csv(text, separator=";", infer_schema=False, truncate_ragged_lines=True).drop_nulls("amount")
    orders = pl.read_csv(folder / "order.asc", separator=";", infer_schema=False)

    def lettered(column: str) -> pl.Expr:
        # Digits tell no payees apart, so accounts get names.
        return pl.col(column).fill_null("").str.replace_many(list("0123456789"), list("abcdefghij"))

    def numbered(column: str) -> pl.Expr:
        return pl.lit("00000000-0000-0000-0000-") + pl.col(column).str.zfill(12)

    steps = (pl.col("amount").cast(pl.Decimal(19, 4)) * 10_000).cast(pl.Int64)
    frame = rows.select(
        numbered("trans_id").alias("id"),
        numbered("account_id").alias("account_id"),
        ("19" + pl.col("date")).str.to_date("%Y%m%d").alias("transaction_date"),
        pl.when(pl.col("type") == "PRIJEM").then(steps).otherwise(-steps).alias("steps"),
        pl.lit("CZK").alias("currency"),
        pl.concat_str(lettered("account_id"), pl.col("operation", "k_symbol").fill_null(""), lettered("account"), separator=" ").alias(
            "merchant"
        ),
        pl.lit("").alias("description"),
        pl.lit(None, pl.String).alias("category"),
    ).filter(pl.col("steps") != 0)
    paid = rows.with_columns(pl.col("amount").cast(pl.Float64)).join(
        orders.with_columns(pl.col("amount").cast(pl.Float64)),
        left_on=["account_id", "account", "amount"],
        right_on=["account_id", "account_to", "amount"],
    )
    ordered = paid.select("order_id", numbered("trans_id").alias("id")).group_by("order_id").agg("id").filter(pl.col("id").list.len() >= 4)
    found = {
        str(one)
        for payment in find_recurring(frame.sort("transaction_date"), today=date(1994, 12, 31)).payments
        for one in payment.transaction_ids
    }
    return {"orders": ordered.height, "found": sum(any(one in found for one in ids) for ids in ordered["id"].to_list())}


def main() -> None:
    """Prints the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledgers", type=int, default=40)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    result: dict[str, Any] = {"made": measure_made(options.ledgers)}
    if (options.data / "accounts/berka").is_dir():
        result["standing_orders"] = measure_orders(options.data / "accounts/berka")
    many = pl.concat([make_ledger(seed).frame() for seed in range(100)])[:100_000]
    began = time.process_time()
    find_recurring(many, today=LAST_DAY)
    result["cpu_s_for_rows"] = {str(many.height): round(time.process_time() - began, 2)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
