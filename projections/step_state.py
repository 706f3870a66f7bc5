"""What is known of a step and of each of its executions."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from elexirion.events.failure import Failure
from elexirion.events.step import Allowance, Shape
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value

StepStatus = Literal[
    "pending", "open", "failed", "waiting", "expanded", "timed", "asked", "child", "completed", "skipped"
]  # fmt: skip
"""`waiting` for a retry, `expanded` while what is inside runs, `timed` until `due_at`, `asked` for a signal,
`child` while a child run is under way."""
RUNNING = frozenset({"open", "child"})
"""Work is being done elsewhere: it ends by itself, and is waited for where a step fails."""
ClosedBy = Literal[
    "completed", "failed", "declined", "released", "timed_out", "orphaned", "run_ended", "left"
]  # fmt: skip
BUSY = frozenset({"open", "expanded", "timed", "asked", "child"})


@dataclass(frozen=True)
class Execution:
    """One scheduled try of a step. `closed_by` is None while it is open.

    `usage` and `cost_usd` are those of its answered calls: they count for the step only where no report of its
    end says what it used.
    """

    id: str
    step: str
    incarnation: str
    lane: str
    attempt: int
    timeout_s: float | None
    scheduled_at: datetime
    fallback: str | None = None
    allowance: Allowance | None = None
    started_at: datetime | None = None
    calls: int = 0
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
    closed_by: ClosedBy | None = None

    @property
    def open(self) -> bool:
        """Whether reports of it still count."""
        return self.closed_by is None


@dataclass(frozen=True)
class Inside:
    """What a step goes over, as its StepExpanded says; `turns` are those of a loop: why each ended, None while open.

    All items below the index `begun` have begun.
    """

    shape: Shape
    children: dict[str, str]
    items: Value | None = None
    count: int | None = None
    branch: str | None = None
    turns: dict[int, str | None] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    begun: int = 0


@dataclass(frozen=True)
class StepState:
    """A step of a run. `scheduled` counts executions, `failures` spent attempts, `crashes` workers it took along.

    `candidate` counts how often the step went on to the next one of its `fallback` list; attempts begin anew then.

    `name` is its path in the run: that of the file, or `outer/index/inner` inside of another step. `failed` means:
    the last attempt failed and nothing is decided about it yet, or (once `settled`) for good. `said` is what it
    added to its session, `answer` what a signal said to it, with `answer_value`.
    `carried_from` is the execution of another run whose result it has, or `run/step`; its usage counted there.
    """

    name: str
    step_type: str
    status: StepStatus = "pending"
    scheduled: int = 0
    failures: int = 0
    crashes: int = 0
    candidate: int = 0
    execution_id: str | None = None
    input: Value | None = None
    input_hash: str | None = None
    output_file: str | None = None
    prompt_files: tuple[tuple[str, str], ...] = ()
    due_at: datetime | None = None
    result: Value | None = None
    text_sha256: str | None = None
    chunks: int = 0
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
    model: str | None = None
    stop_reason: str | None = None
    duration_s: float | None = None
    failure: Failure | None = None
    skip_reason: str | None = None
    fallback: str | None = None
    said: Value | None = None
    inside: Inside | None = None
    ended_because: str | None = None
    answer: str | None = None
    answer_value: Any = None
    child_run_id: str | None = None
    carried_from: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def done(self) -> bool:
        """Whether the steps after it may go on (a failed step is judged by its policy, not here)."""
        return self.status in ("completed", "skipped")

    @property
    def busy(self) -> bool:
        """Whether something of it is under way now."""
        return self.status in BUSY


def add_cost(total: float | None, cost: float | None) -> float | None:
    """Sum of two costs; an unknown one makes the sum unknown, never smaller than it was."""
    return None if total is None or cost is None else total + cost
