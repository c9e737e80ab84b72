"""The rules that answer without a model."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hypcd.corpus import read_table, taxonomy
from models.knowledge import rules
from models.knowledge.brands import DATA
from models.knowledge.rules import NO_ANSWER, classify, classify_many, vocabularies


@pytest.mark.parametrize(
    ("description", "amount", "category"),
    [
        ("Monthly salary ACME LTD", 2500, "income_salary"),
        ("Gehalt März ACME GmbH", 2500, "income_salary"),
        ("VIR SALAIRE MARS", 1800, "income_salary"),
        ("NOMINA ENERO", 1800, "income_salary"),
        ("Salaris februari", 2100, "income_salary"),
        ("Mzda za leden", 30000, "income_salary"),
        ("Rent flat 4", -900, "housing_rent"),
        ("Miete April", -900, "housing_rent"),
        ("PRLV LOYER AVRIL", -800, "housing_rent"),
        ("ALQUILER ABRIL", -700, "housing_rent"),
        ("Huur april", -950, "housing_rent"),
        ("Nájem byt", -12000, "housing_rent"),
        ("SUPERMERCADO LA PLAZA", -20, "groceries_supermarket"),
        ("Potraviny Novak", -300, "groceries_supermarket"),
        ("Stadtbäckerei Schmidt", -4, "groceries_specialty"),
        ("LÉKÁRNA U ANDĚLA", -150, "health_pharmacy"),
        ("Apotheek Centrum", -12, "health_pharmacy"),
        ("Zahnarztpraxis Dr. Weh", -90, "health_dentist"),
        ("Kfz-Versicherung 123", -300, "insurance_vehicle"),
        ("Unfallversicherung", -30, "insurance_other"),
        ("Zahnaerztehaus", -30, "health_dentist"),
        ("Hotelversicherung", -30, "insurance_other"),
        ("Muellabfuhr", -30, "utilities_waste"),
        # The longest phrase, wherever it stands, also where the text ends before a longer one does.
        ("Uber", -9, "transport_taxi"),
        ("Uber eats help", -9, "dining_delivery"),
        ("cafe off licence and news", -9, "groceries_convenience"),
        ("RETRAIT DAB 1234", -50, "financial_cash"),
        ("NETFLIX.COM", -12.99, "entertainment_streaming"),
        # A shop that sells everything says less than the word beside it.
        ("TESCO PFS 4203", -40, "transport_fuel"),
        ("TESCO STORES 4203", -40, "groceries_supermarket"),
        # A name that the vocabulary lacks and the brands have; with a word behind it that says more.
        ("WALLIS UK 12", -40, "shopping_clothing"),
        ("Westfield Court Hotel", -90, "travel_lodging"),
        # Names of two letters are one word: with a sign between them, or alone.
        ("H&M 0213 LEEDS", -20, "shopping_clothing"),
        ("C & A Mode Koeln", -20, "shopping_clothing"),
        ("H M 0213", -20, "shopping_clothing"),
        ("1&1 Telecom GmbH", -30, "utilities_internet_tv"),
        # A brand of more words than the word that the name begins with, and a word that is a company's name by its form.
        ("M&S SIMPLY FOOD", -12, "groceries_supermarket"),
        ("OTTO GMBH & CO KG", -112, "shopping_marketplace"),
        # Who collects, or lends, says less than who was paid, and a fee beside a purchase says nothing of it.
        ("PAYPAL EUROPE S.A.R.L. ET CIE S.C.A . SPOTIFY, IHR EINKAUF BEI SPOTIFY", -10, "entertainment_streaming"),
        ("KLARNA*ASOS", -64, "shopping_clothing"),
        ("CLEARPAY ASOS", -64, "shopping_clothing"),
        ("KLARNA AB", -64, "financial_loan"),
        ("RESTAURANT LA TABLE PARIS VISA XR 1.17 INC NON-STG FEE GBP 0.60", -30, "dining_restaurant"),
        ("NON-STERLING TRANSACTION FEE", -1, "financial_bank_fee"),
        ("SHELL NON-EUR CARD FEE", -1, "financial_bank_fee"),
        # Names that were written in one word, with a company's form behind.
        ("PAYPAL *UBERBV", -9, "transport_taxi"),
        ("PAYPAL *JUSTEATCOUK", -9, "dining_delivery"),
        ("PAYPAL *BOOKINGCOM", -90, "travel_lodging"),
        # People by their titles and initials, whatever trade or shop they are called as.
        ("STANDING ORDER MRS J BOOTS", -20, "transfer_person"),
        ("PAYMENT FROM MR C. A. BAKER-SMITH", 20, "transfer_person"),
        ("MR J BAKER RENT MAY", -700, "housing_rent"),
        ("MR PRICE", -20, "shopping_clothing"),
        ("MS E COMMERCE", -20, "shopping_general"),
        # What is paid for says more than how: a mortgage than a loan, an insurance than a membership.
        ("CUOTA PRESTAMO HIPOTECARIO 0049", -588, "housing_mortgage"),
        ("SPLATKA UVERU HYPOTEKA", -588, "housing_mortgage"),
        ("RATA KREDYTU MIESZKANIOWEGO", -588, "housing_mortgage"),
        ("RATA KREDYTU 7/24", -88, "financial_loan"),
        ("MITGLIEDSBEITRAG KRANKENVERSICHERUNG", -88, "insurance_health"),
        ("MITGLIEDSBEITRAG 2026", -88, "other_membership"),
        # A wallet pays shops, unless it says that somebody got or sent the money.
        ("TWINT Kauf/Dienstleistung Baeckerei Fleischli", -8, "groceries_specialty"),
        ("MOBILEPAY CAFE NORDEN", -8, "dining_cafe"),
        ("VIPPS*RESTAURANT LOFOTEN", -8, "dining_restaurant"),
        ("MobilePay til Jens pizza", -8, "transfer_person"),
        ("TWINT Geld gesendet an Anna", -8, "transfer_person"),
        # What is said to a person is what the money was for.
        ("FPO J HUGHES PIZZA NIGHT", -14, "transfer_person"),
        ("FPI J HUGHES PIZZA NIGHT", 14, "transfer_person"),
        ("BANK TRANSFER TO J HUGHES RENT", -700, "housing_rent"),
        # Words that are a city's, a street's or a surname where they do not stand first.
        ("FLORISTA JARDIM SECRETO PORTO", -18, "giving_gift"),
        ("PORTO 12345", -18, "shopping_postage"),
        ("TRF TO SAVER POT ROUND UPS", -3, "transfer_own_account"),
        ("P FISHER CHIMNEY SWEEP", -60, "housing_maintenance"),
        ("CHURCH STREET DENTAL", -60, "health_dentist"),
        ("PELUQUERIA CANINA GUAU", -30, "shopping_pets"),
        ("Varekjøp REMA 1000 OSLO", -30, "groceries_supermarket"),
        ("MR D.I.Y. STORE KL", -20, "housing_home_improvement"),
        ("MISS A BOUTIQUE", -20, "shopping_clothing"),
        ("MR T COFFEE SHOP", -20, "dining_cafe"),
        ("EE TOP UP VESTA", -10, "utilities_phone"),
        ("LUL TICKET OFFICE", -10, "transport_public"),
        ("GOV.UK/DART-CHARGE", -2, "transport_tolls"),
        ("HOWDEN JOINERY SOUTH", -200, "housing_home_improvement"),
        ("WYPŁATA Z BANKOMATU", -200, "financial_cash"),
        ("LÖNUTBETALNING ACME AB", 28000, "income_salary"),
    ],
)
def test_what_words_and_names_mean(description, amount, category):
    answer = classify(description, None, amount)
    assert answer.category == category
    assert 0.5 <= answer.confidence < 1
    assert answer.reason


def test_the_sign_decides_what_a_word_can_mean():
    assert classify("Gehalt", None, -100).category != "income_salary"
    assert classify("Starbucks 123", None, -3).category == "dining_cafe"
    returned = classify("Starbucks 123", None, 3)
    assert (returned.category, returned.confidence) == ("income_refund", 0.5)
    assert returned.reason == 'money back: the text says "starbucks"'


def test_the_merchant_is_read_with_the_description():
    assert classify("ref 123", "Hausverwaltung Meier", -900).category == "housing_rent"


@pytest.mark.parametrize(
    "description", ["PAYMENT TO H M JONES", "B M PATEL", "Kaufmann Holding S.C.A.", "UPRISINGCOM", "", "xyzzy 123", "\x00", "👍", "4711"]
)
def test_what_no_rule_knows_has_no_answer(description):
    assert classify(description, None, -1) == NO_ANSWER


@given(st.lists(st.tuples(st.text(max_size=40), st.none() | st.text(max_size=20), st.floats(-1e6, 1e6)), max_size=8))
def test_many_are_classified_as_one_by_one(payments):
    many = classify_many(*map(list, zip(*payments, strict=True))) if payments else []
    assert many == [classify(*payment) for payment in payments]


def test_every_keyword_means_one_thing_of_the_taxonomy():
    spending, income = vocabularies()  # raises for a word with two meanings
    assert len(spending.phrases) > 3000
    meant = {*spending.phrases.values(), *income.phrases.values()}
    coded = {row["category"] for row in read_table(DATA / "mcc.csv.gz")}
    assert coded - meant <= {"other", "other_professional_services"} | {category for category in coded if "_" not in category}
    # The network answers over all of these: what rules name always has its place there.
    branded = {row["category"] for row in read_table(DATA / "brands.csv.gz")}
    assert {*meant, *spending.prefixes.values(), *spending.suffixes.values(), *branded, "income_refund"} <= set(taxonomy().slugs)
    assert not {category for category in spending.phrases.values() if category.startswith("income")}
    assert all(len(phrase.split()) <= 4 for phrase in spending.phrases)


def test_a_word_with_two_meanings_is_named(tmp_path, monkeypatch):
    Path(tmp_path / "keywords.csv").write_text("category,sign,keywords\ndining_bar,debit,inn\ntravel_lodging,debit,hotel;inn\n")
    monkeypatch.setattr(rules, "KEYWORDS", tmp_path / "keywords.csv")
    with pytest.raises(ValueError, match="'inn' is dining_bar and travel_lodging"):
        vocabularies.__wrapped__()


def test_every_row_of_the_vocabulary_is_well_formed():
    with rules.KEYWORDS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert row["sign"] in ("debit", "credit", "both")
            words = row["keywords"].split(";")
            assert all(word == word.strip() and word.strip("*") for word in words), row["category"]
            assert len(words) == len(set(words)), row["category"]
            assert all(len(word.strip("*")) >= 4 for word in words if "*" in word), f"{row['category']}: a shorter beginning says nothing"
