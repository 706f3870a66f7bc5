"""Given a run that got this far, when the orchestrator decides, then these events follow."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from elexirion.agents.decide import Facts, decide
from elexirion.agents.dispatch import Placement
from elexirion.agents.evaluated import Answer, NotPossible, Output, Rendered
from elexirion.agents.plan import NO_LIMITS, Limits, RunPlan, StepPlan
from elexirion.agents.questions import AboutOutput, AboutStep, Question
from elexirion.events.envelope import Record
from elexirion.events.step import Lane
from elexirion.events.values import Inline
from elexirion.events.worker import LaneOffer, WorkerHeartbeat
from elexirion.projections.fleet import Fleet, heartbeat

from tests.projections.partition_log import AUTHOR, WORKER, RunLog

LEASE = 10.0
OUTPUT = Output(Inline(value="all"), {"input": "all"})
SECOND = "w2.cccc"


def planned(name: str, *needs: str, **fields: Any) -> StepPlan:
    """A step of the local lane after those it needs."""
    return StepPlan(name=name, step_type="test_echo", **{"lane": "local", "needs": needs, **fields})


def fleet_of(
    *incarnations: str, slots: int = 100, held: int = 0, draining: bool = False, lanes: tuple[Lane, ...] = ("local",)
) -> Fleet:
    """Live workers that serve the local lane, or others."""
    fleet = Fleet()
    for incarnation in incarnations:
        fleet = heartbeat(fleet, WorkerHeartbeat(
            worker_id=incarnation, incarnation=incarnation, number=1, roles=("lanes",), held=(), draining=draining,
            lanes=tuple(LaneOffer(lane=lane, partitions=(0, 1, 2), slots=slots, held=held) for lane in lanes),
        ))  # fmt: skip
    return fleet


def rendered(name: str) -> Rendered:
    """What evaluating a step gave."""
    return Rendered(Inline(value={"say": name}), f"hash of {name}", f"out/{name}.md", (("p.md", "s" * 64),))


class Given(RunLog):
    """A run of a plan in its log. Every step evaluates well and one worker is there, unless told otherwise."""

    def __init__(
        self, *steps: StepPlan, on_error: tuple[StepPlan, ...] = (), limits: Limits = NO_LIMITS, **fields: Any
    ) -> None:
        self.plan = RunPlan(steps, on_error, limits)
        super().__init__(*(step.name for step in steps), **fields)

    def facts(self, **fields: Any) -> Facts:
        """What is known outside the log; `evaluations` (by path) and `answers` are added to the good ones."""
        evaluations: Mapping[str, Answer] = fields.pop("evaluations", {})
        output: Output | NotPossible | None = fields.pop("output", OUTPUT)
        answers: dict[Question, Answer] = {AboutStep(step.name): rendered(step.name) for step in self.plan.steps}
        answers |= {AboutStep(path): answer for path, answer in evaluations.items()}
        answers |= {AboutOutput(): output} if output else {}
        fleet = fields.pop("fleet", fleet_of(WORKER))
        said: dict[str, Any] = {"now": self.now, "author": AUTHOR, "placement": Placement(fleet, LEASE)}
        return Facts(**{**said, **fields, "answers": {**answers, **fields.get("answers", {})}})

    def when(self, **fields: Any) -> list[Record]:
        """The decisions that follow now; nothing is written."""
        return decide(self.state, self.plan, self.facts(**fields))

    def then(self, **fields: Any) -> list[Record]:
        """Decide and write; asserts that the fold accepts every decision."""
        records = self.when(**fields)
        for record in records:
            assert self.land(record) is None, record
        return records

    def at(self, moment: datetime) -> "Given":
        """Time has passed."""
        self.now = moment
        return self


def kinds(records: list[Record]) -> list[str]:
    """Type and step (or execution) of each record."""
    return [" ".join(filter(None, (r.type, r.raw.get("execution_id") or r.raw.get("step")))) for r in records]
