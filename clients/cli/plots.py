"""Plots as PNG or SVG files. matplotlib, which takes a second to come, is imported where something is drawn."""

from __future__ import annotations

import io
import secrets
import warnings
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.session import fail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Plot = Annotated[Path | None, typer.Option(help="Also draw it into this file, a .png or .svg.", metavar="FILE")]

_FORMATS = (".png", ".svg")
_WIDE, _HIGH = 10.0, 5.0
_DOTS_PER_INCH = 150
_COLOURS = {"high": "#c62828", "medium": "#ef6c00", "low": "#1565c0"}
_MARKERS = {"high": "^", "medium": "D", "low": "o"}
"""Shapes, too: colours alone say nothing to many people."""
_MOST_SCHEDULED = 40
_MOST_PANELS = 6
_NOON = 0.5
_BAR_DAYS = {"day": 0.9, "week": 6.5, "month": 27.0}


class PlotFile:
    """Where a plot goes. It is tried out before anything is asked, and is there whole or not at all."""

    def __init__(self, target: Path) -> None:
        if target.suffix.lower() not in _FORMATS:
            raise typer.BadParameter(f"{target.name!r} ends in none of {', '.join(_FORMATS)}", param_hint="--plot")
        if target.is_dir():
            raise typer.BadParameter(f"{target} is a folder", param_hint="--plot")
        self._target = target
        # A name that nothing has.
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")

    def __enter__(self) -> PlotFile:
        try:
            self._part.touch(exist_ok=False)
        except OSError as error:
            fail(f"{self._target}: {error.strerror or error}.")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._part.unlink(missing_ok=True)

    def write(self, figure: Figure) -> None:
        """Writes the file. Ends the command where it cannot be."""
        import matplotlib as mpl

        drawn = io.BytesIO()
        suffix = self._target.suffix.lower()[1:]
        with warnings.catch_warnings(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scale"}):
            # A box stands in for a letter that no font here has; an axis of nothing has any days.
            warnings.filterwarnings("ignore", message="Glyph|AutoDateLocator")
            figure.savefig(drawn, format=suffix, dpi=_DOTS_PER_INCH, metadata={"Date": None} if suffix == "svg" else None)
        try:
            self._part.write_bytes(drawn.getvalue())
            self._part.replace(self._target)
        except OSError as error:
            fail(f"{self._target}: {error.strerror or error}.")


def forecast_figure(forecast: Mapping[str, Any], title: str, past: Sequence[tuple[date, Decimal]] = ()) -> Figure:
    """A forecast: the middle, the band, what was in the `past`, and for a balance the threshold and what is known to come."""
    figure, axes = _canvas(1)
    points = forecast["points"]
    ends = _places([one["end_date"] for one in points])
    # What an account holds at the end of a period, what is spent in its course.
    days = [(start + end + 1) / 2 for start, end in zip(_places([one["date"] for one in points]), ends, strict=True)]
    days = ends if forecast["series"]["measure"] == "balance" else days
    middle = [float(one["p50"]) for one in points]
    low, high = ([float(one[name]) for one in points] for name in ("p10", "p90"))
    plot = axes[0]
    if past:
        # Periods in which nothing moved are not told.
        _bars(plot, past, forecast["granularity"], label="until now")
    plot.fill_between(days, low, high, color="#90caf9", alpha=0.6, linewidth=2, label="eight cases of ten")
    plot.plot(days, middle, color="#0d47a1", marker="o" if len(points) == 1 else None, label="the middle")
    if forecast["threshold"] is not None:
        plot.axhline(float(forecast["threshold"]), color="#c62828", linestyle="--", linewidth=1, label=f"threshold {forecast['threshold']}")
    if below := forecast["below_threshold_on"]:
        plot.axvline(_places([below])[0], color="#c62828", linestyle=":", label=f"likely below it on {below}")
    _scheduled(plot, forecast["scheduled_payments"])
    plot.set_title(title, parse_math=False)
    plot.set_ylabel(forecast["currency"])
    plot.legend(loc="best", frameon=False)
    note = f"{forecast['model']}, history to {forecast['history']['end']}"
    plot.set_xlabel(note, loc="right", fontsize=7, color="#616161", parse_math=False)
    return figure


def spend_figure(spent: Mapping[str, Sequence[tuple[date, Decimal]]], anomalies: Sequence[Mapping[str, Any]], period: str) -> Figure:
    """What was spent over time, with the anomalies at their days: a panel for each currency that has any, at most some. `spent` is
    currency → first day of each period and its amount; anomalies without a currency stand in the first panel."""
    odd = {one["currency"] for one in anomalies if one["currency"]}
    currencies = sorted(odd, key=lambda one: (-len(spent.get(one, ())), one)) or sorted(spent, key=lambda one: -len(spent[one]))[:1] or [""]
    shown = currencies[:_MOST_PANELS]
    figure, axes = _canvas(len(shown))
    for currency, plot in zip(shown, axes, strict=True):
        _bars(plot, spent.get(currency, ()), period)
        here = [one for one in anomalies if (one["currency"] or shown[0]) == currency]
        for severity, colour in _COLOURS.items():
            alike = [one for one in here if one["severity"] == severity]
            if alike:
                days = [place + _NOON for place in _places([one["date"] for one in alike])]
                sizes = [abs(float(one["amount"] or 0)) for one in alike]
                plot.scatter(
                    days, sizes, s=40, color=colour, marker=_MARKERS[severity], label=f"{severity}: {len(alike)}", zorder=3, clip_on=False
                )
        plot.set_ylabel(currency)
        if here:
            plot.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(_COLOURS), frameon=False)
    some = f" ({len(shown)} of {len(currencies)} currencies)" if len(shown) < len(currencies) else ""
    axes[0].set_title(f"Spent per {period}, and what is odd{some}", loc="left")
    return figure


def _canvas(panels: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.dates import AutoDateFormatter, AutoDateLocator
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDE, _HIGH if panels == 1 else 3.0 * panels), layout="constrained")
    axes = list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
    for plot in axes:
        places = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
        plot.xaxis.set_major_locator(places)
        plot.xaxis.set_major_formatter(AutoDateFormatter(places))  # type: ignore[no-untyped-call]
    return figure, axes


def _scheduled(plot: Axes, payments: Sequence[Mapping[str, Any]]) -> None:
    """Marks at the foot, with the names of those that come soonest."""
    if not payments:
        return
    shown = payments[:_MOST_SCHEDULED]
    days = _places([one["date"] for one in shown])
    plot.scatter(
        days, [0.02] * len(days), marker="|", s=80, color="#424242", transform=plot.get_xaxis_transform(), label="known to come", zorder=3
    )


def _bars(plot: Axes, sums: Sequence[tuple[date, Decimal]], period: str, label: str = "") -> None:
    amounts = [float(amount) for _, amount in sums]
    plot.bar(_places([day for day, _ in sums]), amounts, width=_BAR_DAYS[period], align="edge", color="#b0bec5", label=label)


def _places(days: Sequence[date | str]) -> list[float]:
    """Where days are on an axis of time."""
    from matplotlib.dates import date2num

    found = [date.fromisoformat(day) if isinstance(day, str) else day for day in days]
    return [float(place) for place in date2num(found)]  # type: ignore[no-untyped-call]
