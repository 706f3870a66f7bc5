"""What a series of measurements does over time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.trend import HOUR_S, drift, growth, percentile, slope_per_hour

HOUR = [10.0 * n for n in range(361)]
NOISE = random.Random(1)


def noisy(value: float, by: float) -> float:
    return value + NOISE.uniform(-by, by)


def test_a_leak_is_found_under_noise_that_is_larger_than_its_steps() -> None:
    points = [(at, noisy(100 + 20 * at / HOUR_S, 2)) for at in HOUR]
    assert slope_per_hour(points) == pytest.approx(20, abs=2)


def test_what_only_warms_up_has_no_slope() -> None:
    points = [(at, 100 + min(at, 1500) / 10) for at in HOUR]
    assert slope_per_hour(points) == pytest.approx(0)


@given(st.floats(-50, 50), st.floats(0, 1000))
def test_the_slope_of_a_line_is_its_slope(per_hour: float, from_: float) -> None:
    assert slope_per_hour([(at, from_ + per_hour * at / HOUR_S) for at in HOUR]) == pytest.approx(per_hour, abs=1e-6)


@pytest.mark.parametrize("points", [[], [(0.0, 5.0)], [(1.0, 5.0), (1.0, 9.0)]])
def test_too_little_has_no_slope(points: list[tuple[float, float]]) -> None:
    assert slope_per_hour(points) == 0


def test_descriptors_that_are_never_closed_are_growth() -> None:
    assert growth([(at, 40 + at // 300) for at in HOUR]) == pytest.approx(6, abs=1)


def test_connections_that_come_and_go_are_no_growth() -> None:
    assert growth([(at, 40 + (at // 10) % 7) for at in HOUR]) == 0


def test_a_fifth_more_in_the_last_third_is_a_drift_of_a_fifth() -> None:
    assert drift([(n, 100.0 if n < 20 else 120.0) for n in range(30)]) == pytest.approx(0.2)


def test_one_slow_minute_is_no_drift() -> None:
    assert drift([(n, 900.0 if n == 28 else 100.0) for n in range(30)]) == 0


def test_of_nothing_there_is_no_drift() -> None:
    assert drift([]) == 0


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51, 100, 100)
    assert percentile([], 0.5) == 0
