"""The state of a run: everything the log says of it up to one position."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from elexirion.events.carried import Carried
from elexirion.events.commands import Parent, PipelineReference, Replay, RunSource
from elexirion.events.failure import Failure
from elexirion.events.priority import Priority
from elexirion.events.run import BudgetExceeded
from elexirion.events.schedule import FiredBy
from elexirion.events.session import TurnsSaid
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from elexirion.projections.schedule_state import ScheduleState
from elexirion.projections.step_state import Execution, StepState

RunStatus = Literal["running", "paused", "completed", "failed", "cancelled", "quarantined"]


@dataclass(frozen=True, slots=True)
class Successor:
    """The next run of a chain, asked for by a command whose id follows from this run."""

    run_id: str
    command_id: str
    inputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Child:
    """A run that a step of this one started and waits for, by the decision of the number `seq`.

    `command_id` is that of its StartRun.
    """

    run_id: str
    command_id: str
    step: str
    pipeline: Value
    source: RunSource
    inputs: dict[str, Any]
    due_at: datetime | None
    seq: int


@dataclass(frozen=True, slots=True)
class Failing:
    """Why the run will fail once the steps of `on_error` are over."""

    failure: Failure
    step: str | None


@dataclass(frozen=True)
class RunState:
    """Everything the log says of a run up to one position.

    `seq` and `last` are number and id of the last accepted decision; `position` counts accepted records;
    `digest` chains the data of all of them, so that no byte of one can change unseen. `setters` names the step that
    set each of the `variables`. `children` are the child runs under way, by the step that waits for them, and
    `left_children` those that nobody waits for any more. `begun` counts steps that were ever given to a worker;
    `opened` are the ids of open executions, each with the ids of the reports of it that counted, and `live` the paths
    of steps inside others that began and are neither done nor left. `turned_seq` is the number of the decision that
    last paused the run or let it go on, `parent_seq` that of the parent's decision which last asked for it.
    `started_at` is never before `start_at`, where the run was to wait for a time; until then nothing begins. A
    `schedule` has no steps of its own: runs of its pipeline do, each `fired_by` it.
    """

    run_id: str
    pipeline_name: str
    definition: dict[str, Any] = field(repr=False)
    definition_sha256: str
    inputs: dict[str, Any]
    source: RunSource
    then: tuple[PipelineReference, ...]
    previous_run_id: str | None
    tags: dict[str, str]
    offline: bool
    correlation_id: str | None
    started_at: datetime
    seq: int
    last: str
    position: int
    digest: str
    steps: dict[str, StepState]
    executions: dict[str, Execution] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    setters: dict[str, str] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    left_children: tuple[str, ...] = ()
    begun: int = 0
    opened: dict[str, tuple[str, ...]] = field(default_factory=dict)
    live: dict[str, None] = field(default_factory=dict)
    parent: Parent | None = None
    replay_from: Replay | None = None
    retry_of: str | None = None
    fork_of: str | None = None
    carried: Carried | None = None
    shared_turns: tuple[TurnsSaid, ...] = ()
    failing: Failing | None = None
    exceeded: BudgetExceeded | None = None
    warned: tuple[str, ...] = ()
    last_completed: str | None = None
    current_step: str | None = None
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
    successor: Successor | None = None
    status: RunStatus = "running"
    result: Value | None = None
    failure: Failure | None = None
    failed_step: str | None = None
    context_hash: str | None = None
    ended_at: datetime | None = None
    turned_seq: int | None = None
    parent_seq: int | None = None
    start_at: datetime | None = None
    schedule: ScheduleState | None = None
    fired_by: FiredBy | None = None
    priority: Priority = "normal"

    @property
    def ended(self) -> bool:
        """Whether a terminal event was accepted."""
        return self.status not in ("running", "paused")

    def waits_until(self, now: datetime) -> datetime | None:
        """The time for which the run waits before its first step; None where that has come."""
        return self.start_at if self.start_at is not None and self.start_at > now else None

    def awaits(self, step: str, run_id: str) -> bool:
        """Whether it waits for the end of another run: that of a step, or, by its stamp, one that it fired."""
        known = self.schedule.open.get(step) if self.schedule else self.children.get(step)
        return known is not None and known.run_id == run_id

    def open_executions(self) -> list[Execution]:
        """Executions whose reports still count, in the order of their scheduling."""
        return [self.executions[id] for id in self.opened]
