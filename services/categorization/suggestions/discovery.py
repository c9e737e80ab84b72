"""Looks through the newest payments of a ledger for groups that belong to no category, and makes a suggestion of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, zip_longest

import numpy as np
import uuid_utils.compat

from models.hypcd.merchant import merchant_key
from models.hypcd.naming import propose_name
from services.categorization.columns import Columns, Floats
from services.categorization.decide import decide
from services.categorization.domain import MOST_INPUTS, Categories, Payment
from services.categorization.jobs.domain import Job, Progress
from services.categorization.jobs.work import Done, may_be_changed
from services.categorization.learned import Learned, LearnedUsers
from services.categorization.protocols import CategoryLedger, CategoryLists, Group, Model, Predictor
from services.categorization.service import today
from services.categorization.suggestions.domain import MAX_NAME_CHARS, EarlierSuggestion, Member, NewSuggestion, SuggestionState, no_points
from services.categorization.suggestions.protocols import SuggestionsRepository
from services.kit.job_runs import attempt_over

LEAST_MEMBERS = 5
LEAST_MERCHANTS = 2
"""One merchant alone is no category: a correction says what it is."""
MOST_SUGGESTIONS = 20
"""Of one look, the largest groups: nobody reads more."""
_MOST_MERCHANTS = 200
_ALIKE = 0.5
"""So many of a group's merchants in an earlier suggestion make it the same one."""
_EXAMPLES = 5
_NAMED = 3
_OTHER_TEXTS = 5_000
_MOST_NAMED_GROUPS = 60
"""Of one look: groups of the same name become one, and there may be fewer suggestions than groups."""
_LONGEST_ADDITION = 8
"""To a name that is taken."""


@dataclass(slots=True)
class _Unplaced:
    """Payments that belong to no category so far."""

    payments: list[Payment] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    primaries: list[str] = field(default_factory=list)
    """The likeliest of each, though not likely enough."""
    points: list[Floats] = field(default_factory=list)

    def extend(self, other: _Unplaced) -> None:
        self.payments += other.payments
        self.keys += other.keys
        self.primaries += other.primaries
        self.points += other.points


class DiscoveryWork:
    """Reads the newest `most_rows` transactions; what nobody has a word on, and the model is not sure of, is grouped."""

    def __init__(
        self,
        *,
        repository: SuggestionsRepository,
        ledger: CategoryLedger,
        categories: CategoryLists,
        learned: LearnedUsers,
        predictor: Predictor,
        rules: Model,
        most_rows: int,
    ) -> None:
        self._repository = repository
        self._ledger = ledger
        self._categories = categories
        self._learned = learned
        self._predictor = predictor
        self._rules = rules
        self._most_rows = most_rows

    async def steps(self, running: Job) -> AsyncIterator[Done]:
        """See `JobWork`. `changed_count`: suggestions made. It begins anew each time, which takes seconds."""
        info = self._predictor.info()
        if info.degraded:
            raise no_points(info.reason)
        categories = await self._categories.of(running.user_id)
        _, learned = await self._learned.ask(running.user_id)
        unplaced, seen, token = _Unplaced(), 0, ""
        while True:
            page = await self._ledger.list_transactions(page_size=MOST_INPUTS, page_token=token)
            payments = [one.payment for one in page.transactions if may_be_changed(one)]
            if payments:
                unplaced.extend(await self._predictor.run(partial(_unplaced, payments, learned, self._rules, categories)))
            seen, token = seen + len(page.transactions), page.next_page_token
            yield Done(Progress(seen, 0), info.version)
            if not token or seen >= self._most_rows:
                break
        groups = await self._predictor.run(partial(_groups, unplaced, learned)) if unplaced.points else []
        found = _suggestions(unplaced, groups, await self._repository.earlier(running), categories)
        if not await self._repository.add(running, found):
            raise attempt_over(running.id)
        yield Done(Progress(seen, len(found)), info.version)


def _unplaced(payments: Sequence[Payment], learned: Learned, rules: Model, categories: Categories, model: Model) -> _Unplaced:
    columns = Columns.of(payments)
    decided = decide(learned.model(model), columns, learned.anchors(model), rules=rules, known=categories, today=today())
    points = decided.points
    if points is None:
        return _Unplaced()
    rows = np.flatnonzero(decided.abstained).tolist()
    return _Unplaced(
        [payments[row] for row in rows],
        [merchant_key(payments[row].merchant, payments[row].description) for row in rows],
        [_primary(decided.categories[decided.best[row]], categories) for row in rows],
        [points[row] for row in rows],
    )


def _primary(slug: str, categories: Categories) -> str:
    found = categories.get(slug)
    return found.primary_slug if found is not None else ""


def _groups(unplaced: _Unplaced, learned: Learned, model: Model) -> Sequence[Group]:
    """Of payments, the largest first. Merchants are grouped, each where its payments lie on average: these resemble each other more than
    anything else, and would be groups of their own."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(unplaced.keys):
        rows[key].append(row)
    merchants = list(rows.values())
    points = np.stack([np.mean([unplaced.points[row] for row in own], axis=0) for own in merchants])
    found = model.groups(points, learned.places(model), least_members=LEAST_MERCHANTS)
    groups = [Group(_in_turn([merchants[number] for number in group.members]), group.score) for group in found]
    return sorted((group for group in groups if len(group.members) >= LEAST_MEMBERS), key=lambda group: -len(group.members))


def _in_turn(merchants: Iterable[Sequence[int]]) -> list[int]:
    """A payment of each, then a second one of each: the first few are to speak for all."""
    return [row for turn in zip_longest(*merchants) for row in turn if row is not None]


def _suggestions(
    unplaced: _Unplaced, groups: Sequence[Group], earlier: Sequence[EarlierSuggestion], categories: Categories
) -> list[NewSuggestion]:
    """One for each group that no earlier suggestion, whatever became of it, is alike; each with a name that nothing else has."""
    known = [frozenset(one.merchant_keys) for one in earlier]
    new = [group for group in groups if not any(_alike(_merchants(unplaced, group), keys) for keys in known)]
    taken = {category.name.casefold() for category in categories.values()} | set(categories)
    taken |= {one.name.casefold() for one in earlier if one.state is not SuggestionState.DISMISSED}
    found: list[NewSuggestion] = []
    for proposed, group in _one_for_each_name(unplaced, new[:_MOST_NAMED_GROUPS])[:MOST_SUGGESTIONS]:
        name = _name(proposed, taken)
        taken.add(name.casefold())
        merchants, texts = _merchants(unplaced, group), [_text(unplaced.payments[row]) for row in group.members]
        primary = Counter(unplaced.primaries[row] for row in group.members if unplaced.primaries[row]).most_common(1)
        found.append(
            NewSuggestion(
                uuid_utils.compat.uuid7(),
                name,
                primary[0][0] if primary else next(iter(categories.values())).primary_slug,
                min(max(group.score, 0.0), 1.0),
                [Member(unplaced.payments[row], unplaced.keys[row]) for row in group.members],
                list(dict.fromkeys(texts))[:_EXAMPLES],
                merchants,
                _reason(merchants, len(texts)),
            )
        )
    return found


def _merchants(unplaced: _Unplaced, group: Group) -> list[str]:
    """Those with most payments first."""
    return [key for key, _ in Counter(unplaced.keys[row] for row in group.members).most_common(_MOST_MERCHANTS)]


def _one_for_each_name(unplaced: _Unplaced, groups: Sequence[Group]) -> list[tuple[str, Group]]:
    """Groups under the names that are proposed for them, the largest first. Those of the same name are one: people could not tell them
    apart. One whose payments have no word is left out."""
    named: dict[str, tuple[str, Group]] = {}
    for group in groups:
        inside = set(group.members)
        others = [_text(payment) for row, payment in enumerate(unplaced.payments) if row not in inside][:_OTHER_TEXTS]
        texts = [_text(unplaced.payments[row]) for row in group.members]
        name = (propose_name(texts, others) or _merchants(unplaced, group)[0].title()).strip()
        if name:
            same = named.get(name.casefold())
            named[name.casefold()] = (name, group) if same is None else (same[0], _joined(same[1], group))
    return sorted(named.values(), key=lambda one: -len(one[1].members))


def _joined(one: Group, other: Group) -> Group:
    """The members of both, in turn; the score is that of a payment on average."""
    first, second = len(one.members), len(other.members)
    return Group(_in_turn([one.members, other.members]), (one.score * first + other.score * second) / (first + second))


def _alike(merchants: Collection[str], earlier: Collection[str]) -> bool:
    return sum(key in earlier for key in merchants) >= _ALIKE * len(merchants)


def _text(payment: Payment) -> str:
    return payment.merchant.strip() or payment.description.strip()


def _name(proposed: str, taken: Collection[str]) -> str:
    """One that no category of the user's has, and no other suggestion."""
    name = proposed[: MAX_NAME_CHARS - _LONGEST_ADDITION]
    others = (f"My {name} {number}" for number in count(2))
    return next(one for one in chain((name, f"My {name}"), others) if one.casefold() not in taken)


def _reason(merchants: Sequence[str], count: int) -> str:
    shown = [key.title() for key in merchants[:_NAMED]]
    rest = len(merchants) - len(shown)
    named = _listed([*shown, f"{rest} others" if rest > 1 else "one other"] if rest else shown)
    return f"{count} payments to {named} resemble each other more than they do any category."


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
