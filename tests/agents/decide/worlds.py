"""Any small pipeline with steps inside of steps, and a fate by which it runs to its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from elexirion.agents.decide import Facts, decide
from elexirion.agents.evaluated import Answer, Assigned, Calling, Holds, NotPossible, NotWanted, Sleeping
from elexirion.agents.plan import Branch, Items, Loop, Repeat, RunPlan, StepPlan
from elexirion.agents.questions import AboutBreak, AboutStep, AboutTurn, Question
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events import run, step
from elexirion.events.canonical import content_hash
from elexirion.events.commands import ChildEnded, RunSource
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.values import Inline
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Execution
from hypothesis import strategies as st

from tests.agents.decide.given import planned
from tests.agents.decide.nested import Answers, Nested, Opens, batch, loop, repeat, step_of, switch
from tests.projections.partition_log import failure

ONCE = RetryRule(max_attempts=2, base_delay_ms=1)


@dataclass(frozen=True)
class World:
    """A plan, what its steps go over, and the file it could have come from."""

    steps: tuple[StepPlan, ...]
    on_error: tuple[StepPlan, ...]
    opens: Opens


@dataclass
class _Names:
    """Names of a world's steps: each is used once."""

    opens: dict[str, int | str | None] = field(default_factory=dict)
    count: int = 0

    def next(self) -> str:
        self.count += 1
        return f"s{self.count}"


@st.composite
def worlds(draw: st.DrawFn, *, tame: bool = False) -> World:
    """Small nested plans; in tame ones no failure and no condition keeps another step from its turn."""
    names = _Names()
    steps = _block(draw, names, 0, tame)
    on_error = _block(draw, names, 1, tame) if not tame and draw(st.booleans()) else ()
    return World(steps, on_error, names.opens)


def _block(draw: st.DrawFn, names: _Names, depth: int, tame: bool) -> tuple[StepPlan, ...]:
    steps: list[StepPlan] = []
    for _ in range(draw(st.integers(1, 4 if depth == 0 else 2))):
        needs = tuple(before.name for before in steps if draw(st.booleans()))
        built = _step(draw, names, depth, tame)
        if built.step_type == "set_variable" and draw(st.booleans()):  # it is set whenever another step is done
            steps.append(planned(names.next(), *needs, continue_on_error=True))
            needs = (steps[-1].name,)
        steps.append(replace(built, needs=needs, continue_on_error=tame or draw(st.booleans())))
    return tuple(steps)


def _step(draw: st.DrawFn, names: _Names, depth: int, tame: bool) -> StepPlan:
    name = names.next()
    kinds = ["leaf", "leaf", "set", "set", "delay", "child"]
    kinds += ["loop", "loop", "batch", "repeat", "switch"] if depth < 2 else []
    match draw(st.sampled_from(kinds)):
        case "leaf":
            return planned(name, retry=ONCE)
        case "batch":
            names.opens[name] = draw(st.integers(0, 3))
            return batch(name, most=draw(st.integers(1, 3)), leaf=planned(name, retry=ONCE))
        case "loop":
            names.opens[name] = draw(st.integers(0, 2))
            stops, breaks = (False, False) if tame else (draw(st.booleans()), draw(st.booleans()))
            inner, most, skips = _block(draw, names, depth + 1, tame), draw(st.integers(1, 2)), draw(st.booleans())
            return loop(name, *inner, most=most, stops_at_error=stops, skips=skips, breaks=breaks)
        case "repeat":
            return repeat(name, *_block(draw, names, depth + 1, tame), most_turns=draw(st.integers(1, 2)))
        case "switch":
            names.opens[name] = draw(st.sampled_from([None, "x", "y"]))
            blocks = {key: _block(draw, names, depth + 1, tame) for key in ("x", "y")}
            return switch(name, **blocks)
        case kind:
            return StepPlan(name, {"set": "set_variable", "child": "pipeline"}.get(kind, kind), None, timeout_s=None)


@dataclass(frozen=True)
class Fate:
    """What becomes of each thing, by its name alone: never by when it happens. `trouble` in percent."""

    seed: int
    trouble: int

    def draw(self, *about: Any) -> int:
        return int(content_hash([self.seed, *map(str, about)])[:8], 16) % 100

    def troubled(self, *about: Any) -> bool:
        return self.draw("trouble", *about) < self.trouble

    def answer(self, question: Question, kind: str) -> Answer | None:
        """What a question comes to; None for the usual answer."""
        match question:
            case AboutTurn() | AboutBreak() if self.troubled(question):
                return NotPossible(Failure(kind="evaluation", message="no"))
            case AboutTurn():
                return Holds(self.draw(question) < 70)
            case AboutBreak():
                return Holds(self.draw(question) < 30)
            case AboutStep(path) if self.troubled(question):
                return NotPossible(Failure(kind="evaluation", message="no"))
            case AboutStep(path) if self.draw(question) < 10:
                return NotWanted("no")
            case AboutStep(path):
                return self._of_step(path, kind)
            case _:
                return None

    def _of_step(self, path: str, kind: str) -> Answer | None:
        match kind:
            case "set_variable":
                return Assigned({"v": path, f"v{self.draw(path) % 2}": path}, "global")
            case "delay":
                return Sleeping(5.0)
            case "pipeline":
                return Calling(Inline(value={}), {}, RunSource(), 1e6)
            case _:
                return None


class Fated(Answers):
    """Answers that fate decides."""

    def __init__(self, fate: Fate, plan: RunPlan, opens: Opens, said: Mapping[Question, Answer | None]) -> None:
        super().__init__(plan, opens, said)
        self._fate = fate

    def get(self, question: Question, default: Any = None) -> Any:
        kind = step_of(self._plan, question.path).step_type if isinstance(question, AboutStep) else ""
        return self._fate.answer(question, kind) or super().get(question)


class Told(Nested):
    """A run of a world whose fate is known."""

    def __init__(self, world: World, fate: Fate) -> None:
        self.fate = fate
        definition = {"name": "sample", "steps": _written(world.steps), "on_error": _written(world.on_error)}
        super().__init__(*world.steps, on_error=world.on_error, opens=world.opens, definition=definition)

    def facts(self, **fields: Any) -> Facts:
        return replace(super().facts(**fields), answers=Fated(self.fate, self.plan, self.opens, {}))

    def something_ends(self, choice: int) -> list[Record]:
        """Of all executions and child runs that are under way, one ends; nothing where there is none."""
        under_way = [*self.state.opened, *self.state.children]
        if not under_way:
            return []
        one = under_way[choice % len(under_way)]
        return [self._end(self.state.executions[one]) if one in self.state.opened else self._child_end(one)]

    def _end(self, execution: Execution) -> Record:
        n = int(execution.id.rpartition("#")[2])
        said = {"execution_id": execution.id, "incarnation": execution.incarnation}
        if not self.fate.troubled(execution.id):
            return self.reported(self.completed(execution.step, execution.incarnation, n, value=execution.step))
        passing = self.fate.draw(execution.id, "kind") < 50
        why = failure("overloaded") if passing else failure("auth", "no key")
        return self.reported(step.StepFailed(**said, failure=why, cost_usd=0.01))

    def _child_end(self, path: str) -> Record:
        child = self.state.children[path]
        fine = not self.fate.troubled(child.run_id)
        said = ChildEnded(child_run_id=child.run_id, step=path, status="completed" if fine else "failed",
                          result=Inline(value=path) if fine else None)  # fmt: skip
        command_id = f"{child.run_id}/ended"
        self.receive(said, command_id)
        return self.decision(run.ChildRunEnded(command_id=command_id, **said.model_dump()))

    def time_passes(self) -> bool:
        """Nothing else happens: the next thing falls due; False where there is none."""
        due = [known.due_at for known in self.state.steps.values() if known.due_at and not known.done]
        due = [moment for moment in due if moment > self.now]
        if due:
            self.at(min(due))
        return bool(due)


def _written(steps: Sequence[StepPlan]) -> list[dict[str, Any]]:
    """Steps of a file that such plans could have come from."""
    return [
        {"name": one.name, "type": one.step_type, "needs": list(one.needs), **_written_within(one)} for one in steps
    ]


def _written_within(one: StepPlan) -> dict[str, Any]:
    match one.within:
        case Loop() | Repeat():
            return {"steps": _written(one.within.steps)}
        case Branch():
            return {"cases": {key: _written(block) for key, block in one.within.blocks.items()}}
        case Items() | None:
            return {}


def drive(log: Told, choices: Sequence[int], cuts: Sequence[int] = ()) -> None:
    """Drive the run to its end; of all that may happen the n-th choice happens, of the n-th batch a part is lost."""
    for n in range(2_000):
        if log.state.ended:
            return
        records = decide(log.state, log.plan, log.facts())
        for record in records[: cuts[n]] if n < len(cuts) else records:
            assert log.land(record) is None, f"the fold refuses {record.type}"
        if records:
            continue
        ended = log.something_ends(choices[n] if n < len(choices) else 0)
        for record in ended:
            assert log.land(record) is None
        if not ended:
            assert log.time_passes(), f"the run is stuck: {stuck_at(log.state)}"
    raise AssertionError("the run does not end")


def stuck_at(state: RunState) -> dict[str, str]:
    return {path: known.status for path, known in state.steps.items()}
