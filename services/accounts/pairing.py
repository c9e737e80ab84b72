"""Which two rows are one transfer between a user's own accounts (docs/transfers.md). Pure; decides what is suggested, nothing else."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from services.accounts.mentions import AccountMarks, Mentions
from services.accounts.resemblance import resemble
from services.kit.money import format_amount

TRANSFER_DAYS = 4
"""Days between the two sides, either way: a weekend and a bank holiday. Some banks show the credit first."""
_WINDOW = range(-TRANSFER_DAYS, TRANSFER_DAYS + 1)
_MOST_COMPARED = 2_500
"""Texts are compared pair by pair, so not for more pairs than this at once."""


class Evidence(IntEnum):
    """What speaks for a pair beside amount and days, the more the higher."""

    AMOUNT = 0
    TEXT = 1
    NAME = 2
    NUMBER = 3
    BOTH_NUMBERS = 4


class Side(NamedTuple):
    """A row that may be one side of a transfer."""

    transaction_id: UUID
    account_id: UUID
    transaction_date: date
    amount: Decimal
    """Signed: the outgoing side is negative."""
    currency: str
    is_new: bool
    """Whether it came, or changed, just now: pairs of old rows alone are not suggested."""


class Pair(NamedTuple):
    """Two rows that are one transfer, and why."""

    outgoing: Side
    incoming: Side
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Told:
    """What one row's text says."""

    key: str
    """Its canonical description; the beginning will do."""
    mentions: Mentions = field(default_factory=Mentions)


@dataclass(eq=False, slots=True)
class _Bundle:
    """Rows that nothing but their texts tells apart: one account, one day, the same accounts named."""

    account_id: UUID
    day: int
    mentions: Mentions
    rows: list[Side]
    """By text, then by id, so that equal texts of two bundles meet."""
    is_settled: bool = False
    """Better partners could not be told apart: it does not fall back on worse ones."""


_Link = tuple[_Bundle, _Bundle]
_Rank = tuple[int, int, bool]


def with_partners(sides: Iterable[Side]) -> list[Side]:
    """Those that a row of another account faces: the opposite amount, the same currency, near days."""
    rows = list(sides)
    facing: dict[tuple[str, Decimal, int], set[UUID]] = defaultdict(set)
    for one in rows:
        facing[one.currency, -one.amount, one.transaction_date.toordinal()].add(one.account_id)

    def has_partner(one: Side) -> bool:
        day = one.transaction_date.toordinal()
        return any(facing.get((one.currency, one.amount, day + days), set()) - {one.account_id} for days in _WINDOW)

    return [one for one in rows if has_partner(one)]


def pair_up(sides: Iterable[Side], told: Mapping[UUID, Told], marks: AccountMarks, undone: Collection[tuple[UUID, UUID]]) -> list[Pair]:
    """Pairs with a new row among them; each row stands in at most one, whatever the order of `sides`.

    The surest pairs come first: by evidence, then the fewest days apart, then the credit not before the debit. What could be
    one of several and nothing tells apart is left alone. `undone`: pairs, outgoing first, that the user has refused.
    """
    settled = {transaction_id for pair in undone for transaction_id in pair}
    groups: dict[tuple[str, Decimal], list[Side]] = defaultdict(list)
    for one in sides:
        groups[one.currency, abs(one.amount)].append(one)
    pairs: list[Pair] = []
    for group in groups.values():
        outgoing = _bundles((one for one in group if one.amount < 0), told, settled)
        incoming = _bundles((one for one in group if one.amount > 0), told, settled)
        pairs += _pairs(_ranked(outgoing, incoming, marks, undone), told)
    found = [pair for pair in pairs if pair.outgoing.is_new or pair.incoming.is_new]
    return sorted(found, key=lambda pair: (pair.outgoing.transaction_date, pair.outgoing.transaction_id))


def _bundles(rows: Iterable[Side], told: Mapping[UUID, Told], alone: Collection[UUID]) -> list[_Bundle]:
    """`alone`: rows with a history of their own."""
    found: dict[tuple[object, ...], _Bundle] = {}
    for one in sorted(rows, key=lambda row: (told[row.transaction_id].key, row.transaction_id)):
        mentions, day = told[one.transaction_id].mentions, one.transaction_date.toordinal()
        key = (one.account_id, day, mentions, one.transaction_id if one.transaction_id in alone else None)
        found.setdefault(key, _Bundle(one.account_id, day, mentions, [])).rows.append(one)
    return list(found.values())


def _ranked(
    outgoing: list[_Bundle], incoming: list[_Bundle], marks: AccountMarks, undone: Collection[tuple[UUID, UUID]]
) -> list[tuple[_Rank, list[_Link]]]:
    """Who may belong to whom, the surest first."""
    by_day: dict[int, list[_Bundle]] = defaultdict(list)
    for one in incoming:
        by_day[one.day].append(one)
    links: dict[_Rank, list[_Link]] = defaultdict(list)
    for one in outgoing:
        for days in _WINDOW:
            for other in by_day.get(one.day + days, ()):
                if one.account_id == other.account_id or (one.rows[0].transaction_id, other.rows[0].transaction_id) in undone:
                    continue
                evidence = _evidence(one, other, marks)
                if evidence is not None:
                    links[-evidence, abs(days), days < 0].append((one, other))
    return sorted(links.items())


def _evidence(one: _Bundle, other: _Bundle, marks: AccountMarks) -> Evidence | None:
    """None when a text says that the money went elsewhere, or came from elsewhere."""
    names_other, names_one = other.account_id in one.mentions.numbers, one.account_id in other.mentions.numbers
    if names_other and names_one:
        return Evidence.BOTH_NUMBERS
    for near, far, names_far in ((one, other, names_other), (other, one, names_one)):
        foreign = near.mentions.has_foreign_iban and marks.has_iban(far.account_id)
        if not names_far and (near.mentions.numbers or foreign):
            return None
    if names_other or names_one:
        return Evidence.NUMBER
    if other.account_id in one.mentions.names or one.account_id in other.mentions.names:
        return Evidence.NAME
    return Evidence.AMOUNT


def _pairs(ranked: list[tuple[_Rank, list[_Link]]], told: Mapping[UUID, Told]) -> list[Pair]:
    pairs: list[Pair] = []
    for rank, links in ranked:
        is_open = [link for link in links if all(bundle.rows and not bundle.is_settled for bundle in link)]
        for component in _components(is_open):
            evidence = Evidence(-rank[0])
            found = _only_way(component, told)
            if found is None:
                found = _by_text(component, told)
                evidence = max(evidence, Evidence.TEXT)
                for bundle in _members(component):
                    bundle.is_settled = True
            taken = {one.transaction_id for pair in found for one in pair}
            for bundle in _members(component):
                bundle.rows = [one for one in bundle.rows if one.transaction_id not in taken]
            pairs += [Pair(outgoing, incoming, evidence) for outgoing, incoming in found]
    return pairs


def _components(links: list[_Link]) -> list[list[_Link]]:
    """The links, parted so that no two parts share a bundle."""
    near: dict[_Bundle, list[_Link]] = defaultdict(list)
    for link in links:
        for bundle in link:
            near[bundle].append(link)
    components: list[list[_Link]] = []
    seen: set[_Bundle] = set()
    for start, first in near.items():
        if start in seen:
            continue
        seen.add(start)
        waiting, component = [start], dict.fromkeys(first)
        while waiting:
            for link in near[waiting.pop()]:
                component[link] = None
                new = [bundle for bundle in link if bundle not in seen]
                seen.update(new)
                waiting += new
        components.append(list(component))
    return components


def _members(component: list[_Link]) -> list[_Bundle]:
    return list(dict.fromkeys(bundle for link in component for bundle in link))


def _only_way(component: list[_Link], told: Mapping[UUID, Told]) -> list[tuple[Side, Side]] | None:
    """The one way to pair all rows, or as many as there are of rows that are all alike; None when there are several ways.

    A bundle with one partner left takes it, and so on: money that goes on to a third account the same day is told apart like that.
    """
    if len(component) == 1:
        outgoing, incoming = (bundle.rows for bundle in component[0])
        if len({told[one.transaction_id].key for one in max(outgoing, incoming, key=len)}) == 1:
            return list(zip(outgoing, incoming, strict=False))
        if len(outgoing) == len(incoming):
            # All of them went from here to there; texts say which was which as far as they can.
            alike = _by_text(component, told)
            taken = {one.transaction_id for pair in alike for one in pair}
            rest = ([one for one in rows if one.transaction_id not in taken] for rows in (outgoing, incoming))
            return alike + list(zip(*rest, strict=True))
        return None
    partners: dict[_Bundle, set[_Bundle]] = defaultdict(set)
    for one, other in component:
        partners[one].add(other)
        partners[other].add(one)
    pairs: list[tuple[Side, Side]] = []
    outgoing_side = {one for one, _ in component}
    waiting = deque(bundle for bundle in partners if len(partners[bundle]) == 1)
    while waiting:
        leaf = waiting.popleft()
        if leaf not in partners:
            continue
        if not partners[leaf]:
            return None
        (other,) = partners.pop(leaf)
        one, two = (leaf, other) if leaf in outgoing_side else (other, leaf)
        if len(one.rows) != len(two.rows):
            return None
        pairs += zip(one.rows, two.rows, strict=True)
        for neighbour in partners.pop(other) - {leaf}:
            partners[neighbour].discard(other)
            if len(partners[neighbour]) < 2:
                waiting.append(neighbour)
    return None if partners else pairs


def _by_text(component: list[_Link], told: Mapping[UUID, Told]) -> list[tuple[Side, Side]]:
    """Pairs whose texts resemble each other and no other's."""
    if sum(len(one.rows) * len(other.rows) for one, other in component) > _MOST_COMPARED:
        return []
    parts: dict[_Bundle, list[tuple[str, _Bundle]]] = {}
    for bundle in _members(component):
        parts[bundle] = [
            (key, _Bundle(bundle.account_id, bundle.day, bundle.mentions, list(rows)))
            for key, rows in groupby(bundle.rows, key=lambda row: told[row.transaction_id].key)
        ]
    alike = [
        (part, other_part)
        for one, other in component
        for key, part in parts[one]
        for other_key, other_part in parts[other]
        if resemble(key, other_key)
    ]
    return [pair for found in _components(alike) for pair in _only_way(found, told) or ()]


def reason(pair: Pair, names: Mapping[UUID, str]) -> str:
    """Why, in words for the user. `names` are those of the accounts."""
    outgoing, incoming = pair.outgoing, pair.incoming
    left, reached = names[outgoing.account_id], names[incoming.account_id]
    why = {
        Evidence.BOTH_NUMBERS: "each text names the other account's number",
        Evidence.NUMBER: "the text names the other account's number",
        Evidence.NAME: "the text names the other account",
        Evidence.TEXT: "the two texts resemble each other",
        Evidence.AMOUNT: "nothing else of this amount fits as well",
    }[pair.evidence]
    amount = f"{format_amount(incoming.amount, incoming.currency)} {incoming.currency}"
    when = _days_later((incoming.transaction_date - outgoing.transaction_date).days)
    return f"{amount} left {left} on {_day(outgoing.transaction_date)} and reached {reached} {when}; {why}"


def _days_later(days: int) -> str:
    if days == 0:
        return "the same day"
    count = "a day" if abs(days) == 1 else f"{abs(days)} days"
    return f"{count} {'later' if days > 0 else 'earlier'}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"
