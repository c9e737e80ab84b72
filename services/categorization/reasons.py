"""Why a payment is what it is, in words for the user."""

from __future__ import annotations

from datetime import date, datetime

from models.hypcd.merchant import merchant_key
from models.hypcd.personal import Basis
from models.knowledge.brands import match_brand
from services.categorization.columns import day_of
from services.categorization.decide import Decided
from services.categorization.domain import Categories, Payment, Verdict
from services.categorization.personal_model import PersonalModel
from services.categorization.protocols import Model

_LEAST_NAMED = 0.05


def name_of(slug: str, categories: Categories) -> str:
    """As people read it."""
    found = categories.get(slug)
    return found.name if found is not None else slug.replace("_", " ").capitalize()


def of_correction(category: str, said_at: datetime | None, categories: Categories) -> list[str]:
    """The user has said what this very payment is."""
    return [f"You put this payment into {name_of(category, categories)}{f' on {said_at.date()}' if said_at is not None else ''}."]


def of_rule(verdict: Verdict, categories: Categories) -> list[str]:
    """A rule of the user's says so."""
    return [f"Your rule “{verdict.rule_name}” puts it into {name_of(verdict.category, categories)}."]


def of_decision(decided: Decided, row: int, payment: Payment, categories: Categories, model: Model) -> list[str]:
    """The user's corrections of other payments, the model, or the rules in its place."""
    likeliest = name_of(decided.categories[decided.best[row]], categories) if len(decided.categories) else ""
    confidence = decided.confidence[row]
    if decided.abstained[row]:
        return [_abstained(likeliest, confidence, model.threshold)]
    reasons = []
    if decided.personal[row]:
        reasons.append(_personal(decided, row, payment, likeliest))
    if decided.by_rules[row] and decided.whys:
        reasons.append(decided.whys[row])
    if not decided.by_rules[row] and not decided.personal[row]:
        reasons += [*_known(decided, row, payment, categories), _looks_like(decided, row, categories, model)]
    return reasons or [f"{likeliest} is likeliest: {confidence:.0%}."]


def _abstained(likeliest: str, confidence: float, threshold: float) -> str:
    if confidence <= 0:
        return "Nothing is known that resembles it."
    return f"{likeliest} is likeliest, but with {confidence:.0%} not likely enough: {threshold:.0%} are needed."


def _personal(decided: Decided, row: int, payment: Payment, likeliest: str) -> str:
    evidence = decided.evidence[row]
    name = payment.merchant.strip() or evidence.merchant_key.title() or payment.description.strip()[:60]
    if evidence.basis is Basis.MERCHANT:
        return f"You put {name} into {likeliest} {_times(evidence.count)}{_last(evidence.last_day)}."
    if evidence.basis is Basis.SIMILAR:
        return f"It resembles {evidence.merchant_key.title()}, which you put into {likeliest} {_times(evidence.count)}."
    return f"Your payments like it are mostly {likeliest}."


def _known(decided: Decided, row: int, payment: Payment, categories: Categories) -> list[str]:
    """What the world knows of the merchant, else the rules of the words, where it says the same."""
    brand = match_brand(merchant_key(payment.merchant, payment.description))
    chosen = decided.categories[decided.best[row]]
    if brand is not None and chosen in categories and brand.category in (chosen, categories[chosen].primary_slug):
        return [f"{brand.name} is known for {name_of(brand.category, categories)}."]
    return [decided.whys[row]] if decided.whys and decided.whys[row] else []


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _last(day: int | None) -> str:
    if day is None:
        return ""
    found: date = day_of(day)
    return f", last for one of {found}"


def _looks_like(decided: Decided, row: int, categories: Categories, model: Model) -> str:
    likeliest = name_of(decided.categories[decided.best[row]], categories)
    near = [f"{name_of(slug, categories)} ({likely:.0%})" for slug, likely in decided.others(row)[:2] if likely >= _LEAST_NAMED]
    also = f"; next come {' and '.join(near)}" if near else ""
    own = ", as the model sees it that was trained on what you have said" if isinstance(model, PersonalModel) else ""
    return f"Its text and amount are nearest to {likeliest} ({decided.confidence[row]:.0%}){own}{also}."
