"""REL-17: chaos runs only while more than half of the error budget is left.

SCALE_CHAOS_ERROR_BUDGET, or `--error-budget`, says who knows: whatever `operations.slo` asks, the address of a Prometheus or a JSON file.
A system that an experiment starts for itself serves nobody and has nothing to spend: where nobody is named, it may.
"""

from __future__ import annotations

from operations.slo import SloProblem, policy_for, read_remaining

VARIABLE = "SCALE_CHAOS_ERROR_BUDGET"


class ChaosRefused(Exception):
    """Not now. The text says why, and what to do."""


def check_budget(source: str | None) -> None:
    """Raises ChaosRefused unless the policy for what is left of the budget allows chaos, by the word of `source`."""
    if not source:
        return
    try:
        remaining = read_remaining(source)
    except SloProblem as problem:
        raise ChaosRefused(f"Chaos is refused, because nobody knows what is left of the error budget: {problem}") from problem
    policy = policy_for(remaining)
    if not policy.may_run_chaos:
        raise ChaosRefused(
            f"Chaos is refused: {float(remaining):.1%} of the error budget is left, and it runs only above 50 %. "
            f"What holds now: {'; '.join(policy.rules)}."
        )
