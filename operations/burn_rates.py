"""`python -m operations.burn_rates`: deploy/monitoring/rules/slo.yaml, Prometheus' rules for what deploy/monitoring/slo.yaml promises.

`--check` says whether the file is current, `--phase` makes it for another phase.
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from operations.slo import BUDGET_METRIC, SLO_FILE, Alert, Objective, SloFile, SloProblem, read_slos

RULES_FILE = SLO_FILE.parent / "rules" / "slo.yaml"
RATIO_METRIC = "scale:slo_errors:ratio"
COUNT_METRIC = "scale:slo_errors:count"
_HEAD = "# Made of ../slo.yaml (phase {phase}) by python -m operations.burn_rates: change that file, and make this one anew.\n"
_WAYS = {"page": "Somebody looks now.", "ticket": "Somebody looks on the next working day."}


def rules_of(slos: SloFile) -> dict[str, Any]:
    """Groups of recording rules and alerts, as Prometheus reads them."""
    objectives = slos.objectives.values()
    return {
        "groups": [
            {"name": "scale-slo-windows", "rules": [rule for one in objectives for rule in _windows(one)]},
            # What a month says does not change from one moment to the next.
            {"name": "scale-slo-budgets", "interval": "5m", "rules": [_budget(one, slos.window_days) for one in objectives]},
            {"name": "scale-slo-alerts", "rules": [_rule(one, alert) for one in objectives for alert in one.alerts]},
        ]
    }


def _errors(objective: Objective, window: str) -> tuple[str, str]:
    """How many events were bad, and of how many; where all are, none is counted as good."""
    good, total = (Template(text).substitute(window=window) for text in (objective.good, objective.total))
    return f"(({total}) - (({good}) or vector(0)))", f"({total})"


def _windows(objective: Objective) -> list[dict[str, Any]]:
    labels = {"slo": objective.name}
    windows = dict.fromkeys(window for alert in objective.alerts for window in (alert.long, alert.short))
    counted = dict.fromkeys(alert.long for alert in objective.alerts if alert.least_bad)
    ratios = [
        {"record": f"{RATIO_METRIC}_{window}", "labels": labels, "expr": " / ".join(_errors(objective, window))} for window in windows
    ]
    counts = [{"record": f"{COUNT_METRIC}_{window}", "labels": labels, "expr": _errors(objective, window)[0]} for window in counted]
    return ratios + counts


def _budget(objective: Objective, days: int) -> dict[str, Any]:
    expression = f"1 - {' / '.join(_errors(objective, f'{days}d'))} / {float(1 - objective.objective):g}"
    return {"record": BUDGET_METRIC, "labels": {"slo": objective.name}, "expr": expression}


def _rule(objective: Objective, alert: Alert) -> dict[str, Any]:
    selector, threshold = f'{{slo="{objective.name}"}}', f"{float(alert.bad_ratio):g}"
    conditions = [f"{RATIO_METRIC}_{window}{selector} > {threshold}" for window in (alert.long, alert.short)]
    if alert.least_bad:
        conditions.append(f"{COUNT_METRIC}_{alert.long}{selector} >= {alert.least_bad}")
    name = "".join(part.capitalize() for part in objective.name.split("_"))
    return {
        "alert": f"ScaleSlo{name}{alert.severity.capitalize()}",
        "expr": " and ".join(conditions),
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": f"Over {alert.long} more than {threshold} of all events break the objective {objective.name}.",
            "description": f"{objective.description} {_WAYS[alert.severity]}",
            "runbook": "docs/slo.md",
        },
    }


def text_of(slos: SloFile) -> str:
    """The file."""
    import yaml  # of what runs the checks, not of what runs services

    body: str = yaml.safe_dump(rules_of(slos), sort_keys=False, width=1000)
    return _HEAD.format(phase=slos.phase) + body


def _write(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; status 1 where the file is not current.")] = False,
    phase: Annotated[int | None, typer.Option(min=1, max=3, help="1, 2 or 3; the file's own default otherwise.")] = None,
    to: Annotated[Path, typer.Option(help="Where to write it.")] = RULES_FILE,
) -> None:
    """Makes Prometheus' rules of what is promised."""
    try:
        text = text_of(read_slos(phase=phase))
    except SloProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    if not check:
        to.write_text(text, encoding="utf-8")
    elif not to.exists() or to.read_text(encoding="utf-8") != text:
        typer.echo(f"{to} is not what slo.yaml says: python -m operations.burn_rates", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(_write)
