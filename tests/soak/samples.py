"""What is measured while a soak runs, and the documents that are made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.soak.trend import Points, percentile

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process, with its children, `at` seconds after the load began."""

    at: float
    process: str
    rss_mb: float
    fds: int
    threads: int


@dataclass(frozen=True, slots=True)
class Minute:
    """Runs that ended in it: how many, and their times in milliseconds beside that of a hop through Kafka."""

    number: int
    runs: int
    p50_ms: float
    p99_ms: float
    hop_ms: float
    lag: int

    @property
    def hops(self) -> float:
        """The median time of a run in hops of the same minute, which knows how busy the machine is."""
        return self.p50_ms / self.hop_ms if self.hop_ms else 0.0


def by_process(samples: Iterable[Sample], field: str) -> dict[str, Points]:
    """The course of one figure for each process."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in samples:
        found[one.process].append((one.at, float(getattr(one, field))))
    return dict(found)


def minutes(runs: Points, hops: Points, lags: Points, seconds: float, every_s: float = MINUTE_S) -> list[Minute]:
    """The whole minutes of a load that took `seconds`.

    From points of its runs' times and of hops (seconds), and of its lag (records).
    """
    columns: Sequence[dict[int, list[float]]] = [_in_minutes(points, every_s) for points in (runs, hops, lags)]
    ended, hop, lag = columns
    return [
        Minute(
            number, len(ended[number]), percentile(ended[number], 0.5) * 1000, percentile(ended[number], 0.99) * 1000,
            percentile(hop.get(number, []), 0.5) * 1000, int(max(lag.get(number, [0.0]))),
        )
        for number in sorted(ended)
        if (number + 1) * every_s <= seconds
    ]  # fmt: skip


def _in_minutes(points: Points, every_s: float) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for at, value in points:
        found[int(at // every_s)].append(value)
    return dict(found)
