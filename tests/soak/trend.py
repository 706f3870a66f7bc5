"""What a series of measurements does over time: pure functions over points (seconds, value)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]

HOUR_S = 3600.0


def slope_per_hour(points: Points) -> float:
    """Least squares over the second half: what warms up does so in the first."""
    late = part(points, 1 / 2, 1.0)
    if len({at for at, _ in late}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*late, strict=True)).slope * HOUR_S


def growth(points: Points) -> float:
    """How much the last quarter lies above the second one, by their medians: what opens and closes is no growth."""
    return _median(part(points, 3 / 4, 1.0)) - _median(part(points, 1 / 4, 1 / 2))


def drift(points: Points) -> float:
    """How much the last third lies above the first one, by their medians: 0.2 is a fifth more."""
    before, after = _median(part(points, 0.0, 1 / 3)), _median(part(points, 2 / 3, 1.0))
    return after / before - 1 if before else 0.0


def part(points: Points, begin: float, end: float) -> Points:
    """The points within these shares of the whole time."""
    if not points:
        return ()
    first, span = points[0][0], points[-1][0] - points[0][0]
    return [(at, value) for at, value in points if begin * span <= at - first <= end * span]


def _median(points: Points) -> float:
    return statistics.median(value for _, value in points) if points else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; of none it is 0."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
