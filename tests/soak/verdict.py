"""The bounds of a soak, and which of them what was measured breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.soak.samples import Minute, Sample, by_process
from tests.soak.trend import HOUR_S, drift, growth, slope_per_hour


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a process may gain. Memory grows with what is remembered of ended runs (docs/storms.md), and little else."""

    rss_mb_per_hour: float = 4.0
    rss_kb_per_run: float = 1.5
    fds: int = 3
    threads: int = 1
    drift: float = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a soak saw. `violations` are those of check-log, `repeated` call ids that a provider got twice."""

    seconds: float
    asked_runs_per_s: float
    started: int
    ends: dict[str, int]
    samples: tuple[Sample, ...]
    minutes: tuple[Minute, ...]
    violations: int
    calls: int
    repeated: int
    held_back: int = 0
    events: int = 0
    check_s: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def runs_per_hour(self) -> float:
        """At which rate it really went."""
        return self.started / self.seconds * HOUR_S if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Course:
    """One process over the whole soak."""

    process: str
    rss_mb_first: float
    rss_mb_last: float
    rss_mb_per_hour: float
    rss_kb_per_run: float
    fds_growth: float
    threads_growth: float


def courses(measured: Measured) -> list[Course]:
    """What each process did."""
    fds, threads = by_process(measured.samples, "fds"), by_process(measured.samples, "threads")
    found = []
    for name, rss in sorted(by_process(measured.samples, "rss_mb").items()):
        slope = slope_per_hour(rss)
        per_run = slope * 1024 / measured.runs_per_hour if measured.runs_per_hour else 0.0
        found.append(
            Course(name, rss[0][1], rss[-1][1], slope, per_run, growth(fds[name]), growth(threads[name]))
        )  # fmt: skip
    return found


def latency_drift(measured: Measured) -> tuple[float, float]:
    """Of the median time of a run: in hops of the same minute, and as it is."""
    return (
        drift([(one.number, one.hops) for one in measured.minutes]),
        drift([(one.number, one.p50_ms) for one in measured.minutes]),
    )


def broken(measured: Measured, bounds: Bounds) -> list[str]:
    """Each bound that does not hold, in words; an empty list is what a soak is for."""
    return [
        *(line for course in courses(measured) for line in _of_process(course, measured, bounds)),
        *_of_latency(measured, bounds),
        *_of_the_log(measured),
    ]


def _of_process(course: Course, measured: Measured, bounds: Bounds) -> Iterator[str]:
    may = bounds.rss_mb_per_hour + bounds.rss_kb_per_run * measured.runs_per_hour / 1024
    if course.rss_mb_per_hour > may:
        yield f"memory: {course.process} gains {course.rss_mb_per_hour:.1f} MB/h, and may gain {may:.1f}"
    if course.fds_growth > bounds.fds:
        yield f"files: {course.process} has {course.fds_growth:g} descriptors more, and may have {bounds.fds}"
    if course.threads_growth > bounds.threads:
        yield f"threads: {course.process} has {course.threads_growth:g} more, and may have {bounds.threads}"


def _of_latency(measured: Measured, bounds: Bounds) -> Iterator[str]:
    in_hops, _ = latency_drift(measured)
    if in_hops > bounds.drift:
        yield f"latency: a run takes {in_hops:.0%} more hops in the last third, and may take {bounds.drift:.0%}"


def _of_the_log(measured: Measured) -> Iterator[str]:
    other = {name: count for name, count in measured.ends.items() if name != "RunCompleted"}
    if other or measured.ends.get("RunCompleted", 0) != measured.started:
        yield f"runs: of {measured.started} these ends are seen: {measured.ends}"
    if measured.violations:
        yield f"log: check-log finds {measured.violations} violations"
    if measured.repeated:
        yield f"calls: {measured.repeated} call ids reached the provider twice"


def document(measured: Measured, bounds: Bounds) -> dict[str, Any]:
    """For `--json`."""
    in_hops, as_it_is = latency_drift(measured)
    return {
        "broken": broken(measured, bounds),
        "seconds": measured.seconds, "runs": measured.started, "ends": measured.ends,
        "asked_runs_per_s": measured.asked_runs_per_s, "held_back": measured.held_back,
        "processes": [asdict(course) for course in courses(measured)],
        "latency_drift": {"hops": in_hops, "ms": as_it_is},
        "minutes": [asdict(one) for one in measured.minutes],
        "events": measured.events, "violations": measured.violations, "check_s": measured.check_s,
        "calls": measured.calls, "repeated_calls": measured.repeated,
    }  # fmt: skip


def told(measured: Measured, bounds: Bounds) -> str:
    """For people."""
    in_hops, as_it_is = latency_drift(measured)
    lines = [
        f"{measured.started} runs in {measured.seconds:.0f} s ({measured.asked_runs_per_s:.1f} a second asked for, "
        f"{measured.held_back} held back), ends: {measured.ends}",
        *(
            f"{one.process}: {one.rss_mb_first:.0f} to {one.rss_mb_last:.0f} MB, {one.rss_mb_per_hour:+.1f} MB/h in "
            f"the second half ({one.rss_kb_per_run:+.2f} kB a run), descriptors {one.fds_growth:+g}, "
            f"threads {one.threads_growth:+g}"
            for one in courses(measured)
        ),
        *(
            f"minute {one.number + 1}: {one.runs} runs, p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f} ms, "
            f"hop {one.hop_ms:.1f} ms, lag {one.lag}"
            for one in measured.minutes
        ),
        f"latency, last third against first: {in_hops:+.0%} in hops, {as_it_is:+.0%} in ms",
        f"log: {measured.events} events, {measured.violations} violations (checked in {measured.check_s:.0f} s)",
        f"provider: {measured.calls} calls, {measured.repeated} repeated",
        *(f"BROKEN {line}" for line in broken(measured, bounds)),
    ]
    return "\n".join(lines)
