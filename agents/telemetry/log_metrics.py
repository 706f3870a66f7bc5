"""Metrics made of the log: `/metrics` shows the tallies as they stand, with nothing counted on the side.

Each series carries its `partition`. It appears with its whole count where a partition is gained and is gone where it
is lost, so that `rate` and `increase` see neither a burst nor a reset when partitions move between processes.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.telemetry.tallies import Tallies
from elexirion.projections.tally import SECONDS, Durations, Tally
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BOUNDS = tuple(f"{bound:g}" if bound % 1 else f"{bound:.1f}" for bound in SECONDS)

Family = CounterMetricFamily | HistogramMetricFamily


class LogMetrics(Collector):
    """Counts of what the fold accepted, refused or could not read, and the runs that are open now."""

    def __init__(self, owned: Mapping[int, Owned], tallies: Tallies) -> None:
        self._owned = owned
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        """All families, those without a value too."""
        families = _families()
        for partition, tally in self._tallies:
            _fill(families, str(partition), tally)
        yield from families.values()
        yield self._open_runs()
        yield self._partitions()
        yield self._unsaved()

    def _open_runs(self) -> Metric:
        family = GaugeMetricFamily(
            "pipeline_runs_open",
            "Runs without a terminal event; held: left to a newer program.",
            labels=["status", "partition"],
        )  # fmt: skip
        for partition, owned in sorted(self._owned.items()):
            if owned.caught_up:
                for status in ("running", "paused"):
                    count = sum(state.status == status for state in owned.fold.runs.values())
                    family.add_metric([status, str(partition)], count)
                family.add_metric(["held", str(partition)], len(owned.fold.held))
        return family

    def _unsaved(self) -> Metric:
        family = GaugeMetricFamily(
            "elexirion_log_unsaved_records",
            "Records that no snapshot holds: whoever takes over reads them.",
            labels=["partition"],
        )  # fmt: skip
        for partition, owned in sorted(self._owned.items()):
            if owned.caught_up:
                family.add_metric([str(partition)], owned.unsaved)
        return family

    def _partitions(self) -> Metric:
        family = GaugeMetricFamily(
            "elexirion_log_partitions", "Partitions of the log this process decides for.", labels=["state"]
        )
        caught_up = sum(owned.caught_up for owned in self._owned.values())
        family.add_metric(["live"], caught_up)
        family.add_metric(["catching_up"], len(self._owned) - caught_up)
        return family


def _families() -> dict[str, Family]:
    return {
        "steps": _counter("pipeline_steps", "Attempts of steps that ended, by how.", "step_type", "status"),
        "step_durations": _histogram("pipeline_step_duration_seconds", "Time of ended attempts.", "step_type"),
        "retries": _counter("pipeline_step_retries", "Further attempts that were scheduled.", "step_type"),
        "cache_hits": _counter("pipeline_cache_hits", "Answers that were taken from the cache.", "step_type"),
        "lost": _counter("pipeline_executions_lost", "Executions that came back without an answer.", "reason"),
        "runs": _counter("pipeline_runs", "Runs that started, and how runs ended.", "status"),
        "calls": _counter("pipeline_provider_calls", "Calls of providers that ended.", "provider", "model", "outcome"),
        "call_durations": _histogram(
            "pipeline_provider_call_duration_seconds", "Time of calls of providers.", "provider", "model"
        ),
        "first_chunks": _histogram(
            "pipeline_time_to_first_token_seconds", "Time until the first streamed text.", "provider", "model"
        ),
        "tokens": _counter("pipeline_tokens", "Tokens as providers counted them.", "provider", "model", "kind"),
        "cost_usd": _counter(
            "pipeline_cost_usd", "Cost of calls with a known price, in US dollars.", "provider", "model"
        ),
        "unpriced": _counter(
            "pipeline_unpriced_calls", "Calls that used tokens of unknown price.", "provider", "model"
        ),
        "accepted": _counter("elexirion_log_records_accepted", "Records that count."),
        "refused": _counter("elexirion_log_records_refused", "Records without effect, by why.", "reason"),
        "unread": _counter("elexirion_log_records_unreadable", "Records of the log that could not be read."),
    }  # fmt: skip


def _counter(name: str, about: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, about, labels=[*labels, "partition"])


def _histogram(name: str, about: str, *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, about, labels=[*labels, "partition"])


def _fill(families: dict[str, Family], partition: str, tally: Tally) -> None:
    for name, family in families.items():
        for labels, value in _values(getattr(tally, name)):
            if isinstance(family, HistogramMetricFamily):
                family.add_metric([*labels, partition], _cumulative(value), value.total_s)
            else:
                family.add_metric([*labels, partition], value)


def _values(counted: Any) -> Iterable[tuple[tuple[str, ...], Any]]:
    """A single count, or counts by one label or several."""
    if not isinstance(counted, dict):
        return [((), counted)]
    return [(key if isinstance(key, tuple) else (key,), value) for key, value in counted.items()]


def _cumulative(durations: Durations) -> list[tuple[str, float]]:
    return list(zip((*BOUNDS, "+Inf"), map(float, accumulate(durations.buckets)), strict=True))
