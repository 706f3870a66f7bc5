"""What holds for every pipeline, every outcome, and two orchestrators that both believe to be the only one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from elexirion.agents.decide import Facts, Lost, decide
from elexirion.agents.evaluated import NotWanted
from elexirion.agents.plan import StepPlan
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events import step
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.commands import PipelineReference
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.projections.context import context_hash
from elexirion.projections.run_fold import RunFold
from elexirion.projections.step_state import Execution
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.decide.given import Given, planned
from tests.projections.partition_log import failure

Ending = Literal["ok", "transient", "permanent", "declined", "released", "lost"]
ENDINGS: Sequence[Ending] = ("ok", "ok", "ok", "ok", "transient", "permanent", "declined", "released", "lost")
FAILURES: dict[str, Failure] = {"transient": failure("overloaded"), "permanent": failure("auth", "no key")}


@st.composite
def pipelines(draw: st.DrawFn) -> list[StepPlan]:
    """Steps that need some of those before them."""
    names = "abcde"[: draw(st.integers(1, 5))]
    return [
        planned(
            name, *(before for before in names[:n] if draw(st.booleans())), continue_on_error=draw(st.booleans()),
            retry=RetryRule(max_attempts=draw(st.integers(1, 3))),
        )
        for n, name in enumerate(names)
    ]  # fmt: skip


@dataclass
class Story:
    """What happens to each execution, by the order in which they are scheduled; well, once it is told out."""

    endings: list[Ending]
    unwanted: frozenset[str] = frozenset()

    def of(self, n: int) -> Ending:
        return self.endings[n] if n < len(self.endings) else "ok"


STORIES = st.builds(
    Story, st.lists(st.sampled_from(ENDINGS), max_size=12), st.frozensets(st.sampled_from("abcde"), max_size=2)
)


def facts(log: Given, story: Story, **more: Any) -> Facts:
    unwanted = {name: NotWanted("no") for name in story.unwanted}
    sent = frozenset({log.state.successor.command_id} if log.state.successor else ())
    return log.facts(evaluations=unwanted, sent=sent, **more)


def report(log: Given, execution: Execution, ending: Ending) -> Record | None:
    """What the worker says in the end; None where it is lost."""
    said: dict[str, Any] = {"execution_id": execution.id, "incarnation": execution.incarnation}
    match ending:
        case "ok":
            data: Any = log.completed(execution.step, execution.incarnation, int(execution.id.rpartition("#")[2]))
        case "transient" | "permanent":
            data = step.StepFailed(**said, failure=FAILURES[ending], cost_usd=0.01)
        case "declined":
            data = step.StepDeclined(**said, reason="full")
        case "released":
            data = step.StepReleased(**said)
        case "lost":
            return None
    return log.reported(data)


def next_due(log: Given) -> None:
    """Nothing else happens: time passes until the next retry."""
    log.at(min(known.due_at for known in log.state.steps.values() if known.due_at))


def step_by_step(log: Given, story: Story, cuts: Sequence[int] = ()) -> None:
    """Drive the run to its end, one thing at a time; the n-th batch is cut off after `cuts[n]` records."""
    for batch in range(400):
        if log.state.ended:
            return
        records = decide(log.state, log.plan, facts(log, story)) or happen(log, story)
        for record in records[: cuts[batch]] if batch < len(cuts) else records:
            assert log.land(record) is None
    raise AssertionError("the run does not end")


def happen(log: Given, story: Story) -> list[Record]:
    """Nothing is left to decide: the oldest open execution ends, or time passes."""
    for n, execution in enumerate(log.state.executions.values()):
        if execution.open and story.of(n) == "lost":
            return decide(log.state, log.plan, facts(log, story, lost={execution.id: Lost("worker_left")}))
        said = report(log, execution, story.of(n)) if execution.open else None
        if said:
            return [said]
    next_due(log)
    return []


def accepted(log: Given) -> list[Record]:
    return [record for (record, _), refused in zip(log.records, log.refusals, strict=True) if refused is None]


def check(log: Given) -> None:
    """The promises to users, over the accepted records."""
    kinds = [record.type for record in accepted(log)]
    assert sum(kind in TERMINAL_NAMES for kind in kinds) == 1
    assert kinds[-1] in TERMINAL_NAMES
    assert kinds.count("ChildRunStarted") <= 1
    results: Counter[str] = Counter()
    scheduled: Counter[str] = Counter()
    over: set[str] = set()
    needs = {planned.name: planned for planned in log.plan.steps}
    for record in accepted(log):
        match record.data:
            case step.StepScheduled() as data:
                scheduled[data.execution_id] += 1
                for before in needs[data.step].needs:
                    assert before in over or needs[before].continue_on_error
            case step.StepCompleted() as data:
                name = data.execution_id.rpartition("#")[0].rpartition("/")[2]
                results[name] += 1
                over.add(name)
            case step.StepSkipped() as data:
                over.add(data.step)
    assert all(n == 1 for n in results.values()), "a step has one accepted result at most"
    assert all(n == 1 for n in scheduled.values()), "an execution is scheduled once"
    if kinds[-1] == "RunCompleted":
        assert over | {p.name for p in log.plan.steps if p.continue_on_error} >= {p.name for p in log.plan.steps}
    for each in log.plan.steps:
        assert log.state.steps[each.name].failures <= each.retry.max_attempts
    assert log.state.open_executions() == []


@settings(max_examples=60, deadline=None)
@given(pipelines(), STORIES)
def test_every_run_ends_with_what_the_promises_say(plan: list[StepPlan], story: Story) -> None:
    log = Given(*plan)
    step_by_step(log, story)
    check(log)
    assert not any(log.refusals), "nobody disturbed it"


@settings(max_examples=60, deadline=None)
@given(pipelines(), STORIES, st.lists(st.integers(0, 3), max_size=8))
def test_from_any_prefix_of_a_batch_the_run_reaches_the_same_context(
    plan: list[StepPlan], story: Story, cuts: list[int]
) -> None:
    whole, cut = Given(*plan), Given(*plan)
    step_by_step(whole, story)
    step_by_step(cut, story, cuts)
    assert context_hash(cut.state) == context_hash(whole.state)
    assert cut.state == whole.state


class Rival:
    """An orchestrator that has read the log up to `read`."""

    def __init__(self, name: str, log: Given) -> None:
        self.name = name
        self._log = log
        self._fold = RunFold()
        self.read = 0
        self.catch_up(len(log.records))

    def catch_up(self, count: int) -> None:
        upto = min(len(self._log.records), self.read + count)
        for record, at in self._log.records[self.read : upto]:
            self._fold.take(record, at)
        self.read = upto

    def decide(self, story: Story, lost: dict[str, Lost]) -> list[Record]:
        assert self._fold.state is not None
        said = replace(facts(self._log, story, lost=lost), author=self.name)
        return decide(self._fold.state, self._log.plan, said)


@settings(max_examples=80, deadline=None)
@given(pipelines(), STORIES, st.data())
def test_two_rivals_and_a_lying_network_leave_one_end_and_one_result_a_step(
    plan: list[StepPlan], story: Story, data: st.DataObject
) -> None:
    log = Given(*plan, then=(PipelineReference(pipeline="next"),))
    rivals = [Rival("o1", log), Rival("o2", log)]
    under_way: list[Record] = []
    for _ in range(data.draw(st.integers(0, 80))):
        log.now += timedelta(seconds=1)
        match data.draw(st.sampled_from(["read", "read", "decide", "decide", "work", "work", "land", "land", "land"])):
            case "read":
                data.draw(st.sampled_from(rivals)).catch_up(data.draw(st.sampled_from([1, 3, 100])))
            case "decide":
                gone = {e: Lost("lease_expired", 1.0) for e in data.draw(st.sets(st.sampled_from(
                    sorted(log.state.executions) or ["none"]), max_size=1))}  # fmt: skip
                batch = data.draw(st.sampled_from(rivals)).decide(story, gone)
                under_way += batch[: data.draw(st.integers(0, 4))]
            case "work" if log.state.executions:
                n = data.draw(st.integers(0, len(log.state.executions) - 1))
                said = report(log, list(log.state.executions.values())[n], story.of(n))
                under_way += [said] * data.draw(st.integers(1, 2)) if said else []
            case "land" if under_way:
                n = data.draw(st.integers(0, len(under_way) - 1))
                log.land(under_way[n] if data.draw(st.booleans()) else under_way.pop(n))
            case _:
                pass
    for record in under_way:
        log.land(record)
    step_by_step(log, Story([], story.unwanted))
    for record in under_way:
        log.land(record)
    check(log)
    for rival in rivals:
        rival.catch_up(len(log.records))
        assert rival.decide(story, {}) == []
