"""The pooled quantile network: one for all series of a granularity, from the latest values straight to all quantiles of all steps.

A linear map, which least squares begins with, and a perceptron with two hidden layers on top. A window is looked at from its latest values,
in units of its mean absolute change, so that signed amounts of any currency look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.forecaster.calendar import FEATURES, covariates
from models.forecaster.series import Granularity, Series, period_number
from models.forecaster.windows import LEVELS, Quantiles, Windows

_INPUT_LIMIT, _TARGET_LIMIT = 60.0, 30.0
_SOFTENED = 5.0
_RIDGE = 1e-3
_RIDGE_ROWS = 100_000

Step = Callable[[int, int, float], None]
"""Told of each step: its number, how many there are, and its loss. What it raises ends the fit."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a network is."""

    window: int
    horizon: int
    hidden: int
    calendar: bool = True
    """Whether it is told which day comes first; for series without true dates it is not."""
    centre: int = 1
    """A window is looked at from the median of so many latest values: 1 where things go on from the last, more where they come and go."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit."""

    steps: int
    batch: int = 512
    learning_rate: float = 1e-3
    decay: float = 1e-2
    dropout: float = 0.1
    seed: int = 1


class Network(nn.Module):
    """Inputs [n, window + calendar] to quantiles [n, horizon, LEVELS] in the window's own units, not yet in order."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        width = shape.window + (len(FEATURES) if shape.calendar else 0)
        self.linear = nn.Linear(shape.window, shape.horizon)
        self.layers = nn.Sequential(
            nn.Linear(width, shape.hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(shape.hidden, shape.hidden),
            nn.ReLU(),
        )
        self.quantiles = nn.Linear(shape.hidden, shape.horizon * len(LEVELS))
        nn.init.zeros_(self.quantiles.weight)
        nn.init.zeros_(self.quantiles.bias)

    def forward(self, window: Tensor, calendar: Tensor) -> Tensor:
        """`calendar` [n, FEATURES], or [n, 0]."""
        more = self.quantiles(self.layers(torch.cat([window / _SOFTENED, calendar], dim=1)))
        return self.linear(window).unsqueeze(2) + more.view(-1, self.shape.horizon, len(LEVELS))


def look(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Windows [n, window] that may begin with NaN, without it: what is missing is like the first that there is. And the mean absolute
    change of each [n, 1], 0 for one that never changed."""
    filled, missing = values.copy(), np.isnan(values)
    first = np.argmin(missing, axis=1)[:, None]
    filled[missing] = np.broadcast_to(np.nan_to_num(np.take_along_axis(values, first, axis=1)), values.shape)[missing]
    known = np.maximum(values.shape[1] - first - 1, 1)
    return filled, np.abs(np.diff(filled, axis=1)).sum(axis=1, keepdims=True) / known


def centre(filled: NDArray[np.float64], latest: int) -> NDArray[np.float64]:
    """Where windows are looked at from [n, 1]."""
    return np.median(filled[:, -latest:], axis=1, keepdims=True)


def _inputs(filled: NDArray[np.float64], middle: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float32]:
    """[n, window]: how far values are from the middle."""
    return np.clip((filled - middle) / np.where(scale > 0, scale, 1.0), -_INPUT_LIMIT, _INPUT_LIMIT).astype(np.float32)


class Pooled:
    """Networks by granularity."""

    def __init__(self, networks: Mapping[Granularity, Network]) -> None:
        self.networks = {granularity: network.eval().requires_grad_(False) for granularity, network in networks.items()}

    def to(self, device: torch.device) -> Pooled:
        """Computes there from now on. Returns itself."""
        for network in self.networks.values():
            network.to(device)
        return self

    def reaches(self, granularity: Granularity, horizon: int) -> bool:
        """Whether there is a network for so many steps."""
        return granularity in self.networks and horizon <= self.networks[granularity].shape.horizon

    @torch.inference_mode()
    def predict(self, windows: Windows, horizon: int) -> Quantiles:
        """One forward pass for all windows."""
        network = self.networks[windows.granularity]
        filled, scale = look(windows.values[:, -network.shape.window :])
        middle = centre(filled, network.shape.centre)
        days = _calendar(network.shape, windows.next_period, windows.granularity, windows.countries)
        device = network.linear.weight.device
        seen = network(torch.from_numpy(_inputs(filled, middle, scale)).to(device), torch.from_numpy(days).to(device))
        found = seen.cpu().numpy()[:, :horizon].astype(np.float64)
        return np.sort(found, axis=2) * scale[:, :, None] + middle[:, :, None]

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, in half precision, for a file."""
        return {
            granularity.value: {"shape": asdict(network.shape), "state": {name: one.half() for name, one in network.state_dict().items()}}
            for granularity, network in self.networks.items()
        }

    @classmethod
    def of(cls, content: dict[str, Any]) -> Pooled:
        """From what `content` wrote. Raises KeyError, TypeError, ValueError, RuntimeError or AttributeError for anything else."""
        networks = {}
        for name, one in content.items():
            network = Network(Shape(**one["shape"]))
            network.load_state_dict({key: value.float() for key, value in one["state"].items()})
            networks[Granularity(name)] = network
        return cls(networks)


def _calendar(shape: Shape, next_period: NDArray[np.int64], granularity: Granularity, countries: Sequence[str]) -> NDArray[np.float32]:
    if not shape.calendar:
        return np.zeros((len(next_period), 0), np.float32)
    return covariates(next_period, 1, granularity, countries)[:, 0]


def shortest(shape: Shape) -> int:
    """Periods that a history needs for something to be learned from it; what is missing of a window stays so."""
    return 2 * shape.window // 5 + shape.horizon


class _Drawn:
    """Windows of all histories, by chance."""

    def __init__(self, series: Sequence[Series], shape: Shape) -> None:
        self._series, self.shape = series, shape
        least = shortest(shape) - shape.horizon
        padded = [np.concatenate([np.full(shape.window, np.nan), one.values]) for one in series]
        begins = np.cumsum([0, *(len(one) for one in padded)])
        some = [
            np.arange(begin + shape.window + least, begin + len(one) - shape.horizon + 1)
            for begin, one in zip(begins[:-1], padded, strict=True)
        ]
        self._flat, self.ends = np.concatenate(padded), np.concatenate(some)
        if not len(self.ends):
            raise ValueError(f"no history has the {shortest(shape)} periods that it takes to learn from")
        self._owners = np.repeat(np.arange(len(series)), [len(one) for one in some])
        first = np.array([period_number(one.start, one.granularity) for one in series])
        self._periods = self.ends - (begins[:-1] + shape.window - first)[self._owners]

    def draw(self, count: int, chance: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Inputs, targets [count, horizon] and calendar."""
        at = chance.integers(len(self.ends), size=count)
        filled, scale = look(self._flat[self.ends[at][:, None] + np.arange(-self.shape.window, 0)])
        actual = self._flat[self.ends[at][:, None] + np.arange(self.shape.horizon)]
        middle = centre(filled, self.shape.centre)
        targets = np.clip((actual - middle) / np.where(scale > 0, scale, 1.0), -_TARGET_LIMIT, _TARGET_LIMIT)
        targets[scale[:, 0] == 0] = 0.0  # nothing is learned from what never changed
        countries = [self._series[owner].country for owner in self._owners[at]]
        days = _calendar(self.shape, self._periods[at], self._series[0].granularity, countries)
        return _inputs(filled, middle, scale), targets.astype(np.float32), days


def fit(series: Sequence[Series], shape: Shape, options: Options, *, start: Network | None = None, step: Step | None = None) -> Network:
    """Learns a network from series of one granularity, or goes on from `start`, which must have the same shape. The same series and options
    give the same weights. Raises ValueError where no history is long enough."""
    windows = _Drawn(series, shape)
    chance = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    network = Network(shape, options.dropout)
    if start is not None:
        network.load_state_dict(start.state_dict())
    else:
        _least_squares(network, windows, chance)
    levels = torch.tensor(LEVELS, dtype=torch.float32)
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps, eta_min=options.learning_rate / 50)
    network.train()
    for number in range(1, options.steps + 1):
        inputs, targets, days = (torch.from_numpy(one) for one in windows.draw(options.batch, chance))
        over = targets.unsqueeze(2) - network(inputs, days)
        loss = torch.maximum(levels * over, (levels - 1) * over).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step is not None:
            step(number, options.steps, float(loss.detach()))
    return network.eval()


def _least_squares(network: Network, windows: _Drawn, chance: np.random.Generator) -> None:
    inputs, targets, _ = windows.draw(min(_RIDGE_ROWS, 4 * len(windows.ends)), chance)
    rows = np.hstack([inputs, np.ones((len(inputs), 1), np.float32)]).astype(np.float64)
    found = np.linalg.solve(rows.T @ rows + _RIDGE * len(rows) * np.eye(rows.shape[1]), rows.T @ targets)
    with torch.no_grad():
        network.linear.weight.copy_(torch.from_numpy(found[:-1].T))
        network.linear.bias.copy_(torch.from_numpy(found[-1]))
