"""What is known at each place of a workflow: which steps are over by then, and which names its loops give."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from elexirion.pipelines.draft import Draft, DraftStep, Findings
from elexirion.pipelines.graph import ancestors, dependencies_of
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.steps.composite import CompositeStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.set_variable import SetVariableStep
from elexirion.pipelines.uses import Use

Placed = tuple[Use, KeyPath, "Place"]


@dataclass(frozen=True, slots=True)
class Setter:
    """A step that sets a variable, and the loop (by its path) with whose turn the variable ends."""

    step: str
    loop: KeyPath | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name is used: the step (None for `output` and the like), and what is known there."""

    step: str | None
    over: Set[str]
    """Steps of the block that are over by then."""
    holders: Mapping[str, str] = field(default_factory=dict)
    """The step of the block that each step inside of one stands in.

    When it is over, so may be what it holds: a step of a loop without turns, or of another case, never ran.
    """
    turn: frozenset[str] = frozenset()
    """Steps of the loop's own turns, for the conditions of a loop."""
    outside: "Place | None" = None
    """What is known where the block begins."""
    local_names: frozenset[str] = frozenset()
    loops: frozenset[KeyPath] = frozenset()
    """The loops around the place."""
    around: frozenset[str] = frozenset()
    """The steps around the place."""

    def sees(self, step: str) -> bool:
        if step in self.over or step in self.turn or self.holders.get(step) in self.over:
            return True
        return self.outside is not None and self.outside.sees(step)

    def sees_variable_of(self, setter: Setter) -> bool:
        return self.sees(setter.step) and (setter.loop is None or setter.loop in self.loops)


@dataclass(frozen=True, slots=True)
class Known:
    """All names of one workflow."""

    draft: Draft
    steps: frozenset[str]
    setters: dict[str, list[Setter]]
    fields: dict[str, list[str]]
    """The steps that give each output field."""
    findings: Findings

    def anywhere(self) -> Place:
        """The place of a text that is read when the run ends."""
        return Place(None, self.steps)


def known_names(draft: Draft, findings: Findings) -> Known:
    """The names of the steps, and of what they set."""
    setters: dict[str, list[Setter]] = {}
    fields: dict[str, list[str]] = {}
    for step, loop in _with_loops((*draft.steps, *draft.on_error), None):
        for name in step.step.output_fields() if step.step else ():
            fields.setdefault(name, []).append(step.step.name if step.step else "")
        for variable in step.step.sets() if step.step else ():
            setters.setdefault(variable, []).append(_setter(step, loop))
    names = frozenset(step.name for step in draft.all_steps() if step.name is not None)
    return Known(draft, names, setters, fields, findings)


def _with_loops(steps: tuple[DraftStep, ...], loop: KeyPath | None) -> Iterator[tuple[DraftStep, KeyPath | None]]:
    for step in steps:
        yield step, loop
        for block in step.blocks:
            yield from _with_loops(block.steps, step.path if _is_loop(step) else loop)


def _setter(step: DraftStep, loop: KeyPath | None) -> Setter:
    ends_with_turn = isinstance(step.step, SetVariableStep) and step.step.scope == "loop"
    return Setter(step.name or "", loop if ends_with_turn else None)


def _is_loop(step: DraftStep) -> bool:
    # Of a step that is wrong itself it is known by its names alone.
    return isinstance(step.step, LoopStep | RepeatStep) or (step.step is None and "loop" in step.local_names)


def places(draft: Draft) -> Iterator[Placed]:
    """Everything that the steps use, each with its key path and what is known there."""
    yield from _block(draft.steps, Place(None, frozenset()))
    main = frozenset(name for step in draft.steps for name in _names(step))
    yield from _block(draft.on_error, Place(None, main, local_names=frozenset(["error"])))


def _block(steps: tuple[DraftStep, ...], outside: Place) -> Iterator[Placed]:
    above = ancestors(dependencies_of([(step.name, step.needs) for step in steps if step.name is not None]))
    holders = {inner: step.name for step in steps if step.name is not None for inner in _names(step)}
    for step in steps:
        over = above.get(step.name or "", frozenset())
        yield from _step(step, replace(outside, step=step.name, over=over, holders=holders, outside=outside))


def _step(step: DraftStep, place: Place) -> Iterator[Placed]:
    for use in step.step.uses() if step.step else ():
        yield use, (*step.path, *use.path), place
    inner = replace(
        place,
        local_names=place.local_names | step.local_names,
        loops=place.loops | {step.path} if _is_loop(step) else place.loops,
        around=place.around | {step.name or ""},
    )
    if isinstance(step.step, CompositeStep):
        turn = replace(inner, turn=frozenset(_names(step)) - {step.name or ""})
        for use in step.step.inner_uses():
            yield use, (*step.path, *use.path), turn
    for block in step.blocks:
        yield from _block(block.steps, inner)


def _names(step: DraftStep) -> Iterator[str]:
    """The step and all steps inside it."""
    return (one.name for one in (step, *step.inside()) if one.name is not None)
