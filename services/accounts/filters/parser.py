"""From the text of a filter expression to its parts, by recursive descent. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.accounts.filters.domain import (
    KEYWORDS,
    Among,
    Condition,
    Expression,
    Field,
    Not,
    Operator,
    Value,
    all_of,
    any_of,
    invalid_filter,
)
from services.accounts.filters.values import SIGNS, TEXTS, NotAValue, read_json, read_value, shown, takes, wanted
from services.kit.errors import InvalidArgument

MAX_CHARACTERS = 4000
MAX_DEPTH = 32
MAX_CONDITIONS = 100

_BLANKS = re.compile(r"\s*")
# ! and @ belong to a word unless they begin a sign; an apostrophe does within one.
_WORD = re.compile(r"(?!')(?:[^\s()\",=<>:!@]|!(?!=)|@(?!>))+")
_QUOTED = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")
_SIGN = re.compile(r"!=|<=|>=|@>|[=<>:]")
# What other languages compare with, behind the name of a field: nobody means to search for it. In one word only where something follows.
_FOREIGN_SIGN = re.compile(r"[~*^%|!]+(?=[\s\"'(]|$)")
_JOINED = re.compile(r"(\w+)([~*^%|!]+)(?=[\w\"'])")
_FIELDS = {field.value: field for field in Field}


def parse(text: str, field: str = "filter") -> Expression:
    """The expression. Raises InvalidArgument that names `field`, the place and what was expected there."""
    if len(text) > MAX_CHARACTERS:
        raise invalid_filter(field, MAX_CHARACTERS + 1, f"is longer than {MAX_CHARACTERS} characters")
    if "\x00" in text:
        raise invalid_filter(field, text.index("\x00") + 1, "must not hold the NUL character")
    return _Parser(text, field).whole()


@dataclass
class _Parser:
    """Where in the text we are. A method of a rule reads what the rule covers, or raises."""

    text: str
    field: str
    place: int = 0
    depth: int = 0
    conditions: int = 0

    def whole(self) -> Expression:
        found = self._alternatives()
        if not self._at_end():
            raise self._expected("AND, OR or the end")
        return found

    def _alternatives(self) -> Expression:
        parts = [self._all_of()]
        while self._takes("OR"):
            parts.append(self._all_of())
        return any_of(parts)

    def _all_of(self) -> Expression:
        parts = [self._one()]
        while self._takes("AND") or self._another_begins():
            parts.append(self._one())
        return all_of(parts)

    def _another_begins(self) -> bool:
        """Between two conditions that stand side by side, AND is understood."""
        return (
            not self._at_end()
            and not self._sees("OR")
            and (self.text[self.place] in "('\"" or _WORD.match(self.text, self.place) is not None)
        )

    def _one(self) -> Expression:
        start = self._skip_blanks()
        if self._takes("NOT"):
            self._deeper(start)
            found: Expression = Not(self._one())
        elif self._takes_sign("("):
            self._deeper(start)
            found = self._alternatives()
            if not self._takes_sign(")"):
                raise self._expected("AND, OR or )")
        else:
            return self._condition(start)
        self.depth -= 1
        return found

    def _condition(self, start: int) -> Expression:
        self._count(start)
        if (quoted := self._quoted()) is not None:
            return self._search(start, quoted)
        word = self._word()
        if word is None or word.upper() in KEYWORDS:
            self.place = start
            raise self._expected("a condition, a word or (")
        after_word = self.place
        field, sign = _FIELDS.get(word.lower()), self._match(_SIGN)
        if field is None:
            if (joined := _JOINED.match(self.text, start)) is not None and joined[1].lower() in _FIELDS:
                raise self._no_sign(start + len(joined[1]), joined[2], _FIELDS[joined[1].lower()])
            if sign:
                known = ", ".join(_FIELDS)
                raise self._wrong(start, f"there is no field {shown(word)}; there are {known}. To search for such words, quote them")
            return self._search(start, word)
        if sign:
            return self._comparison(field, sign)
        if field not in (Field.TEXT, Field.RAW):
            negated = self._takes("NOT") and self._sees("IN")
            if self._takes("IN"):
                return Not(self._among(field)) if negated else self._among(field)
        self.place = after_word
        if (foreign := self._match(_FOREIGN_SIGN)) is not None:
            raise self._no_sign(self.place - len(foreign), foreign, field)
        return self._search(start, word)

    def _comparison(self, field: Field, sign: str) -> Expression:
        if sign not in SIGNS[field]:
            self.place -= len(sign)
            raise self._wrong(self.place, f"{field} takes {takes(field)}, not {sign}")
        start = self._skip_blanks()
        if field is Field.RAW and self.text.startswith("{", start):
            return Condition(field, Operator.HAS, self._json(start))
        value = self._value(field, sign)
        return Condition(field, _operator(field, sign), value)

    def _among(self, field: Field) -> Among:
        if not self._takes_sign("("):
            raise self._expected("( and a list of values")
        values = [self._value(field, "=")]
        while self._takes_sign(","):
            self._count(self.place)
            values.append(self._value(field, "="))
        if not self._takes_sign(")"):
            raise self._expected(", or )")
        return Among(field, tuple(values))

    def _value(self, field: Field, sign: str) -> Value:
        start = self._skip_blanks()
        text = self._quoted()
        if text is None:
            text = self._word()
            if text is None or text.upper() in KEYWORDS:
                self.place = start
                raise self._expected(wanted(field))
        try:
            return read_value(field, sign, text)
        except NotAValue as problem:
            raise self._wrong(start, str(problem)) from None

    def _json(self, start: int) -> str:
        try:
            text = read_json(self.text, start)
        except NotAValue as problem:
            raise self._wrong(start, str(problem)) from None
        self.place = start + len(text)
        return text

    def _search(self, start: int, words: str) -> Condition:
        if not words.strip():
            raise self._wrong(start, f"expected {wanted(Field.TEXT)}, found nothing")
        return Condition(Field.TEXT, Operator.HAS, words)

    # What a rule is made of

    def _skip_blanks(self) -> int:
        self.place = _BLANKS.match(self.text, self.place).end()  # type: ignore[union-attr]  # it matches nothing as well
        return self.place

    def _at_end(self) -> bool:
        return self._skip_blanks() == len(self.text)

    def _word(self) -> str | None:
        return self._match(_WORD)

    def _quoted(self) -> str | None:
        start = self._skip_blanks()
        quote = self.text[start : start + 1]
        if quote not in ("'", '"'):
            return None
        quoted = self._match(_QUOTED)
        if quoted is None:
            raise self._wrong(start, f"the quote {quote} that begins here has no end; inside it, {quote} is written twice")
        return quoted[1:-1].replace(2 * quote, quote)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self._skip_blanks())
        if found is None:
            return None
        self.place = found.end()
        return found[0]

    def _sees(self, keyword: str) -> bool:
        found = _WORD.match(self.text, self._skip_blanks())
        return found is not None and found[0].upper() == keyword

    def _takes(self, keyword: str) -> bool:
        seen = self._sees(keyword)
        self.place += len(keyword) if seen else 0
        return seen

    def _takes_sign(self, sign: str) -> bool:
        seen = self.text.startswith(sign, self._skip_blanks())
        self.place += len(sign) if seen else 0
        return seen

    # Limits and errors

    def _deeper(self, start: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._wrong(start, f"more than {MAX_DEPTH} levels of parentheses and NOT")

    def _count(self, start: int) -> None:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise self._wrong(start, f"more than {MAX_CONDITIONS} conditions; each value of a list counts as one")

    def _expected(self, what: str) -> InvalidArgument:
        start = self._skip_blanks()
        rest = self.text[start:].split(maxsplit=1)
        return self._wrong(start, f"expected {what}, found {shown(rest[0]) if rest else 'the end'}")

    def _no_sign(self, start: int, sign: str, field: Field) -> InvalidArgument:
        return self._wrong(start, f"there is no sign {shown(sign)}; {field} takes {takes(field)}. To search for such words, quote them")

    def _wrong(self, start: int, reason: str) -> InvalidArgument:
        return invalid_filter(self.field, start + 1, reason)


def _operator(field: Field, sign: str) -> Operator:
    if field in (Field.TEXT, Field.RAW):
        return Operator.HAS
    return Operator.EQUAL if sign == ":" and field not in TEXTS else Operator(sign)
