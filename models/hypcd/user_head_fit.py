"""Fits a head to what one user has said, and says whether it answers better than what answers now. Pure: arrays in, arrays out.

A head is judged as users meet it: with the shipped rules below it and the user's own corrections (`personal.py`) on top, on the
user's latest payments, which it has not seen. What is handed out afterwards has learned from all of them. The same rows and options make
the same head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import geoopt
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.hypcd.ball import expmap0, logmap0, pairwise_distance
from models.hypcd.classifier import Classifier
from models.hypcd.personal import Payments, PersonalAnchors
from models.hypcd.user_head import MAX_OWN, Floats, UserHead

UNLABELLED = ""
LEAST_EXAMPLES = 20
LEAST_CATEGORIES = 2

_TEMPERATURES: list[float] = np.geomspace(0.5, 2.5, 15).tolist()
_SHARES = (1.0, 0.9, 0.8, 0.6, 0.4)
_USUAL_SHARE = 0.8
_LEAST_HELD_OUT = 10
_LEAST_LIKELY = 1e-4
"""What was thought less likely surprises no more than this."""
_MARGIN = 0.01
"""By how much the log loss must be lower where as many answers are right."""
_DOUBT = 4.0
"""What speaks for the usual temperature and share, in payments."""

Step = Callable[[str, int, int, float], None]
"""Told of each step: `training` or `evaluating`, its number, how many there are, and the loss. What it raises ends the work."""


class TooFewExamples(Exception):
    """There is nothing to learn from."""


@dataclass(frozen=True, slots=True)
class Examples:
    """One user's payments, the oldest first; parallel, one entry each."""

    points: Floats
    """[n, d], on the ball of the global model."""
    likely: Floats
    """[n, categories], what the global model says with the shipped rules beside it: `models.knowledge.pooling.with_rules`."""
    keys: Sequence[str]
    """From `merchant.merchant_key`."""
    amounts: NDArray[np.float64]
    """Signed; for sign and magnitude only."""
    days: NDArray[np.int32]
    """Since 1970-01-01."""
    labels: Sequence[str]
    """Slugs; UNLABELLED where nobody has said what it was."""
    said: NDArray[np.bool_]
    """The user's own corrections, which count for the next answer without any training."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """Some of them."""
        places = rows.tolist()
        return Examples(
            self.points[rows],
            self.likely[rows],
            [self.keys[row] for row in places],
            self.amounts[rows],
            self.days[rows],
            [self.labels[row] for row in places],
            self.said[rows],
        )


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit. Chosen on purchase cards; MODEL_CARD.md says what else was tried, and where."""

    steps: int = 100
    batch: int = 2048
    learning_rate: float = 0.02
    anchors_held: float = 0.01  # how strongly an anchor is drawn to where the global model has it; all three less, the more payments
    adapter_held: float = 1.0
    bias_held: float = 0.01
    distilled: float = 0.1  # weight of what the global model says of payments without a label
    held_out: float = 0.2
    seed: int = 1


class Figures(NamedTuple):
    """Of the payments held out, with the user's corrections on top."""

    accuracy: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of it."""

    head: UserHead
    better: bool
    """On the payments held out: more answers are right, or as many with a clearly lower log loss."""
    held_out: int
    trained: Figures
    present: Figures
    """Of what answers now, on the same payments."""


def learn_head(
    examples: Examples,
    model: Classifier,
    present: UserHead | None = None,
    options: Options | None = None,
    step: Step = lambda phase, number, total, loss: None,
) -> Learned:
    """Fits a head, compares it with `present` (None, or of another ball: with the global model alone), and fits it again to all.

    A present head that has seen some of the payments held out is asked about the others only, and not at all where those are too few: then
    the new one, which knows what that one did and more, must be better than the global model. Raises TooFewExamples, in words for the user.
    """
    options = options or Options()
    labelled = _learnable(examples, model)
    known = len({examples.labels[row] for row in labelled.tolist()})
    if len(labelled) < LEAST_EXAMPLES or known < LEAST_CATEGORIES:
        raise TooFewExamples(
            f"There are {len(labelled)} payments of {known} categories to learn from; it takes {LEAST_EXAMPLES} of {LEAST_CATEGORIES}. "
            "Put some more categories right, and start again"
        )
    unlabelled = np.flatnonzero(np.array([label == UNLABELLED for label in examples.labels]))
    earlier, later = _split(labelled, options.held_out)
    first, calibrating = _split(earlier, options.held_out)
    fits = _Fits(examples, model, options, step, count=3)
    setting = _calibrated(fits.fit(first, unlabelled), examples.take(calibrating), model)
    candidate = _at(fits.fit(earlier, unlabelled), *setting)
    fits.evaluating()
    present, asked = _fair(present, model, examples, later)
    before, held_out = examples.take(earlier), examples.take(asked)
    trained, now = judge(candidate, before, held_out, model), judge(present, before, held_out, model)
    better = trained.accuracy > now.accuracy or (trained.accuracy == now.accuracy and trained.log_loss < now.log_loss - _MARGIN)
    return Learned(_at(fits.fit(labelled, unlabelled), *setting), better, len(asked), trained, now)


def _learnable(examples: Examples, model: Classifier) -> NDArray[np.int64]:
    """Rows that have a label which can be answered: money that leaves and was called income teaches nothing."""
    heads = model.heads
    earned = {slug for slug, credit in zip(heads.detailed, heads.credit.tolist(), strict=True) if credit}
    all_of = (heads.members * heads.credit.unsqueeze(1)).sum(dim=0) == heads.members.sum(dim=0)
    earned |= {slug for slug, credit in zip(heads.primaries, all_of.tolist(), strict=True) if credit}
    said = zip(examples.labels, (examples.amounts < 0).tolist(), strict=True)
    return np.flatnonzero(np.array([label != UNLABELLED and not (spent and label in earned) for label, spent in said], np.bool_))


def judge(head: UserHead | None, before: Examples, asked: Examples, model: Classifier) -> Figures:
    """How right answers to `asked` are for a user who has corrected what `said` marks of `before`."""
    categories, likely = model.categories, asked.likely
    if head is not None:
        categories, likely = head.categories, head.probabilities(asked.points, asked.amounts, asked.likely)
    known = before.take(np.flatnonzero(before.said))
    anchors = PersonalAnchors.from_rows(known.keys, known.labels, known.amounts.tolist(), known.days.tolist(), known.points)
    answer = anchors.apply(Payments(asked.keys, asked.amounts, asked.days, likely, asked.points), categories)
    right, surprise = score(answer.categories, answer.probabilities, asked.labels, model)
    return Figures(float(right.mean()), float(surprise.mean()))


def score(
    categories: Sequence[str], probabilities: Floats, labels: Sequence[str], model: Classifier
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of each payment: whether the likeliest category is right, and -log of what was thought of the right one.

    A detail of what the user said is right. What was thought of a primary category was thought of each of its details alike.
    """
    places = {category: place for place, category in enumerate(categories)}
    asked = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    members = model.heads.members.numpy()  # [detailed, primaries]
    detailed, parent = len(members), model.heads.parent.numpy()
    thought, right = np.zeros((len(asked), len(categories))), np.zeros((len(asked), len(categories)), np.bool_)
    for label, number in asked.items():
        place = places.get(label)
        if place is None:
            continue
        thought[number, place], right[number, place] = 1, True
        if place < detailed:
            thought[number, detailed + parent[place]] = 1 / members[:, parent[place]].sum()
        elif place < len(model.categories):
            thought[number, :detailed] = members[:, place - detailed]
            right[number, :detailed] = members[:, place - detailed] > 0
    rows = np.array([asked[label] for label in labels], np.int64)
    likely = np.einsum("nk,nk->n", probabilities, thought[rows])
    return right[rows, probabilities.argmax(axis=1)], -np.log(likely.clip(_LEAST_LIKELY, 1.0))


def _split(rows: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The earlier ones, and the latest share of them."""
    later = min(max(round(len(rows) * share), _LEAST_HELD_OUT), len(rows) // 2)
    return rows[: len(rows) - later], rows[len(rows) - later :]


def _fair(
    present: UserHead | None, model: Classifier, examples: Examples, later: NDArray[np.int64]
) -> tuple[UserHead | None, NDArray[np.int64]]:
    """What answers now, and what both it and a new head can be asked about without having seen the answer."""
    if present is None or not model.has_ball(present.base_version):
        return None, later
    unseen = later[examples.days[later] > present.last_day]
    return (present, unseen) if len(unseen) >= _LEAST_HELD_OUT else (None, later)


def _calibrated(head: UserHead, asked: Examples, model: Classifier) -> tuple[float, float]:
    """The temperature, as a factor, and the share that surprise least about payments which the head has not seen."""

    def surprise(setting: tuple[float, float]) -> float:
        temperature, share = setting
        likely = _at(head, temperature, share).probabilities(asked.points, asked.amounts, asked.likely)
        doubt = np.log(temperature) ** 2 + (share - _USUAL_SHARE) ** 2
        return float(score(head.categories, likely, asked.labels, model)[1].sum() + _DOUBT * doubt)

    # One after the other: they hardly depend on each other.
    temperature, _ = min(((temperature, _USUAL_SHARE) for temperature in _TEMPERATURES), key=surprise)
    return min(((temperature, share) for share in _SHARES), key=surprise)


def _at(head: UserHead, temperature: float, share: float) -> UserHead:
    """The head with logits divided by a temperature, and a share."""
    heads = replace(head.heads, temperature=head.heads.temperature * temperature)
    return replace(head, heads=heads, bias=head.bias / temperature, share=share)


class _Fits:
    """Fits of one user's rows; their steps are counted together."""

    def __init__(self, examples: Examples, model: Classifier, options: Options, step: Step, *, count: int) -> None:
        self._examples = examples
        self._model = model
        self._options = options
        self._step = step
        self._done, self._total, self._loss = 0, count * options.steps, 0.0
        self._points = torch.from_numpy(examples.points)
        self._spent = torch.from_numpy(examples.amounts < 0)

    def fit(self, rows: NDArray[np.int64], unlabelled: NDArray[np.int64]) -> UserHead:
        """A head for labelled rows, that does not forget what the global model says of those without a label."""
        options, base = self._options, self._model.heads
        start, members, labels, rows = self._start(rows)
        ball = geoopt.PoincareBall(c=start.curvature)
        anchors = geoopt.ManifoldParameter(torch.cat([base.anchors, start.own_anchors]), manifold=ball)
        adapter, shift, bias = (part.clone().requires_grad_() for part in (start.adapter, start.shift, start.bias))
        optimiser = geoopt.optim.RiemannianAdam([anchors, adapter, shift, bias], lr=options.learning_rate)
        chance = np.random.default_rng(options.seed)
        head = start
        for _ in range(options.steps):
            some, others = _drawn(len(rows), options.batch, chance), _drawn(len(unlabelled), options.batch, chance)
            head = self._head(start, anchors, adapter, shift, bias)
            loss = self._surprise(head, rows[some], members[labels[some]])
            if len(others):
                loss = loss + options.distilled * self._forgotten(head, unlabelled[others])
            held = options.anchors_held * _apart(anchors[: len(base.anchors)], base.anchors, start.curvature)
            held = held + options.adapter_held * (adapter.square().sum() + shift.square().sum()) + options.bias_held * bias.square().sum()
            loss = loss + held / len(rows) ** 0.5
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            self._done, self._loss = self._done + 1, float(loss.detach())
            self._step("training", self._done, self._total, self._loss)
        return self._head(start, *(part.detach().clone() for part in (anchors, adapter, shift, bias)))

    def evaluating(self) -> None:
        """What follows is no fit, and may take a moment."""
        self._step("evaluating", self._done, self._total, self._loss)

    def _start(self, rows: NDArray[np.int64]) -> tuple[UserHead, Tensor, NDArray[np.int64], NDArray[np.int64]]:
        """The global model's head with own categories amid their payments; what each category stands for [categories, detailed + own];
        and of the rows that can be learned from, their places among the categories and themselves."""
        model, examples = self._model, self._examples
        counts = Counter(examples.labels[row] for row in rows if examples.labels[row] not in model.categories)
        own = tuple(slug for slug, _ in counts.most_common(MAX_OWN))
        places = {category: place for place, category in enumerate((*model.categories, *own))}
        rows = rows[[examples.labels[row] in places for row in rows]]
        labels = np.array([places[examples.labels[row]] for row in rows], np.int64)
        detailed, width = len(model.heads.detailed), len(model.heads.detailed) + len(own)
        members = torch.zeros(len(places), width, dtype=torch.bool)
        members[:detailed, :detailed] = torch.eye(detailed, dtype=torch.bool)
        members[detailed : len(model.categories), :detailed] = model.heads.members.T > 0
        members[len(model.categories) :, detailed:] = torch.eye(len(own), dtype=torch.bool)
        tangent = logmap0(self._points[rows], model.curvature)
        means = [tangent[labels == places[slug]].mean(dim=0) for slug in own]
        own_anchors = expmap0(torch.stack(means), model.curvature) if own else torch.empty(0, model.dimension)
        dimension = model.dimension
        last_day = int(examples.days[rows].max(initial=0))
        head = UserHead(
            model.ball,
            model.heads,
            own,
            own_anchors,
            torch.zeros(width),
            torch.zeros(dimension, dimension),
            torch.zeros(dimension),
            model.curvature,
            model.radius,
            _USUAL_SHARE,
            last_day,
        )
        return head, members, labels, rows

    def _head(self, start: UserHead, anchors: Tensor, adapter: Tensor, shift: Tensor, bias: Tensor) -> UserHead:
        known = len(start.heads.anchors)
        heads = replace(start.heads, anchors=anchors[:known])
        return replace(start, heads=heads, own_anchors=anchors[known:], adapter=adapter, shift=shift, bias=bias)

    def _surprise(self, head: UserHead, rows: NDArray[np.int64], members: Tensor) -> Tensor:
        """Cross entropy, a primary category standing for all of its details together."""
        shares = head.logits(self._points[rows], self._spent[rows]).log_softmax(dim=1)
        return -shares.masked_fill(~members, float("-inf")).logsumexp(dim=1).mean()

    def _forgotten(self, head: UserHead, rows: NDArray[np.int64]) -> Tensor:
        """How far the head is, among the global categories, from what the global model says."""
        points, spent, detailed = self._points[rows], self._spent[rows], len(head.heads.detailed)
        closed = spent.unsqueeze(1) & head.heads.credit
        distances = pairwise_distance(points, self._model.heads.anchors, head.curvature)
        usual = (-distances / self._model.heads.temperature).masked_fill(closed, float("-inf")).softmax(dim=1)
        now = head.logits(points, spent)[:, :detailed].log_softmax(dim=1).masked_fill(closed, 0.0)
        return torch.nn.functional.kl_div(now, usual, reduction="batchmean")


def _drawn(count: int, most: int, chance: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(count) if count <= most else chance.choice(count, most, replace=False)


def _apart(one: Tensor, other: Tensor, c: float) -> Tensor:
    """The sum of squared distances between points [k, d] and their counterparts."""
    room = (1 - c * one.square().sum(dim=1)) * (1 - c * other.square().sum(dim=1))
    ratio = (one - other).square().sum(dim=1) / room.clamp_min(1e-7) * (2 * c) + 1
    return (ratio.clamp_min(1 + 1e-7).acosh().square() / c).sum()
