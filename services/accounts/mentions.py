"""Which of the user's own accounts a row's text names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

_SHORTEST_NUMBER = 6
"""Shorter ones stand in too many texts by chance."""
_LONG_NUMBER = 10
"""From here on one is known however it is spaced; a shorter one must stand alone, for it may be a part of any reference."""
_SHORTEST_NAME = 4
_NO_MARK = re.compile(r"[\W_]+")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}(?![A-Z0-9])")


class OwnAccount(NamedTuple):
    """One of the user's accounts."""

    id: UUID
    name: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Mentions:
    """What one row says."""

    numbers: frozenset[UUID] = frozenset()
    """Own accounts, other than the row's, whose number or IBAN it names."""
    names: frozenset[UUID] = frozenset()
    """Own accounts, other than the row's, whose name it names."""
    has_foreign_iban: bool = False
    """Whether it names an IBAN that is none of the user's."""


class AccountMarks:
    """Numbers and names of a user's accounts, to be looked for in many rows."""

    def __init__(self, accounts: Iterable[OwnAccount]) -> None:
        self._numbers: dict[UUID, str] = {}
        self._names: dict[UUID, str] = {}
        for account in accounts:
            self._numbers[account.id] = _NO_MARK.sub("", account.identifier.upper())
            self._names[account.id] = _words(account.name)
        self._with_iban = {account_id for account_id, number in self._numbers.items() if _ibans(number)}

    def has_iban(self, account_id: UUID) -> bool:
        """Whether the account is known by its IBAN: then a payment to it can be expected to name that one."""
        return account_id in self._with_iban

    def mentions(self, account_id: UUID, text: str, bank_row: str) -> Mentions:
        """What a row of `account_id` says: `text` are its description and counterparty, `bank_row` all that the bank wrote."""
        everything = f"{text} {bank_row}".upper()
        compact, alone, words = _NO_MARK.sub("", everything), f" {_NO_MARK.sub(' ', everything)} ", _words(text)
        own_number, own_name = self._numbers.get(account_id, ""), self._names.get(account_id, "")
        numbers, names = set(), set()
        for other, number in self._numbers.items():
            name = self._names[other]
            if other == account_id:
                continue
            if len(number) >= _LONG_NUMBER:
                is_named = number in _without(compact, own_number, number)
            else:
                is_named = len(number) >= _SHORTEST_NUMBER and f" {number} " in alone
            if is_named:
                numbers.add(other)
            if len(name.strip()) >= _SHORTEST_NAME and name in _without(words, own_name, name):
                names.add(other)
        return Mentions(
            _longest(numbers, self._numbers), _longest(names, self._names), bool(_ibans(everything) - set(self._numbers.values()))
        )


def _longest(found: set[UUID], marks: Mapping[UUID, str]) -> frozenset[UUID]:
    """Without those whose mark is only part of another one that was found."""
    return frozenset(one for one in found if not any(marks[one] != marks[other] and marks[one] in marks[other] for other in found))


def _without(text: str, own: str, wanted: str) -> str:
    """The text without the row's own mark, where that one contains the wanted one."""
    return text.replace(own, " | ") if wanted in own else text


def _words(text: str) -> str:
    return f" {_NO_MARK.sub(' ', text.casefold()).strip()} "


def _ibans(text: str) -> set[str]:
    return {found for found in _IBAN.findall(text) if _is_iban(found)}


def _is_iban(text: str) -> bool:
    """By ISO 13616: the check digits make the number one more than a multiple of 97."""
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1
