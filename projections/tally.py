"""Counts for metrics: a fold over what the fold of a partition accepted, so that replaying the log gives them again.

Every label is bounded: step types are those of the language, models the first MODELS of a partition in log order,
the rest closed vocabularies. Names of pipelines and ids of runs are no labels.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache

from elexirion.events import provider, run, step
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.envelope import Record
from elexirion.events.usage import Usage
from elexirion.projections.partition import Accepted, Verdict
from elexirion.projections.run_state import RunState

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper bounds of the buckets of every duration, in seconds."""

MODELS = 20
"""Distinct pairs of provider and model that are told apart; later ones are counted as OTHER."""

OTHER = "other"

Model = tuple[str, str]
"""Provider and model."""


@dataclass(slots=True)
class Durations:
    """A histogram: how many fell into each bucket of SECONDS (and above them all), and their sum in seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.total_s += seconds


@dataclass(slots=True)
class Tally:
    """The counts of one partition; `take` and `unreadable` are the only ways to change them.

    `steps` counts attempts by type and how they ended, `lost` executions that came back without an answer and are
    scheduled anew, `cache_hits` answers that were stored ones, `runs` what began and how it ended. `unpriced` calls
    used tokens whose price is unknown.
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    step_durations: defaultdict[str, Durations] = field(default_factory=lambda: defaultdict(Durations))
    retries: Counter[str] = field(default_factory=Counter)
    cache_hits: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    tokens: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    cost_usd: defaultdict[Model, float] = field(default_factory=lambda: defaultdict(float))
    unpriced: Counter[Model] = field(default_factory=Counter)
    call_durations: defaultdict[Model, Durations] = field(default_factory=lambda: defaultdict(Durations))
    first_chunks: defaultdict[Model, Durations] = field(default_factory=lambda: defaultdict(Durations))
    models: set[Model] = field(default_factory=set)

    def unreadable(self) -> None:
        """A record of the log could not be read."""
        self.unread += 1

    def take(self, record: Record, verdict: Verdict, before: RunState | None) -> None:
        """Count one record; `before` is its run before it."""
        if not isinstance(verdict, Accepted):
            self.refused[verdict.reason] += 1
            return
        self.accepted += 1
        if before is not None:
            self._count(record, before)
        elif record.type == "RunStarted":
            self.runs["started"] += 1

    def _count(self, record: Record, before: RunState) -> None:
        match record.data:
            case provider.ProviderResponded():
                self._responded(record.data)
            case step.StepCompleted() | step.StepFailed():
                status = "completed" if isinstance(record.data, step.StepCompleted) else "failed"
                self._ended(_type_of_execution(before, record.data.execution_id), status, record.data.duration_s)
            case step.StepTimedOut():
                self._ended(_type_of_execution(before, record.data.execution_id), "timed_out", record.data.timeout_s)
            case step.StepOrphaned() | step.StepReleased() | step.StepDeclined():
                self.lost[record.type.removeprefix("Step").lower()] += 1
            case step.StepRetryScheduled():
                self.retries[_type_of(before, record.data.step)] += 1
            case step.CacheHit():
                self.cache_hits[_type_of_execution(before, record.data.execution_id)] += 1
            case _:
                self._decided(record, before)

    def _decided(self, record: Record, before: RunState) -> None:
        """Steps that run nowhere end by decisions; and so do runs."""
        match record.data:
            case run.VariablesSet():
                self._ended(_type_of(before, record.data.step), "completed", 0.0)
            case step.StepConcluded():
                self._over(record, before, record.data.step, "completed")
            case step.StepRefused():
                self._over(record, before, record.data.step, "failed")
            case run.ChildRunEnded() if before.schedule is None:
                self._over(record, before, record.data.step, "completed" if _went_well(record.data) else "failed")
            case step.StepSkipped():
                self.steps[_type_of(before, record.data.step), "skipped"] += 1
            case run.ErrorHandlingStarted():
                self._cut_off(before)
            case _ if record.type in TERMINAL_NAMES:
                self.runs[record.type.removeprefix("Run").lower()] += 1
                self._cut_off(before)

    def _ended(self, step_type: str, status: str, seconds: float) -> None:
        self.steps[step_type, status] += 1
        self.step_durations[step_type].add(seconds)

    def _over(self, record: Record, before: RunState, path: str, status: str) -> None:
        known = before.steps.get(path)
        began = known.started_at if known and known.started_at else record.at
        self._ended(_type_of(before, path), status, max(0.0, (record.at - began).total_seconds()))

    def _cut_off(self, before: RunState) -> None:
        for known in before.steps.values():
            if known.busy:
                self.steps[_bounded(known.step_type), "cancelled"] += 1

    # -- providers

    def _responded(self, data: provider.ProviderResponded) -> None:
        model = self._model(data.provider, data.model)
        self.calls[(*model, data.failure.kind if data.failure else "ok")] += 1
        self.call_durations[model].add(data.duration_s)
        if data.first_chunk_s is not None:
            self.first_chunks[model].add(data.first_chunk_s)
        for kind, count in _by_kind(data.usage).items():
            if count:
                self.tokens[(*model, kind)] += count
        if data.cost_usd is not None:
            self.cost_usd[model] += data.cost_usd
        elif any(_by_kind(data.usage).values()):
            self.unpriced[model] += 1

    def _model(self, provider_name: str, model: str) -> Model:
        pair = (provider_name, model)
        if pair not in self.models:
            if len(self.models) >= MODELS:
                return (OTHER, OTHER)
            self.models.add(pair)
        return pair


def _went_well(data: run.ChildRunEnded) -> bool:
    return data.status == "completed" and data.failure is None


def _by_kind(usage: Usage) -> dict[str, int]:
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
    }


def _type_of_execution(before: RunState, execution_id: str) -> str:
    execution = before.executions.get(execution_id)
    return _type_of(before, execution.step) if execution else OTHER


def _type_of(before: RunState, path: str) -> str:
    known = before.steps.get(path)
    return _bounded(known.step_type) if known else OTHER


def _bounded(step_type: str) -> str:
    return step_type if step_type in _step_types() else OTHER


@cache
def _step_types() -> frozenset[str]:
    from elexirion.pipelines.steps.registry import STEP_TYPES  # the whole language: only for who counts steps

    return frozenset(STEP_TYPES)
