"""A desk without a broker: what run units propose is folded at once, and a worker that does what it is told."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from elexirion.agents.decide import Facts
from elexirion.agents.dispatch import Placement
from elexirion.agents.evaluated import Answer, Output, Rendered
from elexirion.agents.plan import RunPlan, StepPlan
from elexirion.agents.questions import AboutStep, Question
from elexirion.events import run, step
from elexirion.events.envelope import Record, make_decision, make_record, utc_now
from elexirion.events.values import Inline
from elexirion.events.worker import LaneOffer, WorkerHeartbeat
from elexirion.projections.admission import refusal
from elexirion.projections.evolve import begin, evolve
from elexirion.projections.fleet import Fleet, heartbeat
from elexirion.projections.run_state import RunState

WORKER = "w1.aaaa"
NAMES = ("one", "two")


class Plans:
    """Two steps in a line. `trouble` is called before each evaluation and may raise."""

    def __init__(self) -> None:
        self.trouble: Callable[[str], None] = lambda run_id: None
        self.evaluated: list[str] = []

    def plan(self, state: RunState) -> RunPlan:
        first, second = NAMES
        return RunPlan((StepPlan(first, "probe", "local"), StepPlan(second, "probe", "local", needs=(first,))))

    async def answer(self, state: RunState, question: Question) -> Answer:
        if not isinstance(question, AboutStep):
            return Output(Inline(value="all"), {})
        self.trouble(state.run_id)
        self.evaluated.append(question.path)
        return Rendered(Inline(value={"say": question.path}), question.path)

    def quick(self, state: RunState, question: Question) -> bool:
        return True


class MemoryDesk:
    """Desk over states in memory. `works`: scheduled executions complete at once; `slots` of the one worker."""

    def __init__(self, *run_ids: str, works: bool = True, slots: int = 10) -> None:
        self.states: dict[str, RunState] = {run_id: _begun(run_id) for run_id in run_ids}
        self.works = works
        self.slots = slots
        self.records: list[Record] = []
        self.waiting: list[tuple[str, frozenset[str]]] = []
        self.alarms: dict[str, datetime | None] = {}
        self.unread: set[str] = set()
        self.trouble: Callable[[str], None] = lambda run_id: None
        self.wake: Callable[[str], Any] = lambda run_id: None

    def state(self, run_id: str) -> RunState | None:
        state = self.states.get(run_id)
        return state if state and not state.ended else None

    def busy(self, run_id: str) -> bool:
        return run_id in self.unread

    def facts(self, state: RunState) -> Facts:
        self.trouble(state.run_id)
        offer = LaneOffer(lane="local", partitions=(0,), slots=self.slots)
        beat = WorkerHeartbeat(
            worker_id="w1", incarnation=WORKER, number=1, roles=("lanes",), lanes=(offer,), held=()
        )  # fmt: skip
        return Facts(now=utc_now(), author="o", placement=Placement(heartbeat(Fleet(), beat), 10.0))

    def most(self, run_id: str, lanes: set[str]) -> dict[str, int]:
        return {}

    async def propose(self, state: RunState, records: list[Record]) -> None:
        for record in records:
            self.land(record)
            if isinstance(record.data, step.StepScheduled) and self.works:
                self.complete(record.run_id, record.data)
        self.wake(state.run_id)

    def land(self, record: Record) -> None:
        """Fold what the fold accepts."""
        state = self.states[record.run_id]
        assert refusal(state, record) is None, record
        self.records.append(record)
        self.states[record.run_id] = evolve(state, record)

    def complete(self, run_id: str, scheduled: step.StepScheduled) -> None:
        """The worker's report."""
        data = step.StepCompleted(
            execution_id=scheduled.execution_id, incarnation=scheduled.incarnation, result=Inline(value="fine")
        )  # fmt: skip
        self.land(make_record(data, id=f"{scheduled.execution_id}/completed", run_id=run_id, at=utc_now()))

    async def start_others(self, state: RunState) -> bool:
        return True

    def decided(self, state: RunState, lanes: set[str], records: list[Record]) -> None:
        if lanes and not records:
            self.waiting.append((state.run_id, frozenset(lanes)))

    def alarm(self, run_id: str, due_at: datetime | None) -> None:
        self.alarms[run_id] = due_at

    def status(self, run_id: str) -> str:
        """How far the run is."""
        return self.states[run_id].status

    def types(self, run_id: str) -> list[str]:
        """The types of the run's records."""
        return [record.type for record in self.records if record.run_id == run_id]


def _begun(run_id: str) -> RunState:
    data = run.RunStarted(
        command_id="c", content_hash="h", pipeline_name="demo", definition_sha256="d", inputs={},
        definition={"steps": [{"name": name, "type": "probe"} for name in NAMES]},
    )  # fmt: skip
    return begin(make_decision(data, run_id=run_id, seq=1, prev=None, author="o", at=utc_now()))
