"""What a decision looks at: a run's state and plan, and the facts from outside of the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from elexirion.agents.dispatch import Placement
from elexirion.agents.evaluated import Answer
from elexirion.agents.plan import RunPlan
from elexirion.agents.questions import Question
from elexirion.projections.run_state import RunState

BATCH = 64


@dataclass(frozen=True, slots=True)
class Lost:
    """Why an open execution is given up; `ran_s` as in StepOrphaned."""

    reason: Literal["lease_expired", "worker_left", "lane_dropped"]
    ran_s: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that comes from outside the log's state.

    `sent` holds ids of commands whose append was acknowledged; `most` limits what one decision places on a lane.
    `jitter` is in [0, 1).
    """

    now: datetime
    author: str
    placement: Placement
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    lost: Mapping[str, Lost] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    most: Mapping[str, int] = field(default_factory=dict)
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """One look at a run. `placed` counts executions placed in this very decision, by (incarnation, lane).

    Every question that is looked up is noted in `asked`, so that what is missing can be evaluated, and in `lanes`
    the lane of every step that may start, whatever the answer about it will be.
    """

    state: RunState
    plan: RunPlan
    facts: Facts
    placed: Mapping[tuple[str, str], int]
    asked: set[Question] = field(default_factory=set)
    lanes: set[str] = field(default_factory=set)

    def answer(self, question: Question) -> Answer | None:
        """What is known of the question."""
        self.asked.add(question)
        return self.facts.answers.get(question)
