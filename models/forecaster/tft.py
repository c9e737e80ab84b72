"""The Temporal Fusion Transformer (Lim et al. 2021), pytorch-forecasting's, one for all series of all granularities.

Its tensors are built here from windows, without a data frame. The library is imported with the first network, not before: it takes seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.forecaster.backtest import SHORTEST
from models.forecaster.calendar import FEATURES, covariates
from models.forecaster.pooled import Step, centre, look
from models.forecaster.series import Granularity, Series
from models.forecaster.windows import LEVELS, Quantiles, Windows, cut, truth

KINDS = ("total", "account", "category")
_GRANULARITIES = tuple(Granularity)
_CATEGORIES = {"granularity": len(_GRANULARITIES), "kind": len(KINDS), "weekday": 8}
_STATIC = ("granularity", "kind")
_DAYS = ("month_day", "month_begins", "month_ends", "holiday", "year_sin", "year_cos")
_KNOWN = (*_DAYS, "scheduled", "ahead")
_SEEN = "amount"
_CENTRE = 13
_MOST_SCHEDULED = 1e3
_TARGET_LIMIT = 30.0
_ROWS = 512
"""Windows in one forward pass: more would only take more memory."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a network is."""

    window: int = 63
    hidden: int = 16
    heads: int = 2
    continuous: int = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit."""

    steps: int
    batch: int = 64
    learning_rate: float = 3e-3
    dropout: float = 0.1
    seed: int = 1


def build(shape: Shape, dropout: float = 0.0) -> nn.Module:
    """A network that has learned nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what lightning and the library say about losses as parameters
        from pytorch_forecasting import QuantileLoss, TemporalFusionTransformer

        network: nn.Module = TemporalFusionTransformer(
            hidden_size=shape.hidden,
            attention_head_size=shape.heads,
            hidden_continuous_size=shape.continuous,
            dropout=dropout,
            output_size=len(LEVELS),
            loss=QuantileLoss([float(level) for level in LEVELS]),
            max_encoder_length=shape.window,
            static_categoricals=list(_STATIC),
            time_varying_categoricals_encoder=["weekday"],
            time_varying_categoricals_decoder=["weekday"],
            time_varying_reals_encoder=[*_KNOWN, _SEEN],
            time_varying_reals_decoder=list(_KNOWN),
            x_reals=[*_KNOWN, _SEEN],
            x_categoricals=list(_CATEGORIES),
            embedding_sizes={name: (count, min(count, 4)) for name, count in _CATEGORIES.items()},
            share_single_variable_networks=True,
            logging_metrics=nn.ModuleList([]),
            output_transformer=_as_it_is,
        )
    return network


def _as_it_is(found: dict[str, Tensor]) -> Tensor:
    return found["prediction"]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Windows as the network takes them, and what turns its answer into amounts: answer * scale + middle."""

    tensors: dict[str, Tensor]
    middle: NDArray[np.float64]  # [n, 1]
    scale: NDArray[np.float64]  # [n, 1]; 0 for one that never changed


def inputs(windows: Windows, shape: Shape, horizon: int) -> Inputs:
    """Amounts from the median of the latest, in units of the window's mean absolute change and drawn in by asinh; calendar; schedule."""
    count, context, length = len(windows), windows.values.shape[1], shape.window
    filled, scale = look(windows.values[:, -length:])
    middle = centre(filled, _CENTRE)
    divisor = np.where(scale > 0, scale, 1.0)
    continuous = np.zeros((count, length + horizon, len(_KNOWN) + 1), np.float32)
    days = covariates(windows.next_period - length, length + horizon, windows.granularity, windows.countries)
    continuous[:, :, : len(_DAYS)] = days[:, :, [FEATURES.index(name) for name in _DAYS]]
    # What was taken out of the values says nothing more about them.
    left = np.where(windows.explained[:, None], 0.0, windows.known[:, context - length : context + horizon])
    continuous[:, :, _KNOWN.index("scheduled")] = np.arcsinh(np.clip(left / divisor, -_MOST_SCHEDULED, _MOST_SCHEDULED))
    continuous[:, :, _KNOWN.index("ahead")] = np.arange(-length, horizon) / length
    continuous[:, :length, -1] = np.arcsinh((filled - middle) / divisor)
    categories = np.zeros((count, length + horizon, len(_CATEGORIES)), np.int64)
    categories[:, :, 0] = _GRANULARITIES.index(windows.granularity)
    categories[:, :, 1] = np.array([KINDS.index(kind) if kind in KINDS else 0 for kind in windows.kinds], np.int64)[:, None]
    weekdays = days[:, :, :7]
    categories[:, :, 2] = np.where(weekdays.any(axis=2), weekdays.argmax(axis=2), 7)
    lengths = np.clip(windows.lengths, 1, length)
    # The library wants what there is at the left, and nothing behind it.
    order = np.minimum((length - lengths)[:, None] + np.arange(length), length - 1)[:, :, None]
    past, following = slice(None, length), slice(length, None)
    tensors = {
        "encoder_cat": torch.from_numpy(np.take_along_axis(categories[:, past], order, axis=1)),
        "decoder_cat": torch.from_numpy(categories[:, following]),
        "encoder_cont": torch.from_numpy(np.take_along_axis(continuous[:, past], order, axis=1)),
        "decoder_cont": torch.from_numpy(continuous[:, following]),
        "encoder_lengths": torch.from_numpy(lengths),
        "decoder_lengths": torch.full((count,), horizon, dtype=torch.long),
        "target_scale": torch.ones(count, 2),
    }
    return Inputs(tensors, middle, scale)


def _answers(network: nn.Module, tensors: dict[str, Tensor]) -> Tensor:
    """[n, horizon, LEVELS], not yet in order."""
    longest = int(tensors["encoder_lengths"].max())
    cut = {**tensors, "encoder_cat": tensors["encoder_cat"][:, :longest], "encoder_cont": tensors["encoder_cont"][:, :longest]}
    device = next(network.parameters()).device
    return network({name: tensor.to(device) for name, tensor in cut.items()})["prediction"]


class Tft:
    """One network for all granularities."""

    def __init__(self, network: nn.Module, shape: Shape) -> None:
        self.network = network.eval().requires_grad_(False)
        self.shape = shape

    def to(self, device: torch.device) -> Tft:
        """Computes there from now on. Returns itself."""
        self.network.to(device)
        return self

    @torch.inference_mode()
    def predict(self, windows: Windows, horizon: int) -> Quantiles:
        """One forward pass for each few hundred windows."""
        seen = inputs(windows, self.shape, horizon)
        parts = []
        for first in range(0, len(windows), _ROWS):
            some = {name: tensor[first : first + _ROWS] for name, tensor in seen.tensors.items()}
            parts.append(_answers(self.network, some).cpu().numpy().astype(np.float64))
        found = np.sort(np.concatenate(parts), axis=2)
        return found * seen.scale[:, :, None] + seen.middle[:, :, None]

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, in half precision, for a file."""
        return {"shape": asdict(self.shape), "state": {name: one.half() for name, one in self.network.state_dict().items()}}

    @classmethod
    def of(cls, content: dict[str, Any]) -> Tft:
        """From what `content` wrote. Raises KeyError, TypeError, ValueError, RuntimeError or AttributeError for anything else."""
        shape = Shape(**content["shape"])
        network = build(shape)
        network.load_state_dict({name: one.float() for name, one in content["state"].items()})
        return cls(network, shape)


def fit(
    series: Sequence[Series],
    horizons: Mapping[Granularity, int],
    shape: Shape,
    options: Options,
    *,
    start: nn.Module | None = None,
    step: Step | None = None,
) -> nn.Module:
    """Learns a network from windows of all series, or goes on from `start`, which must have the same shape. `horizons`: steps ahead in
    training, by granularity. The same series and options give the same weights. Raises ValueError where no history is long enough."""
    chance = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    draw = Cuts(series, horizons)
    network = build(shape, options.dropout)
    if start is not None:
        network.load_state_dict(start.state_dict())
    levels = torch.tensor(LEVELS, dtype=torch.float32)
    optimiser = torch.optim.Adam(network.parameters(), options.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=options.steps, pct_start=0.1)
    network.train()
    for number in range(1, options.steps + 1):
        windows, actual = draw(options.batch, chance)
        seen = inputs(windows, shape, actual.shape[1])
        known = seen.scale > 0
        aims = np.clip((actual - seen.middle) / np.where(known, seen.scale, 1.0), -_TARGET_LIMIT, _TARGET_LIMIT)
        over = torch.from_numpy(np.where(known, aims, 0.0).astype(np.float32)).unsqueeze(2) - _answers(network, seen.tensors)
        loss = torch.maximum(levels * over, (levels - 1) * over).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimiser.step()
        schedule.step()
        if step is not None:
            step(number, options.steps, float(loss.detach()))
    return network.eval()


class Cuts:
    """Windows of series by chance, each time of one granularity: as often as it has series."""

    def __init__(self, series: Sequence[Series], horizons: Mapping[Granularity, int]) -> None:
        self._horizons = horizons
        self._series: dict[Granularity, list[Series]] = {}
        for one in series:
            if len(one.values) >= SHORTEST[one.granularity] + horizons[one.granularity]:
                self._series.setdefault(one.granularity, []).append(one)
        if not self._series:
            raise ValueError("no history is long enough to learn from")

    def __call__(self, count: int, chance: np.random.Generator) -> tuple[Windows, NDArray[np.float64]]:
        """Windows and what came after, in their units [count, horizon]."""
        kinds = list(self._series)
        sizes = np.array([len(self._series[kind]) for kind in kinds], np.float64)
        granularity = kinds[int(chance.choice(len(kinds), p=sizes / sizes.sum()))]
        some, horizon = self._series[granularity], self._horizons[granularity]
        places = chance.integers(len(some), size=count)
        most = [len(some[place].values) - SHORTEST[granularity] for place in places]
        rows = [(int(place), int(chance.integers(horizon, room + 1))) for place, room in zip(places, most, strict=True)]
        windows = cut(some, rows, horizon)
        return windows, truth(some, rows, horizon) / windows.unit[:, None] - windows.to_come
