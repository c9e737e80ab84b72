"""`python -m operations.slo`: how much of the error budget is left, and what may be done with it.

What is promised stands in deploy/monitoring/slo.yaml. The arithmetic is pure; only `read_remaining` asks anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

SLO_FILE = Path(__file__).resolve().parents[1] / "deploy" / "monitoring" / "slo.yaml"
BUDGET_METRIC = "scale:slo_budget_remaining:ratio"
AVAILABILITY = "availability"
_TIMEOUT_S = 5.0
_MINUTES_PER_DAY = 24 * 60
_OF_THE_PHASE = "phase"


class SloProblem(Exception):
    """Nobody can say what is left, with the reason."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds while so much of the budget is left."""

    name: str
    may_ship_features: bool
    may_run_chaos: bool
    rules: tuple[str, ...]


NORMAL = Policy("normal", True, True, ("ship normally", "run chaos experiments", "accept risk"))
SLOW = Policy("slow", True, False, ("fewer and smaller releases", "work on reliability first", "review the incidents"))
FREEZE = Policy("freeze", False, False, ("no features", "all effort on reliability", "a post-mortem"))
EXHAUSTED = Policy(
    "exhausted", False, False, ("critical fixes only", "a reliability sprint, which nobody can waive", "an architecture review")
)


def policy_for(remaining: Decimal | Fraction) -> Policy:
    """The policy for what is left, as a share of the whole budget: 1 all of it, 0 nothing, below 0 overspent. Half of it, and a quarter,
    belong to the stricter side of half, and to the milder one of a quarter."""
    if remaining > Fraction(1, 2):
        return NORMAL
    if remaining >= Fraction(1, 4):
        return SLOW
    return FREEZE if remaining > 0 else EXHAUSTED


def remaining_budget(good: int, total: int, objective: Decimal | Fraction) -> Fraction:
    """What is left of the budget after `total` events, `good` of which were: 1 without any, below 0 when more failed than may.
    Raises ValueError for counts that cannot be, and for an objective that leaves no budget."""
    if not 0 <= good <= total:
        raise ValueError(f"{good} good events of {total}: neither may be negative, and good ones are among all")
    if not 0 < objective < 1:
        raise ValueError(f"an objective lies between 0 and 1, not at {objective}: at 1 there is nothing to spend")
    if total == 0:
        return Fraction(1)
    return 1 - Fraction(total - good, total) / (1 - Fraction(objective))


def allowed_minutes(objective: Decimal | Fraction, days: int) -> Fraction:
    """How long everything may be down in so many days."""
    return (1 - Fraction(objective)) * days * _MINUTES_PER_DAY


def burn_rate(bad_ratio: Decimal | Fraction, objective: Decimal | Fraction) -> Fraction:
    """How many times faster than allowed the budget is spent: at 1 the window ends as the budget does."""
    return Fraction(bad_ratio) / (1 - Fraction(objective))


@dataclass(frozen=True, slots=True)
class Alert:
    """When somebody hears of an objective: while the share of bad events is above `bad_ratio` in both windows, and at least `least_bad`
    were bad in the long one."""

    severity: str
    bad_ratio: Fraction
    long: str
    short: str
    hold: str
    least_bad: int = 0


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise. `good` and `total` are PromQL with $window."""

    name: str
    description: str
    objective: Fraction
    good: str
    total: str
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class SloFile:
    """All promises of a phase."""

    window_days: int
    phase: int
    objectives: Mapping[str, Objective]


def read_slos(path: Path = SLO_FILE, *, phase: int | None = None) -> SloFile:
    """The promises; `phase` 1, 2 or 3, else the file's own default. Raises SloProblem naming what is wrong."""
    import yaml  # of what runs the checks, not of what runs services

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        chosen = found["default_phase"] if phase is None else phase
        of_phase = found["phases"][chosen]
        objectives = {name: _objective(name, entry, of_phase) for name, entry in found["objectives"].items()}
        return SloFile(int(found["window_days"]), int(chosen), objectives)
    except OSError as error:
        raise SloProblem(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SloProblem(f"{path} is no SLO file: {type(error).__name__} {error}") from error


def _objective(name: str, entry: Mapping[str, Any], of_phase: Mapping[str, str]) -> Objective:
    given = entry["objective"]
    objective = Fraction(of_phase[name] if given == _OF_THE_PHASE else given)
    if not 0 < objective < 1:
        raise ValueError(f"objectives.{name}.objective lies between 0 and 1, not at {objective}")
    alerts = tuple(_alert(alert, objective) for alert in entry["alerts"])
    return Objective(name, entry["description"], objective, entry["good"], entry["total"], alerts)


def _alert(entry: Mapping[str, Any], objective: Fraction) -> Alert:
    ratio = Fraction(entry["bad_ratio"]) if "bad_ratio" in entry else Fraction(entry["burn_rate"]) * (1 - objective)
    return Alert(entry["severity"], ratio, entry["long"], entry["short"], entry["for"], int(entry.get("least_bad", 0)))


def read_remaining(source: str, *, slo: str = AVAILABILITY) -> Fraction:
    """What is left of an objective's budget, from `source`: the address of a Prometheus that has our rules, or a file that holds
    {"<slo>": "0.62"}. Raises SloProblem where neither knows it: nothing known is not a whole budget."""
    text = _ask_prometheus(source, slo) if source.startswith(("http://", "https://")) else _look_into(Path(source), slo)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise SloProblem(f"{source} says that {text!r} is left of {slo}, which is no number") from None
    if not value.is_finite():
        raise SloProblem(f"{source} knows of no events of {slo} yet")
    return Fraction(value)


def _ask_prometheus(address: str, slo: str) -> str:
    query = f'{BUDGET_METRIC}{{slo="{slo}"}}'
    try:
        answer = httpx.get(f"{address.rstrip('/')}/api/v1/query", params={"query": query}, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        found = answer.json()["data"]["result"]
        if len(found) == 1:
            return str(found[0]["value"][1])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        raise SloProblem(f"{address} does not answer as Prometheus does: {type(error).__name__} {error}") from error
    raise SloProblem(f"{address} has {len(found)} values of {query}: are the rules of deploy/monitoring/rules loaded, once?")


def _look_into(path: Path, slo: str) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))[slo])
    except OSError as error:
        raise SloProblem(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise SloProblem(f'{path} does not hold {{"{slo}": "0.62"}} or the like') from error


def _tell(
    source: Annotated[str, typer.Option(help="Address of a Prometheus with our rules, or a JSON file with what is left of each.")],
    slo: Annotated[str, typer.Option(help="Which objective.")] = AVAILABILITY,
) -> None:
    """How much of the error budget is left, and what may be done with it. Status 1 when no features may be shipped, 2 when nobody knows."""
    try:
        remaining = read_remaining(source, slo=slo)
    except SloProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    policy = policy_for(remaining)
    typer.echo(f"{slo}: {float(remaining):.1%} of the error budget is left: {policy.name} ({'; '.join(policy.rules)})")
    raise typer.Exit(0 if policy.may_ship_features else 1)


if __name__ == "__main__":
    typer.run(_tell)
