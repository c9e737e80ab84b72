"""`scale forecast`: what you are likely to spend, to receive or to hold, as a band in the terminal and in a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from clients.cli.accounts import meant_account
from clients.cli.charts import ASCII, NARROWEST, band_chart, beyond
from clients.cli.client import FINAL_STATES, ScaleClient, ScaleError
from clients.cli.flows import Granularity
from clients.cli.plots import Plot, PlotFile, forecast_figure
from clients.cli.session import Token, Url, console, error_console, open_client

_WAIT_S = 10
_ROWS, _FEW_ROWS = 12, 6
_LOW_WINDOW = 24
_MOST_FIGURES = 14
_FIRST_FIGURES = 7
_MOST_SCHEDULED = 10
_OLD_DAYS = 14
"""A ledger that ends so long ago is not forecast from today."""
_HISTORY_PERIODS = 3
"""Of what a plot shows of the past: so many times the horizon."""
_WHAT = {"spent": "Spent", "received": "Received", "net": "Received less spent", "balance": "Balance"}
_DAYS = {Granularity.DAY: 1, Granularity.WEEK: 7, Granularity.MONTH: 31}


class Measure(StrEnum):
    """What is counted."""

    SPENT = "spent"
    RECEIVED = "received"
    NET = "net"
    BALANCE = "balance"


def show_forecast(
    account: Annotated[str | None, typer.Option(help="Of one account only: its name, number or id.")] = None,
    category: Annotated[str | None, typer.Option(help="A slug; a primary one takes in all below it.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217. Default: the account's, else that of most transactions.")] = None,
    measure: Annotated[Measure, typer.Option(help="Money out, money in, in less out, or what an account holds.")] = Measure.SPENT,
    horizon: Annotated[int, typer.Option(min=1, max=90, help="So many periods ahead.")] = 30,
    granularity: Annotated[Granularity, typer.Option("--granularity", "--by", help="How long a period is.")] = Granularity.DAY,
    threshold: Annotated[
        str | None, typer.Option(help="With --measure balance: name the day on which it is likely to go below this. Default: 0.")
    ] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="Your own, kept with it; several times.", metavar="NAME=VALUE")
    ] = None,
    plot: Plot = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Say what you are likely to spend, to receive or to hold, and how far to trust that."""
    body: dict[str, Any] = {"horizon": horizon, "granularity": granularity.value, "labels": _labels(labels)}
    series = {"category": category, "currency": currency.upper() if currency else None, "measure": measure.value}
    if threshold is not None:
        body["threshold"] = threshold
    file = PlotFile(plot) if plot is not None else None
    with file or nullcontext(), open_client(url, token) as client:
        # A balance is one account's.
        meant = meant_account(client, account) if account is not None or measure is Measure.BALANCE else None
        series["account_id"] = meant["id"] if meant is not None else None
        body["series"] = {name: value for name, value in series.items() if value}
        forecast = _made(client, body)
        if file is not None and forecast["state"] == "succeeded":
            file.write(forecast_figure(forecast, _title(forecast, meant), _past(client, forecast)))
    if as_json:
        typer.echo(json.dumps(forecast, indent=2, ensure_ascii=False))
    elif forecast["state"] == "succeeded":
        _show(forecast, meant)
    if forecast["state"] != "succeeded":
        raise ScaleError(f"It could not be forecast: {(forecast['error'] or {}).get('message') or forecast['state']}")
    if plot is not None:
        _say_file(plot)


def _labels(pairs: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--label")
        found[name] = value
    return found


def _made(client: ScaleClient, body: Mapping[str, Any]) -> dict[str, Any]:
    """The forecast, when it is made or given up. Whoever stops waiting does not stop it."""
    try:
        with error_console.status("Looking ahead"):
            forecast = client.ask("POST", "/api/v1/forecasts", json=body, headers={"Prefer": f"wait={_WAIT_S}"})
            if forecast["state"] in FINAL_STATES:
                return forecast
            return client.finished(f"/api/v1/forecasts/{forecast['id']}")
    except KeyboardInterrupt:
        text = "Nobody waits any more. What was begun is made all the same: the same command shows it within minutes, without waiting."
        error_console.print(text, style="yellow", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None


def _past(client: ScaleClient, forecast: Mapping[str, Any]) -> list[tuple[date, Decimal]]:
    """What was counted in the periods before, for a plot; nothing where no route tells it."""
    series = forecast["series"]
    if series["category"] is not None or series["measure"] == Measure.BALANCE:
        return []
    history, granularity = forecast["history"], Granularity(forecast["granularity"])
    end = date.fromisoformat(history["end"])
    reach = timedelta(days=_HISTORY_PERIODS * max(forecast["horizon"], 10) * _DAYS[granularity])
    start = max(date.fromisoformat(history["start"]), end - reach)
    query = {"granularity": granularity.value, "date_from": start.isoformat(), "date_to": end.isoformat(), "currency": series["currency"]}
    if series["account_id"] is not None:
        query["account_id"] = series["account_id"]
    found = client.items("cash-flow", query, 100_000)
    return [(date.fromisoformat(one["period_start"]), Decimal(one[series["measure"]])) for one in found]


def _show(forecast: Mapping[str, Any], account: Mapping[str, Any] | None) -> None:
    points = forecast["points"]
    _say(f"{_title(forecast, account)}: {_span(forecast)}", style="bold")
    _draw(forecast)
    _figures(points)
    for line in _balance(forecast):
        _say(line, style="yellow" if forecast["below_threshold_on"] else None)
    _scheduled(forecast)
    for line in _trust(forecast):
        _say(line)
    _warn(forecast)
    _backtest(forecast)
    if forecast["labels"]:
        _say("  labels: " + ", ".join(f"{name}={value}" for name, value in forecast["labels"].items()), style="dim")
    _say(f"  forecast {forecast['id']}", style="dim")


def _title(forecast: Mapping[str, Any], account: Mapping[str, Any] | None) -> str:
    series = forecast["series"]
    what = _WHAT[series["measure"]]
    category = f" on {series['category']}" if series["measure"] == "spent" else f", {series['category']}"
    return (
        what
        + (category if series["category"] else "")
        + (f", {account['name']}" if account is not None else "")
        + f", {series['currency']}"
    )


def _span(forecast: Mapping[str, Any]) -> str:
    points = forecast["points"]
    many = f"{len(points)} {forecast['granularity']}{'s' if len(points) != 1 else ''}"
    return f"{many}, {points[0]['date']} to {points[-1]['end_date']}"


def _draw(forecast: Mapping[str, Any]) -> None:
    window = shutil.get_terminal_size((100, 50))
    if window.columns < NARROWEST:
        return
    marks = ASCII if console.options.ascii_only else None
    threshold = Decimal(forecast["threshold"]) if forecast["threshold"] is not None else None
    height = _ROWS if window.lines >= _LOW_WINDOW else _FEW_ROWS
    options: dict[str, Any] = {"threshold": threshold, "unit": forecast["currency"], "marks": marks}
    for line in band_chart(forecast["points"], width=window.columns, height=height, **options):
        console.print(line, soft_wrap=True)


def _figures(points: Sequence[Mapping[str, Any]]) -> None:
    """The figures of few periods, or of the first ones and of those that a drawing cannot show."""
    shown = points
    if len(points) > _MOST_FIGURES:
        far = beyond(points)
        shown = [one for place, one in enumerate(points) if place < _FIRST_FIGURES or one in far]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("From", no_wrap=True)
    for heading in ("p10", "p50", "p90"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in shown:
        table.add_row(Text(one["date"]), Text(one["p10"]), Text(one["p50"]), Text(one["p90"]))
    console.print(table)
    if len(points) > len(shown):
        _say(f"and {len(points) - len(shown)} more: --json has all.", style="dim")


def _balance(forecast: Mapping[str, Any]) -> Iterator[str]:
    if forecast["threshold"] is None:
        return
    limit = f"{forecast['threshold']} {forecast['currency']}"
    likely, risk = forecast["below_threshold_on"], forecast["below_threshold_risk_on"]
    if Decimal(forecast["opening_balance"]) < Decimal(forecast["threshold"]):
        yield f"It is below {limit} already."
    elif likely is not None:
        earlier = f"; in one case of ten already on {risk}" if risk is not None and risk != likely else ""
        yield f"It is likely to go below {limit} on {likely}{earlier}."
    elif risk is not None:
        yield f"It is not likely to go below {limit}, but in one case of ten it does by {risk}."
    else:
        yield f"It is not likely to go below {limit} in this time."


def _scheduled(forecast: Mapping[str, Any]) -> None:
    payments = forecast["scheduled_payments"]
    if not payments:
        return
    _say("Known to come:")
    for one in payments[:_MOST_SCHEDULED]:
        _say(f"  {one['date']}  {one['amount']:>10}  {one['merchant']}")
    if len(payments) > _MOST_SCHEDULED:
        _say(f"  and {len(payments) - _MOST_SCHEDULED} more")


def _trust(forecast: Mapping[str, Any]) -> Iterator[str]:
    """What it was made with, and from what."""
    who = "a learned model" if forecast["source"] == "model" else "a baseline"
    better = (
        ", which did better on these figures"
        if forecast["source"] == "baseline" and forecast["backtest"] and not _reduced(forecast)
        else ""
    )
    version = f" ({forecast['model_version']})" if forecast["model_version"] else ""
    yield f"By {forecast['model']}{version}: {who}{better}."
    history = forecast["history"]
    periods = f"{history['periods']:,} {forecast['granularity']}s"
    yield f"It goes by {history['transactions']:,} transactions in {periods}, {history['start']} to {history['end']}."


def _reduced(forecast: Mapping[str, Any]) -> bool:
    return bool(forecast["degraded"] or forecast["short_history"])


def _warn(forecast: Mapping[str, Any]) -> None:
    warnings = []
    if forecast["degraded"]:
        why = f" ({forecast['degraded_reason']})" if forecast["degraded_reason"] else ""
        warnings.append(f"The learned models are missing{why}: baselines answer until they are back.")
    if forecast["short_history"]:
        warnings.append("The history is too short to choose a model by: the last periods are repeated.")
    end = date.fromisoformat(forecast["history"]["end"])
    if datetime.now().astimezone().date() - end > timedelta(days=_OLD_DAYS) + _length(forecast):
        warnings.append(f"What it goes by ends on {end}, and the forecast begins there: `scale import` brings what is newer.")
    for line in warnings:
        _say(line, style="yellow")


def _length(forecast: Mapping[str, Any]) -> timedelta:
    return timedelta(days=_DAYS[Granularity(forecast["granularity"])])


def _backtest(forecast: Mapping[str, Any]) -> None:
    """How each candidate did on the end of the same figures."""
    scores = forecast["backtest"]
    if not scores:
        return
    times = max(one["origins"] for one in scores)
    _say(f"Tried {times} time{'s' if times != 1 else ''} on the end of the same figures (MASE 1: as good as repeating the period before):")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("  Model", no_wrap=True)
    for heading in ("MASE", "Pinball", "In the band"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in scores:
        figures = (f"{one['mase']:.2f}", f"{one['pinball']:.2f}", f"{one['coverage']:.0%}")
        whole = one["model"] == forecast["model"]
        part = "served" if whole else "part of it" if one["served"] else ""
        table.add_row(Text(f"  {one['model']}"), *map(Text, figures), Text(part), style="bold" if whole else "")
    console.print(table)


def _say_file(plot: Any) -> None:
    error_console.print(f"Drawn into {plot}.", style="dim", markup=False, soft_wrap=True)


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
