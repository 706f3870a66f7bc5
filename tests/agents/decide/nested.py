"""Plans with steps inside of steps, and answers to whatever is asked about them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import decide_command
from elexirion.agents.evaluated import Answer, Holds, Joined, Opened, Output
from elexirion.agents.plan import Branch, Items, Loop, Repeat, RunPlan, StepPlan
from elexirion.agents.questions import AboutBreak, AboutOutput, AboutResult, AboutStep, AboutTurn, Question
from elexirion.events.record_model import RecordModel
from elexirion.events.step import Shape
from elexirion.events.values import Inline

from tests.agents.decide.given import OUTPUT, Given, planned, rendered

Opens = Mapping[str, int | str | None]
"""By the name of a step that holds others: how many items or turns it has, or which branch it takes."""


def batch(name: str, *needs: str, most: int = 10, leaf: StepPlan | None = None, **fields: Any) -> StepPlan:
    """The same leaf for each item."""
    leaves = (leaf or planned(name),)
    return StepPlan(name, "claude_batch", None, needs, None, within=Items(leaves, most), **fields)


def loop(name: str, *steps: StepPlan, needs: tuple[str, ...] = (), **fields: Any) -> StepPlan:
    """A block for each item; fields of `Loop` and of the step."""
    own = {key: fields.pop(key) for key in ("most", "stops_at_error", "skips", "breaks") if key in fields}
    return StepPlan(name, "for_loop", None, needs, None, within=Loop(steps, **own), **fields)


def repeat(name: str, *steps: StepPlan, needs: tuple[str, ...] = (), **fields: Any) -> StepPlan:
    """A block while a condition holds; fields of `Repeat` and of the step."""
    own = {key: fields.pop(key) for key in ("most_turns", "most_seconds") if key in fields}
    return StepPlan(name, "while_loop", None, needs, None, within=Repeat(steps, **own), **fields)


def switch(name: str, needs: tuple[str, ...] = (), **blocks: tuple[StepPlan, ...]) -> StepPlan:
    """One block of several."""
    return StepPlan(name, "switch", None, needs, None, within=Branch(blocks))


class Answers(dict[Question, Answer]):
    """What a test says, and else the good answer: every step is wanted, every turn runs, no loop breaks off."""

    def __init__(self, plan: RunPlan, opens: Opens, said: Mapping[Question, Answer | None]) -> None:
        super().__init__({question: answer for question, answer in said.items() if answer is not None})
        self._unknown = {question for question, answer in said.items() if answer is None}
        self._plan, self._opens = plan, opens

    def get(self, question: Question, default: Any = None) -> Any:
        if question in self or question in self._unknown:
            return super().get(question)
        match question:
            case AboutStep(path):
                return self._about(path)
            case AboutTurn():
                return Holds(True)
            case AboutBreak():
                return Holds(False)
            case AboutResult(path, because):
                return Joined(Inline(value={"of": path, "because": because}))
            case AboutOutput():
                return OUTPUT

    def _about(self, path: str) -> Answer:
        step = step_of(self._plan, path)
        if step.within is None:
            return rendered(path)
        opens = self._opens.get(step.name, None if isinstance(step.within, Branch) else 1)
        return opened(step, opens)


def opened(step: StepPlan, opens: int | str | None) -> Opened:
    """What a step that holds others goes over."""
    match step.within:
        case Items():
            assert isinstance(opens, int)
            return Opened("items", {"": "test_echo"}, Inline(value=list(range(opens))), opens)
        case Loop():
            assert isinstance(opens, int)
            return Opened("loop", _children(step.within.steps), Inline(value=list(range(opens))), opens)
        case Repeat():
            return Opened("repeat", _children(step.within.steps))
        case Branch():
            assert opens is None or isinstance(opens, str)
            every = [inner for block in step.within.blocks.values() for inner in block]
            shape: Shape = "branch"
            return Opened(shape, _children(tuple(every)), branch=opens)
        case None:
            raise AssertionError(f"{step.name} holds no steps")


def _children(steps: tuple[StepPlan, ...]) -> dict[str, str]:
    return {step.name: step.step_type for step in steps}


def step_of(plan: RunPlan, path: str) -> StepPlan:
    """The plan of the step at `path`."""
    name, *rest = path.split("/")
    found = next(step for step in (*plan.steps, *plan.on_error) if step.name == name)
    while rest:
        match found.within:
            case Items():
                found = found.within.leaf(int(rest.pop(0)))
            case Loop() | Repeat():
                name, rest = rest[1], rest[2:]
                found = next(step for step in found.within.steps if step.name == name)
            case Branch():
                name, rest = rest[0], rest[1:]
                every = [inner for block in found.within.blocks.values() for inner in block]
                found = next(step for step in every if step.name == name)
            case None:
                raise KeyError(path)
    return found


class Nested(Given):
    """A run of a plan with steps inside of steps; `opens` says what each of those goes over."""

    def __init__(self, *steps: StepPlan, opens: Opens | None = None, **fields: Any) -> None:
        self.opens: Opens = opens or {}
        super().__init__(*steps, **fields)

    def facts(self, **fields: Any) -> Facts:
        """As before; `evaluations` are by path, `answers` by question; an answer None is not known yet."""
        evaluations: Mapping[str, Answer | None] = fields.pop("evaluations", {})
        said: dict[Question, Answer | None] = {AboutStep(path): answer for path, answer in evaluations.items()}
        output: Output | None = fields.pop("output", OUTPUT)
        said |= {AboutOutput(): output, **fields.pop("answers", {})}
        return replace(super().facts(**fields), answers=Answers(self.plan, self.opens, said))

    def finish(self, *paths: str) -> None:
        """The newest execution of each of these ends well."""
        for path in paths:
            assert self.complete(path) is None, path

    def through(self, **fields: Any) -> list[str]:
        """Decide and let every open execution end well, until nothing more happens; the terminal, if it came."""
        while self.then(**fields) or self.state.opened:
            if self.state.ended:
                break
            for execution in self.state.open_executions():
                self.finish(execution.step)
        return [record.type for record, _ in self.records if record.type.startswith("Run")]

    def told(self, command: RecordModel, command_id: str) -> str:
        """A command reaches the run: what becomes of it, decided and written."""
        assert self.receive(command, command_id) is None
        (pending,) = self.fold.pending.values()
        outcome = decide_command(pending, command, self.state, None, None, self.facts())
        assert self.land(outcome) is None
        return outcome.type if outcome.type != "CommandRejected" else str(outcome.raw["reason_code"])
