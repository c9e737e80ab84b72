"""Which way the money went: the sign conventions, each told by the whole file."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import ReadOptions, RowError, UnreadableStatement
from tests.ingestion.reading import read_bytes

BALANCED = "Date,Text,Amount,Balance"
ReadAmounts = Callable[..., tuple[list[Decimal], list[RowError], str]]


@pytest.fixture
def read(tmp_path: Path) -> ReadAmounts:
    def write_and_read(header: str, *rows: str, **options: object) -> tuple[list[Decimal], list[RowError], str]:
        path = tmp_path / "statement.csv"
        path.write_text("\n".join([header, *(f"2024-01-{31 - i},{row}" for i, row in enumerate(rows))]), encoding="utf-8")
        statement = read_csv(path, ReadOptions(**options))  # type: ignore[arg-type]
        batches = list(statement.batches)
        amounts = [amount for batch in batches for amount in batch.rows["amount"]]
        return amounts, [error for batch in batches for error in batch.errors], statement.detected["sign"]

    return write_and_read


@pytest.mark.requirement("ING-13")
@pytest.mark.parametrize(
    ("header", "rows", "amounts", "word"),
    [
        ("Date,Text,Amount", ["a,-1.00", "b,2.00"], ["-1", "2"], "minus is money out"),
        ("Date,Text,Amount", ["a,1.00", "b,2.00"], ["1", "2"], "all are read as money in"),
        ("Date,Text,Amount", ["a,1.00", "b,+2.00"], ["-1", "2"], "without a sign are charges"),
        ("Date,Text,Amount", ["a,1.00", "b,2.00CR"], ["-1", "2"], "without a sign are charges"),
        ("Date,Text,Amount", ["a,1.00 DR", "b,2.00"], ["-1", "2"], "minus is money out"),
        ("Date,Text,Amount,D/C", ["a,1.00,D", "b,2.00,C"], ["-1", "2"], "direction column decides"),
        ("Date,Text,Amount,D/C", ["a,1.00,D", "b,2.00,C", "c,4.00,D", "d,-3.00,D"], ["-1", "2", "-4", "3"], "a minus is a reversal"),
        ("Date,Text,Amount,D/C", ["a,1.00,D", "b,-2.00,C"], ["-1", "2"], "run the other way"),
        ("Date,Text,Amount,D/C", ["a,-1.00,D", "b,2.00,C"], ["-1", "2"], "agrees"),
        ("Date,Text,Amount,", ["a,1.00,", "b,2.00,CR"], ["-1", "2"], "blank = money out"),
        ("Date,Text,Amount,", ["a,1.00,DR", "b,2.00,"], ["-1", "2"], "blank = money in"),
        ("Date,Text,Amount,Type", ["a,1.00,expense", "b,2.00,income"], ["-1", "2"], "direction column decides"),
        ("Date,Text,Amount,Type", ["a,1.00,Purchase", "b,-2.00,Payment"], ["-1", "2"], "card's view"),
        ("Date,Text,Amount,Type", ["a,1.00,Purchase", "b,2.00,Payment"], ["-1", "2"], "kind of booking"),
        ("Date,Text,Amount,Type", ["a,-1.00,Sale", "b,2.00,Payment"], ["-1", "2"], "minus is money out"),
        ("Date,Text,Amount", ["a,1.00", "PAYMENT - THANK YOU,-2.00"], ["-1", "2"], "card's view"),
        ("Date,Text,Amount", ["a,1.00", "PRELEVEMENT AUTOMATIQUE ENREGISTRE-MERCI,-2.00"], ["-1", "2"], "card's view"),
        ("Date,Text,Amount", ["a,-1.00", "PAYMENT - THANK YOU,2.00"], ["-1", "2"], "minus is money out"),
        ("Date,Text,Card Member,Amount", ["a,J,1.00", "b,J,2.00"], ["-1", "-2"], "card's view"),
        ("Date,Text,Debit,Credit", ["a,1.00,", "b,,2.00"], ["-1", "2"], "a column each"),
        ("Date,Text,Debit,Credit", ["a,-1.00,", "b,,2.00"], ["-1", "2"], "with a minus"),
        ("Date,Text,Debit,Credit", ["a,1.00,", "b,,-2.00"], ["-1", "2"], "a column each"),
        ("Date,Text,Debit,Credit", ["a,1.00,0.00", "b,0.00,2.00", "c,3.00,0", "d,-4.00,0"], ["-1", "2", "-3", "4"], "without a sign"),
        ("Date,Text,Amount,Debit,Credit", ["a,1.00,1.00,", "b,2.00,,2.00"], ["-1", "2"], "a column each"),
        ("Date,Text,Amount,Debit,Credit", ["a,-1.00,1.00,", "b,2.00,,2.00"], ["-1", "2"], "minus is money out"),
        ("Date,Text,Withdrawal", ["a,1.00", "b,2.00"], ["-1", "-2"], "a column each"),
        ("Date,Text,Deposit", ["a,1.00", "b,2.00"], ["1", "2"], "only money in has a column"),
        (BALANCED, ["Edeka sagt Danke,-2.00,97.00", "PAYMENT THANKS,-8.00,99.00", "c,7.00,107.00"], ["-2", "-8", "7"], "running balance"),
        (BALANCED, ["a,2.00,97.00", "Uw betaling,8.00,99.00", "c,-7.00,107.00"], ["2", "8", "-7"], "as that of a loan does"),
        (BALANCED, [f"{c},1.00,{15 - i}.00" for i, c in enumerate("abcdef")] + ["PAYMENT THANK YOU,-8.00,9.00"],
         ["-1"] * 6 + ["8"], "card's view"),
        ("Date,Text,Amount", ["a,-1.00", "b,-2.00", "PAYMENT THANK YOU,-8.00", "c,7.00"], ["-1", "-2", "-8", "7"], "minus is money out"),
        ("Date,Text,Amount", ["a,-1.00", "PRELEVEMENT EDF MERCI,-8.00", "c,7.00"], ["-1", "-8", "7"], "minus is money out"),
        ("Date,Text,Inflow", ["a,-1.00", "b,-2.00", "c,3.00"], ["-1", "-2", "3"], "a minus there is money out"),
    ],
)  # fmt: skip
def test_convention(read: ReadAmounts, header: str, rows: list[str], amounts: list[str], word: str) -> None:
    found, errors, told = read(header, *rows)
    assert not errors
    assert found == [Decimal(amount) for amount in amounts]
    assert word in told


@pytest.mark.parametrize(
    "text",
    [
        "PRELEVEMENT STE COMMERCIALE TELECOM", "Stadtwerke Abschlag Ihre Zahlung", "Uw betaling Ziggo", "RECIBO SEGURO VISU PAGO",
        "CAFE MUITO OBRIGADO", "Rueckzahlung erhalten", "CITI PAYMENT THANK YOU", "Stadtwerke vielen Dank fuer Ihre Zahlung",
        "DISCOVER E-PAYMENT THANK YOU",
    ],
)  # fmt: skip
def test_thanks_inside_of_other_texts_turn_nothing_round(read: ReadAmounts, text: str) -> None:
    """An account of which most rows are income: only the words themselves can tell it from a card."""
    assert read("Date,Text,Amount", f"{text},-8.00", "a,1.00", "b,2.00")[0] == [Decimal(-8), Decimal(1), Decimal(2)]


@pytest.mark.parametrize(
    "text",
    [
        "IHRE ZAHLUNG - BESTEN DANK", "Uw betaling", "SU PAGO GRACIAS", "GRACIAS POR SU PAGO", "Thank you for your payment",
        "IHRE ZAHLUNG VOM 15.03", "SU PAGO EN LINEA GRACIAS", "PAGAMENTO EFETUADO OBRIGADO", "OBRIGADO PELO SEU PAGAMENTO",
        "UW BETALING VIA INCASSO", "AUTOPAY PYMT RECEIVED - THANK YOU", "PAYMENT - THANK YOU ATLANTA GA", "PAIEMENT CAISSE/MERCI",
        "DIRECT DEBIT PAYMENT - THANK YOU", "Zahlung erhalten. Vielen Dank", "PAIEMENT REÇU", "GRAZIE PER IL SUO PAGAMENTO",
    ],
)  # fmt: skip
def test_a_payment_that_a_card_thanks_for_came_in(read: ReadAmounts, text: str) -> None:
    assert read("Date,Text,Amount", f"{text},-8.00", "a,1.00", "b,2.00")[0] == [Decimal(8), Decimal(-1), Decimal(-2)]


@pytest.mark.parametrize("category", ["Payments and Credits", "Payment/Credit"])
def test_a_card_companys_own_category_is_thanks_enough(read: ReadAmounts, category: str) -> None:
    assert read("Date,Text,Amount,Category", "UBER,20.00,Travel", f"DIRECTPAY FULL BALANCE,-300.00,{category}")[0] == [-20, 300]


def test_money_back_beside_thanks_says_nothing(read: ReadAmounts) -> None:
    rows = ["SHOP,50.00", "PAYMENT THANK YOU,-200.00", "RETURN a,-50.00", "RETURN b,-20.00"]
    assert read("Date,Text,Amount", *rows)[0] == [Decimal(-50), Decimal(200), Decimal(50), Decimal(20)]
    assert read("Date,Text,Amount", *rows[1:3])[0] == [Decimal(200), Decimal(50)]


@pytest.mark.parametrize(
    ("header", "rows", "amounts"),
    [
        # A balance that grows as charges do is what is owed.
        (BALANCED, ["a,30.00,180.00", "PAYMENT THANK YOU,-100.00,150.00", "b,50.00,250.00", "RETURN,-20.00,200.00"], [-30, 100, -50, 20]),
        ("Date,Text,Type,Amount,Balance", ["x,Purchase,30,180", "y,Payment,-100,150", "z,Purchase,50,250"], [-30, 100, -50]),
        # That of an account grows with what comes in, whoever is thanked for.
        (BALANCED, ["a,30,500", "DISCOVER E-PAYMENT THANK YOU,-200,470", "c,50,670", "d,20,620", "e,20,600"], [30, -200, 50, 20, 20]),
        # That of a loan grows with what is charged and falls with what is paid, as the holder's account has it.
        (BALANCED, ["Interest,-398.00,99898.00", "Repayment,900.00,99500.00", "Interest,-400.00,100400.00"], [-398, 900, -400]),
    ],
)  # fmt: skip
def test_what_a_balance_proves_depends_on_whose_money_it_is(read: ReadAmounts, header: str, rows: list[str], amounts: list[int]) -> None:
    assert read(header, *rows)[0] == amounts


def test_a_kind_that_all_rows_have_turns_nothing_round(read: ReadAmounts) -> None:
    rows = ["a,Debit,500.00", "b,Debit,200.00", "c,Debit,-20.00", "d,Debit,20.00"]
    assert read("Date,Text,Booking type,Amount", *rows)[0] == [500, 200, -20, 20]
    assert read("Date,Text,D/C,Amount", *rows)[0] == [-500, -200, 20, -20]


def test_what_was_paid_with_is_no_direction(read: ReadAmounts) -> None:
    found, _, sign = read("Date,Text,Payment Method,Amount", "a,Credit,50.00", "b,Debit,20.00")
    assert found == [50, 20]
    assert sign == "no amount is negative: all are read as money in"


def test_kinds_beside_purchases_that_are_no_cards_words(read: ReadAmounts) -> None:
    header = "Date,Text,Type,Amount"
    assert read(header, "a,Purchase,12.00", "b,Payment,40.00", "c,Deposit,500.00")[0] == [-12, 40, 500]
    found, errors, _ = read(header, "a,Purchase,12.00", "b,Payment,40.00", "c,Adjustment,5.00")
    assert found == [-12, 40]
    assert [error.reason for error in errors] == ["the direction 'Adjustment' is not known: money in or out?"]


def test_sales_are_a_sellers_where_no_payment_is_booked(read: ReadAmounts) -> None:
    header = "Date,Text,Type,Amount"
    assert read(header, "a,Sale,20.00", "b,Refund,-5.00", "c,Sale,50.00")[0] == [20, -5, 50]
    assert read(header, "a,Sale,20.00", "b,Payment,-15.00", "c,Sale,50.00")[0] == [-20, 15, -50]


def test_one_row_of_negative_income_is_a_correction(read: ReadAmounts) -> None:
    assert read("Date,Text,Category,Amount", "a,Income,-10.00", "b,Transfer,12.50", "c,Transfer,100.00")[0] == [-10, Decimal("12.5"), 100]


def test_amounts_before_their_balance_are_not_inverted(read: ReadAmounts) -> None:
    """The balance beside each row is the one before it: it would fit the opposite amounts, were the days in the other order."""
    assert read(BALANCED, "a,-20.00,100.00", "b,30.00,70.00", "c,-5.00,75.00")[0] == [Decimal(-20), Decimal(30), Decimal(-5)]


@pytest.mark.parametrize(
    ("name", "out", "into", "field"),
    [
        ("Type of Transaction", "Debit", "Credit", "payment_method"), ("Booking type", "DEBIT", "CREDIT", "payment_method"),
        ("Nature", "Débit", "Crédit", "payment_method"), ("Tipo de operación", "Cargo", "Abono", "payment_method"),
        ("Umsatztyp", "Ausgang", "Eingang", "payment_method"), ("Rodzaj transakcji", "Obciążenie", "Uznanie", "payment_method"),
        ("Transaktionstyp", "Uttag", "Insättning", "payment_method"), ("Category", "Expense", "Income", "category"),
    ],
)  # fmt: skip
def test_a_column_of_kinds_may_say_the_direction(tmp_path: Path, name: str, out: str, into: str, field: str) -> None:
    text = f"Date,Text,{name},Amount\n2024-01-29,shop,{out},12.50\n2024-01-15,ACME,{into},1500.00\n"
    found = read_bytes(read_csv, text.encode(), tmp_path)
    assert [(row["amount"], row[field]) for row in found.rows] == [(Decimal("-12.5"), out), (Decimal(1500), into)]


@pytest.mark.parametrize(
    ("column", "word"), [("Type", "income"), ("Category", "Income"), ("Category", "Paychecks"), ("Kategorie", "Einnahmen")]
)
def test_income_that_is_negative_turns_the_signs(read: ReadAmounts, column: str, word: str) -> None:
    """Some apps print what is spent as positive."""
    header = f"Date,Text,Amount,{column}"
    found, _, sign = read(header, "a,52.10,groceries", f"b,-3000.00,{word}", "c,15.49,phone", "d,200.00,")
    assert (found, "income is printed as negative" in sign) == ([Decimal("-52.1"), Decimal(3000), Decimal("-15.49"), Decimal(-200)], True)
    assert read(header, "a,-52.10,groceries", f"b,3000.00,{word}", "c,15.49,phone")[0] == [
        Decimal("-52.1"),
        Decimal(3000),
        Decimal("15.49"),
    ]
    corrected = [f"a,-52.10,{word}", f"b,3000.00,{word}", "c,15.49,phone"]
    assert read(header, *corrected)[0] == [Decimal("-52.1"), Decimal(3000), Decimal("15.49")]


def test_salaries_that_are_negative_are_a_firms(read: ReadAmounts) -> None:
    assert read("Date,Text,Amount,Category", "a,52.10,sales", "b,-30.00,Salaries", "c,15.49,sales")[0][1] == Decimal(-30)


def test_a_balance_that_only_falls_within_a_day_shows_money_out(tmp_path: Path) -> None:
    rows = ["2025-01-14,a,10.00,90.00", "2025-01-14,b,20.00,70.00", "2025-01-14,c,5.00,65.00"]
    for order in (rows, rows[::-1]):
        found = read_bytes(read_csv, "\n".join(["Date,Text,Amount,Balance", *order]).encode(), tmp_path)
        assert {row["description"]: row["amount"] for row in found.rows} == {"a": -10, "b": -20, "c": -5}


def test_one_way_only_is_told_by_the_kind_but_not_by_the_state(read: ReadAmounts) -> None:
    assert read("Date,Text,Amount,Booking type", "a,1.00,Debit", "b,2.00,Debit")[0] == [Decimal(-1), Decimal(-2)]
    assert "direction" not in read("Date,Text,Amount,Status", "a,1.00,C", "b,2.00,C")[2]


def test_an_unknown_direction_is_an_error_not_a_guess(read: ReadAmounts) -> None:
    found, errors, _ = read("Date,Text,Amount,D/C", "a,1.00,D", "b,2.00,C", "c,3.00,D", "d,4.00,?")
    assert found == [Decimal(-1), Decimal(2), Decimal(-3)]
    assert [(error.line, error.field) for error in errors] == [(5, "amount")]
    assert "'?'" in errors[0].reason


def test_both_columns_filled_is_an_error(read: ReadAmounts) -> None:
    found, errors, _ = read("Date,Text,Debit,Credit", "a,1.00,", "b,3.00,2.00")
    assert found == [Decimal(-1)]
    assert errors == [RowError(3, "amount", "both the money-out and the money-in column are filled")]


def test_a_single_letter_column_is_no_direction_without_both_ways(read: ReadAmounts) -> None:
    """A column of C for cleared must not turn payments round."""
    found, _, _ = read("Date,Text,Amount,Flag", "a,-1.00,C", "b,2.00,C")
    assert found == [Decimal(-1), Decimal(2)]


def test_the_fee_comes_off_where_the_balance_says_so(read: ReadAmounts) -> None:
    header = "Date,Text,Amount,Fee,Balance"
    found, _, _ = read(header, "a,-10.00,0.50,69.50", "b,-20.00,0.00,80.00", "c,5.00,0.00,100.00")
    assert found == [Decimal("-10.5"), Decimal(-20), Decimal(5)]
    found, _, _ = read(header, "a,-10.00,0.50,70.00", "b,-20.00,0.00,80.00", "c,5.00,0.00,100.00")
    assert found == [Decimal(-10), Decimal(-20), Decimal(5)]


@pytest.mark.parametrize("name", ["Gebühr", "Frais", "Comisión", "Costo", "Kosten", "Opłata", "Comissão", "Avgift", "Gebyr", "Poplatek"])
def test_a_fee_comes_off_in_any_language(read: ReadAmounts, name: str) -> None:
    assert read(f"Date,Text,Amount,{name},Balance", "a,-10.00,0.50,69.50", "b,-20.00,0.00,80.00")[0] == [Decimal("-10.5"), Decimal(-20)]


@pytest.mark.parametrize(("out", "fee"), [("-", "-"), ("", ""), ("", "-")])
def test_a_fee_comes_off_beside_a_pair_and_may_stand_alone(read: ReadAmounts, out: str, fee: str) -> None:
    rows = [f"a,,,{fee}7.50,1282.50", f"b,,{out}200.00,{fee}10.00,1290.00", "c,1500.00,,,1500.00"]
    found, errors, _ = read("Date,Text,Money In,Money Out,Fee,Balance", *rows)
    assert (found, errors) == ([Decimal("-7.5"), Decimal(-210), Decimal(1500)], [])


def test_a_fee_is_judged_in_the_order_of_the_days(read: ReadAmounts) -> None:
    """Read the other way round, 50 in and 50 out would prove that the fee is no part of it."""
    rows = ["a,50.00,0.00,518.50", "b,-50.00,1.50,468.50", "c,20.00,0.00,520.00"]
    assert read("Date,Text,Amount,Fee,Balance", *rows)[0] == [50, Decimal("-51.5"), 20]


def test_a_net_amount_has_its_fee_off(tmp_path: Path) -> None:
    found = read_bytes(read_csv, b"Date,Text,Net,Fee\n2024-01-31,a,19.12,0.88\n2024-01-15,b,-19.12,0\n", tmp_path)
    assert "there are fees" not in str(found.detected["notes"])


def test_a_fee_that_nothing_proves_is_left_out_with_a_note(tmp_path: Path) -> None:
    found = read_bytes(read_csv, b"Date,Text,Amount,Fee\n2024-01-31,a,50,0\n2024-01-15,b,-50,1.5\n", tmp_path)
    assert ([row["amount"] for row in found.rows], "there are fees" in str(found.detected["notes"])) == ([50, -50], True)


def test_a_fee_that_the_money_out_includes_is_not_taken_twice(read: ReadAmounts) -> None:
    rows = ["b,,210.00,10.00,1290.00", "c,1500.00,,,1500.00"]
    assert read("Date,Text,Money In,Money Out,Fee,Balance", *rows)[0] == [Decimal(-210), Decimal(1500)]


def test_several_numbers_without_names_need_an_answer(read: ReadAmounts) -> None:
    with pytest.raises(UnreadableStatement) as caught:
        read("Wann,Wort,Ax,Bx", "a,-1.00,-3.00", "b,-2.00,-9.00")
    assert caught.value.needs == {"columns": ["Wann", "Wort", "Ax", "Bx"]}
    assert read("Wann,Wort,Ax,Bx", "a,-1.00,-3.00", "b,-2.00,-9.00", columns={"amount": "Bx"})[0] == [Decimal(-3), Decimal(-9)]


def test_unsigned_amounts_beside_a_balance_that_falls_are_refused(read: ReadAmounts) -> None:
    with pytest.raises(UnreadableStatement, match="no sign, but the balance goes up and down"):
        read("Date,Text,Amount,Balance", "a,10.00,90.00", "b,20.00,100.00", "c,30.00,80.00")
    assert read("Date,Text,Amount,Balance", "a,10.00,60.00", "b,20.00,50.00", "c,30.00,30.00")[0] == [Decimal(10), Decimal(20), Decimal(30)]


def test_a_nameless_flag_counts_though_all_rows_go_one_way(tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    path.write_text('"0123456789","EUR","20120114","D","12.34","","ALBERT HEIJN","20120114","ba"\n', encoding="utf-8")
    assert [str(a) for batch in read_csv(path, ReadOptions()).batches for a in batch.rows["amount"]] == ["-12.3400"]


@pytest.mark.parametrize("rows", [["a,8.5", "b,7.25"], ["a,8", "b,7"]])
def test_numbers_under_a_name_that_says_nothing_of_money_are_refused(read: ReadAmounts, rows: list[str]) -> None:
    with pytest.raises(UnreadableStatement, match="need not be money"):
        read("Date,Task,Hours", *rows)


def test_paypals_memo_rows_move_no_money(read: ReadAmounts) -> None:
    found, errors, _ = read("Date,Text,Net,Balance Impact", "a,-1.00,Debit", "b,2.00,Credit", "c,-5.00,Memo")
    assert found == [Decimal(-1), Decimal(2)]
    assert [(error.line, error.field) for error in errors] == [(4, "status")]
