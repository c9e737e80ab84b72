"""What people write, and what it is taken for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts.filters import Expression, parse, render
from services.accounts.filters.domain import Among, And, Condition, Field, Not, Operator, Or, Period
from services.accounts.filters.parser import MAX_CHARACTERS, MAX_CONDITIONS, MAX_DEPTH
from services.kit.errors import InvalidArgument
from tests.accounts.filters.expressions import EXPRESSIONS

RENT = Condition(Field.TEXT, Operator.HAS, "rent")
LEVELS_64 = '{"":' * 64 + "1" + "}" * 64
FLAT = Condition(Field.TEXT, Operator.HAS, "flat")
SMALL = Condition(Field.AMOUNT, Operator.AT_LEAST, Decimal("-50"))


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("rent", RENT),
        ("text:rent", RENT),
        ('"rent for May"', Condition(Field.TEXT, Operator.HAS, "rent for May")),
        ("amount>=-50", SMALL),
        ("AMOUNT >= -50.00", SMALL),
        ("rent flat", And((RENT, FLAT))),
        ("rent and flat", And((RENT, FLAT))),
        ("(rent AND flat) amount >= -50", And((RENT, FLAT, SMALL))),
        ("rent OR flat amount >= -50", Or((RENT, And((FLAT, SMALL))))),
        ("(rent or flat) amount >= -50", And((Or((RENT, FLAT)), SMALL))),
        ("not rent flat", And((Not(RENT), FLAT))),
        ("NOT (rent flat)", Not(And((RENT, FLAT)))),
        ("date = 2026-03-31", Condition(Field.DATE, Operator.EQUAL, date(2026, 3, 31))),
        ("date:2026-03-31", Condition(Field.DATE, Operator.EQUAL, date(2026, 3, 31))),
        ("date:2026-03", Condition(Field.DATE, Operator.EQUAL, Period(2026, 3))),
        ("date < 2026", Condition(Field.DATE, Operator.LESS, Period(2026))),
        ("currency = eur", Condition(Field.CURRENCY, Operator.EQUAL, "EUR")),
        ("type:Debit", Condition(Field.TYPE, Operator.EQUAL, "debit")),
        ("status != void", Condition(Field.STATUS, Operator.NOT_EQUAL, "void")),
        ("category in (food, travel)", Among(Field.CATEGORY, ("food", "travel"))),
        ("category NOT IN (food)", Not(Among(Field.CATEGORY, ("food",)))),
        ("merchant:McDonald's", Condition(Field.MERCHANT, Operator.HAS, "McDonald's")),
        ("merchant = 'O''Neill \"the\" shop'", Condition(Field.MERCHANT, Operator.EQUAL, 'O\'Neill "the" shop')),
        ('merchant = ""', Condition(Field.MERCHANT, Operator.EQUAL, "")),
        ("note:tax", Condition(Field.NOTE, Operator.HAS, "tax")),
        ('import = ""', Condition(Field.IMPORT, Operator.EQUAL, "")),
        ("account = 00000000-0000-0000-0000-000000000007", Condition(Field.ACCOUNT, Operator.EQUAL, UUID(int=7))),
        ("suspected:TRUE", Condition(Field.SUSPECTED, Operator.EQUAL, True)),
        ('raw:{"k": [1, {"(": "\')"}]}', Condition(Field.RAW, Operator.HAS, '{"k": [1, {"(": "\')"}]}')),
        ('raw @> \'{"k":"v"}\' rent', And((Condition(Field.RAW, Operator.HAS, '{"k":"v"}'), RENT))),
        ("raw@>'{}'", Condition(Field.RAW, Operator.HAS, "{}")),
        ("raw:" + LEVELS_64, Condition(Field.RAW, Operator.HAS, LEVELS_64)),
        ("me@home", Condition(Field.TEXT, Operator.HAS, "me@home")),
        ("Yahoo!", Condition(Field.TEXT, Operator.HAS, "Yahoo!")),
        ("date", Condition(Field.TEXT, Operator.HAS, "date")),
        ("date!", Condition(Field.TEXT, Operator.HAS, "date!")),
        ("~ 5*x", And((Condition(Field.TEXT, Operator.HAS, "~"), Condition(Field.TEXT, Operator.HAS, "5*x")))),
        ("'description' ~", And((Condition(Field.TEXT, Operator.HAS, "description"), Condition(Field.TEXT, Operator.HAS, "~")))),
        ("date rent", And((Condition(Field.TEXT, Operator.HAS, "date"), RENT))),
    ],
)
def test_what_an_expression_means(text: str, expression: Expression) -> None:
    assert parse(text) == expression
    assert parse(render(expression)) == expression


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 1, "expected a condition, a word or (, found the end"),
        ("  ", 3, "found the end"),
        ("rent AND", 9, "expected a condition, a word or (, found the end"),
        ("rent OR OR flat", 9, "found 'OR'"),
        ("(rent", 6, "expected AND, OR or ), found the end"),
        ("rent)", 5, "expected AND, OR or the end, found ')'"),
        ("amount > ", 10, "expected a number with at most four decimals such as -12.34, found the end"),
        ("amount > much", 10, "such as -12.34, found 'much'"),
        ("amount > 12,50", 12, "found ',50'"),
        ("amount > 0.00001", 10, "at most four decimals such as -12.34, found '0.00001'"),
        ("date > yesterday", 8, "expected a day such as 2026-03-31, a month such as 2026-03 or a year, found 'yesterday'"),
        ("date:2026-13", 6, "a month such as 2026-03 or a year, found '2026-13'"),
        ("date = 2026-02-30", 8, "expected a day"),
        ("currency = EURO", 12, "ISO 4217"),
        ("type = both", 8, "credit or debit"),
        ("category < food", 10, "category takes =, !=, : or IN, not <"),
        ("raw = {}", 5, "raw takes @> or :, not ="),
        ("raw:[1]", 5, "expected a JSON object"),
        ('raw:{"k":}', 5, "expected a JSON object"),
        ('raw:{"k": NaN}', 5, "expected a JSON object"),
        ('raw:{"k": 1e999999}', 5, "out of range"),
        (r'raw:{"k": "\u0000"}', 5, "NUL"),
        (r'raw:{"k": "\ud800"}', 5, "half a character"),
        ("raw:'{} x'", 5, "expected a JSON object"),
        ("raw:" + '{"":' * 65 + "1" + "}" * 65, 5, "more than 64 levels"),
        ("raw:" + '{"":[' + "[" * 3000, 5, "expected a JSON object"),
        ("acount = 1", 1, "there is no field 'acount'; there are date, amount"),
        ('description ~ "x"', 13, "there is no sign '~'; description takes"),
        ('rent OR NOT note~"x"', 17, "there is no sign '~'; note takes"),
        ("merchant !~ x", 10, "there is no sign '!~'; merchant takes"),
        ("merchant~x", 9, "To search for such words, quote them"),
        ("text *", 6, "there is no sign '*'"),
        ('"date" = 1', 8, "expected AND, OR or the end, found '='"),
        ("category IN food", 13, "expected ( and a list of values"),
        ("category IN ()", 14, "expected a category such as groceries_supermarket, or uncategorized, found ')'"),
        ("category IN (food travel)", 19, "expected , or )"),
        ('merchant = "open', 12, "has no end"),
        ('merchant:""', 10, "expected a word or a quoted text, found nothing"),
        ("merchant = AND", 12, "expected a word or a quoted text"),
        ('" "', 1, "found nothing"),
        ("account = 7", 11, "a UUID"),
        ("suspected = maybe", 13, "true or false"),
        ("re\x00nt", 3, "NUL"),
        ("x" * (MAX_CHARACTERS + 1), MAX_CHARACTERS + 1, "longer than"),
        ("(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1), MAX_DEPTH + 1, "levels"),
        ("NOT " * (MAX_DEPTH + 1) + "x", 4 * MAX_DEPTH + 1, "levels"),
        ("x " * (MAX_CONDITIONS + 1), 2 * MAX_CONDITIONS + 1, "more than 100 conditions"),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(text: str, position: int, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(text, "rule.filter")
    assert refused.value.reason == "INVALID_FILTER"
    assert refused.value.metadata == {"position": str(position)}
    assert words in refused.value.message
    assert refused.value.message.startswith("rule.filter: at character ")
    assert refused.value.fields[0].field == "rule.filter"


def test_what_the_limits_just_allow() -> None:
    assert parse("(" * MAX_DEPTH + "rent" + ")" * MAX_DEPTH) == RENT
    assert parse("rent " * MAX_CONDITIONS) == And((RENT,) * MAX_CONDITIONS)
    assert parse(" " * (MAX_CHARACTERS - 4) + "rent") == RENT


@given(EXPRESSIONS)
def test_what_is_printed_is_read_as_the_same(expression: Expression) -> None:
    assert parse(render(expression)) == expression


_PIECES = ["(", ")", '"', "'", ",", " ", "=", "!", "@>", ":", "<", "-", "raw:{", "}", "AND", "or", "NOT", "in", "date", "amount", "x", "1"]


@given(
    st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=25).map(" ".join), st.lists(st.sampled_from(_PIECES)).map("".join)
    )
)
def test_any_text_is_an_expression_or_an_error_with_its_place(text: str) -> None:
    try:
        found = parse(text)
    except InvalidArgument as refused:
        assert 1 <= int(refused.metadata["position"]) <= len(text) + 1
    else:
        assert parse(render(found)) == found
