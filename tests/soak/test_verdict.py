"""A soak that leaks, slows down or breaks a promise is told so, and one that does not passes."""

from dataclasses import replace
from typing import Any

import pytest

from tests.soak.samples import Minute, Sample, minutes
from tests.soak.verdict import Bounds, Measured, broken, document, told

SECONDS, EVERY_S = 1800, 10


def samples(name: str = "worker", mb_per_hour: float = 0.0, fds: float = 0.0, threads: float = 0.0) -> list[Sample]:
    """Half an hour of a process that gains so much an hour."""
    hours = [at / 3600 for at in range(0, SECONDS, EVERY_S)]
    return [Sample(h * 3600, name, 100 + mb_per_hour * h, int(40 + fds * h), int(9 + threads * h)) for h in hours]


def told_minutes(slower: float = 0.0, machine: float = 0.0) -> tuple[Minute, ...]:
    """Half an hour of minutes; at its end runs take so much longer, and so does everything on the machine."""
    return tuple(
        Minute(n, 600, 80 * (1 + (slower + machine) * n / 29), 200, 3 * (1 + machine * n / 29), 0) for n in range(30)
    )


SOUND = Measured(
    seconds=SECONDS, asked_runs_per_s=10, started=18_000, ends={"RunCompleted": 18_000}, samples=tuple(samples()),
    minutes=told_minutes(), violations=0, calls=18_000, repeated=0,
)  # fmt: skip


def test_a_soak_in_which_nothing_grows_breaks_no_bound() -> None:
    assert broken(SOUND, Bounds()) == []


def test_what_is_remembered_of_ended_runs_is_within_the_bound() -> None:
    bounds = Bounds()
    may = bounds.rss_kb_per_run * SOUND.runs_per_hour / 1024 + bounds.rss_mb_per_hour
    assert broken(replace(SOUND, samples=tuple(samples(mb_per_hour=may - 0.1))), bounds) == []
    assert len(broken(replace(SOUND, samples=tuple(samples(mb_per_hour=may + 0.1))), bounds)) == 1


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"samples": (*samples("a"), *samples("b", mb_per_hour=200))}, "memory: b"),
        ({"samples": tuple(samples(fds=30))}, "files: worker"),
        ({"samples": tuple(samples(threads=12))}, "threads: worker"),
        ({"minutes": told_minutes(slower=0.6)}, "latency"),
        ({"violations": 1}, "log"),
        ({"repeated": 2}, "calls"),
        ({"ends": {"RunCompleted": 17_999, "RunFailed": 1}}, "runs"),
        ({"ends": {"RunCompleted": 17_999}}, "runs"),
    ],
)
def test_each_kind_of_trouble_is_told(fields: dict[str, Any], word: str) -> None:
    measured = replace(SOUND, **fields)
    [line] = broken(measured, Bounds())
    assert line.startswith(word)
    assert f"BROKEN {line}" in told(measured, Bounds())
    assert document(measured, Bounds())["broken"] == [line]


def test_a_machine_that_gets_busier_is_no_drift_of_ours() -> None:
    assert broken(replace(SOUND, minutes=told_minutes(machine=1.0)), Bounds()) == []


def test_a_minute_has_the_runs_that_ended_in_it_and_the_hop_of_the_same_minute() -> None:
    runs = [(1.0, 0.1), (59.0, 0.3), (61.0, 0.2), (121.0, 0.5)]
    hops, lags = [(5.0, 0.002), (70.0, 0.004)], [(5.0, 7.0), (50.0, 9.0)]
    assert minutes(runs, hops, lags, seconds=125.0) == [
        Minute(0, 2, 300.0, 300.0, 2.0, 9),
        Minute(1, 1, 200.0, 200.0, 4.0, 0),
    ]
