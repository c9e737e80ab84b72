"""Learns how much to make of which evidence, by living through past months: each payment is predicted before its label is seen.

The weights are the same for everybody and know no label (personal_evidence.py), so months of other people's purchases serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.hypcd.personal_evidence import NAMES, Doubles, Floats, History, Ints, candidates, features
from models.hypcd.personal_weights import Weights

Bools = npt.NDArray[np.bool_]

_RARER = 0.15
"""By which power of its frequency a category counts less; chosen on months after those that were learned from."""
_UNSEEN = 5.0
"""Added to each frequency."""


@dataclass(frozen=True, slots=True)
class Purchases:
    """Labelled payments of many users in the order of their days; parallel."""

    users: Ints
    keys: Sequence[str]
    labels: Ints
    """[n], places among the k categories."""
    amounts: Doubles
    days: npt.NDArray[np.int32]
    probabilities: Floats
    """[n, k], of a global model that has seen nothing from the days that are lived through."""
    points: Floats
    """[n, d]"""


@dataclass(frozen=True, slots=True)
class Examples:
    """What was known of each candidate of each payment, and which was right."""

    evidence: Floats
    """[p, len(NAMES)]"""
    payments: Ints
    """[p], ascending: which payment."""
    right: Bools
    """[p]"""
    weights: Floats
    """[p], what the payment counts: more where its category was rare before."""


def turns(users: Ints, days: npt.NDArray[np.int32], first: int, *, by_day: bool) -> Iterator[tuple[Ints, Ints]]:
    """For each user in turn: the rows whose labels are known, and those to be predicted next, from row `first` on.

    `by_day`: the labels of a day are known when it is over, all rows of a user's day are predicted together. Else each is known as soon as
    it has been predicted.
    """
    order = np.argsort(users, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
        at = int(np.searchsorted(rows, first))
        while at < len(rows):
            end = int(np.searchsorted(days[rows], days[rows[at]], "right")) if by_day else at + 1
            yield rows[:at], rows[at:end]
            at = end


def live_through(purchases: Purchases, first: int, *, by_day: bool) -> Examples:
    """Every payment from row `first` on, each with what its user's earlier labels say."""
    evidence, payments, right = [], [], []
    for known, asked in turns(purchases.users, purchases.days, first, by_day=by_day):
        places, codes = np.unique(purchases.labels[known], return_inverse=True)
        history = History(
            [purchases.keys[row] for row in known], codes, purchases.amounts[known], purchases.days[known], purchases.points[known]
        )
        likely = purchases.probabilities[asked]
        found = features(
            history,
            [purchases.keys[row] for row in asked],
            purchases.amounts[asked],
            purchases.days[asked],
            likely,
            places,
            purchases.points[asked],
        )
        items, columns = np.nonzero(candidates(likely, places) & found.speaks[:, None])
        evidence.append(found.columns[items, columns])
        payments.append(asked[items])
        right.append(purchases.labels[asked[items]] == columns)
    joined = np.concatenate(payments)
    order = np.argsort(joined, kind="stable")
    frequency = np.bincount(purchases.labels[:first], minlength=purchases.probabilities.shape[1]) + _UNSEEN
    weights = (frequency**-_RARER)[purchases.labels[joined[order]]].astype(np.float32)
    return Examples(np.concatenate(evidence)[order], joined[order], np.concatenate(right)[order], weights)


def fit_weights(
    examples: Examples, *, hidden: int = 24, epochs: int = 40, learning_rate: float = 0.03, batch: int = 2048, seed: int = 1
) -> Weights:
    """Weights that make the right candidates likely. The same examples and thread count give the same weights."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    mean, spread = examples.evidence.mean(0), examples.evidence.std(0) + 1e-6
    evidence = torch.from_numpy((examples.evidence - mean) / spread)
    right, weights = torch.from_numpy(examples.right), torch.from_numpy(examples.weights)
    _, starts, counts = np.unique(examples.payments, return_index=True, return_counts=True)
    # A payment whose category was no candidate teaches nothing.
    payments = np.flatnonzero(np.add.reduceat(examples.right, starts))
    first, last = torch.nn.Linear(len(NAMES), hidden), torch.nn.Linear(hidden, 1, bias=False)
    optimiser = torch.optim.Adam([*first.parameters(), *last.parameters()], learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for some in np.array_split(chance.permutation(payments), -(-len(payments) // batch)):
            lengths = counts[some]
            ends = lengths.cumsum()
            rows = torch.from_numpy(np.repeat(starts[some] - ends + lengths, lengths) + np.arange(ends[-1]))
            groups = torch.from_numpy(np.repeat(np.arange(len(some)), lengths))
            chosen = _log_softmax(last(first(evidence[rows]).tanh()).squeeze(1), groups, len(some))[right[rows]]
            counted = weights[rows][right[rows]]
            optimiser.zero_grad()
            torch.autograd.backward(-(chosen * counted).sum() / counted.sum())
            optimiser.step()
        schedule.step()
    slope = first.weight.detach().numpy() / spread
    return Weights(
        slope.T.astype(np.float32), (first.bias.detach().numpy() - slope @ mean).astype(np.float32), last.weight.detach().numpy()[0]
    )


def _log_softmax(scores: Tensor, groups: Tensor, count: int) -> Tensor:
    """Within each group."""
    greatest = torch.full((count,), -torch.inf).scatter_reduce(0, groups, scores.detach(), "amax")
    raised = scores - greatest[groups]
    total = torch.zeros(count).index_add(0, groups, raised.exp())
    return raised - total[groups].log()
