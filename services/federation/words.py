"""How wide the words of masked updates are, and what one is worth: so that a sum cannot wrap, and an upload is smaller than float32."""

from __future__ import annotations

import math

from services.federation.domain import PrivacyPlan, SecureAggregationPlan

_WIDTHS = (16, 24)
"""Bits. The third width of the protocol, 32, would be no smaller than float32."""
_SIGMAS = 8.0
"""A sum with noise further out than this wraps: one in 10^15."""
_MOST_SHORTENED = 0.005
"""Rounding makes an update longer, for which it is shortened beforehand; by no more than this share."""
_MOST_ROUNDING = 0.05
"""Rounding may add this share of the noise that privacy adds."""
_FINEST = 1e-3
"""Without noise: a step of the words, in clip norms."""


def secure_aggregation_plan(
    *,
    update_length: int,
    clip_norm: float,
    privacy: PrivacyPlan | None,
    device_count: int,
    weight_cap: int,
    complete_graph_limit: int,
    neighbor_count: int,
) -> SecureAggregationPlan:
    """The narrowest words that serve sums over up to `device_count` devices. Raises ValueError where none do."""
    weight = max(weight_cap, 1)
    for bits in _WIDTHS:
        most = 2 ** (bits - 1) - 1
        # Rounding may move each number of each device by one; the rest of the range is for the sum and its noise.
        room = most - device_count * weight
        if room <= 0:
            continue
        scale = (device_count * weight * clip_norm + _SIGMAS * noise_of_sum(privacy, device_count)) / room
        if _fine_enough(scale, update_length=update_length, clip_norm=clip_norm, privacy=privacy, count=device_count):
            return SecureAggregationPlan(bits, scale, complete_graph_limit, neighbor_count, clip_norm)
    raise ValueError(f"no width of words serves {device_count} devices with updates of {update_length} numbers")


def largest_weight(device_count: int) -> int:
    """So many examples a device may count for, in a round without privacy, before the words become too coarse."""
    # Half of it, so that rounding has room.
    return max(int(_FINEST * (2 ** (_WIDTHS[-1] - 1) - 1) / 2) // device_count, 1)


def noise_of_sum(privacy: PrivacyPlan | None, device_count: int) -> float:
    """Standard deviation of each number of the sum over so many devices, each of which adds its share; in the update's own units."""
    if privacy is None:
        return 0.0
    return privacy.noise_multiplier * privacy.clip_norm * math.sqrt(device_count / privacy.noise_contributor_count)


def _fine_enough(scale: float, *, update_length: int, clip_norm: float, privacy: PrivacyPlan | None, count: int) -> bool:
    bound = clip_norm / scale
    if update_length / 4 > 2 * _MOST_SHORTENED * bound * bound:
        return False
    rounding = scale * math.sqrt(count) / 2
    if privacy is None:
        return scale <= _FINEST * clip_norm
    return rounding <= _MOST_ROUNDING * noise_of_sum(privacy, count)
