"""Steps that contain steps: what each says about itself, so that one engine runs them all.

A composite step runs nowhere. When it is ready it is *expanded*: what it goes over is evaluated once and
recorded; then the steps inside run, and when they are over their results are joined. Four shapes are enough:
items (the same leaf step for each of several values), loop (a block for each item), repeat (a block while a
condition holds), branch (one block of several). A step inside has a path, `outer/index/inner` in a loop,
`outer/index` for an item, `outer/inner` in a branch; names are unique in the whole file, paths in a run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.steps.step import Rendering, Step
from elexirion.pipelines.uses import Use


@dataclass(frozen=True, slots=True)
class Part:
    """How one part of a composite step ended: an item's execution, or one turn of a loop.

    `result` is the item's result, or the result of the last step that completed in the turn; `steps` the
    results of all steps of a turn by name. `key` is the item's id, or its index as text.
    """

    index: int
    key: str
    status: Literal["completed", "failed", "skipped"]
    result: Any = None
    error: str | None = None
    steps: dict[str, Any] | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """Steps inside a step: where they stand in it, and under which key (of a switch) they are chosen."""

    path: KeyPath
    steps: tuple[Step, ...]
    key: str = ""


class CompositeStep(Step, frozen=True):
    """A step with steps inside; it has no lane and no time limit of its own."""

    def blocks(self) -> tuple[Block, ...]:
        """Its nested steps as written; a block's `path` is relative to the step."""
        return ()

    def local_names(self) -> frozenset[str]:
        """Names that exist within it alone, such as `item` and `loop`."""
        return frozenset()

    def inner_uses(self) -> Iterator[Use]:
        """What is evaluated anew for each item or turn, besides the steps of its blocks; `uses` has the rest."""
        yield from ()

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        """Nothing: no worker runs it."""
        return {}


class ItemsStep(CompositeStep, frozen=True):
    """The same kind of leaf step for each of several values: `claude_batch`, `parallel_claude`."""

    def most_in_flight(self) -> int:
        """How many items may run at the same time."""
        raise NotImplementedError

    def local_names(self) -> frozenset[str]:
        return frozenset(["item", "loop"])

    def items(self, rendering: Rendering) -> list[dict[str, Any]]:
        """What is gone over, as JSON: `{"id": text, "item": value}` each; raises TemplateError."""
        raise NotImplementedError

    def item_step(self, index: int) -> Step:
        """The leaf step of the index-th item, not rendered yet: it is rendered with `item` and `loop` in scope."""
        raise NotImplementedError

    def item_steps(self) -> tuple[Step, ...]:
        """The leaf steps of all items where the file says how many there are, else one that stands for all."""
        return (self.item_step(0),)

    def joined(self, parts: Sequence[Part]) -> Any:
        """The step's result, from its parts in the order of the items."""
        raise NotImplementedError


class LoopStep(CompositeStep, frozen=True):
    """A block of steps for each item of a list: `for_loop`."""

    def local_names(self) -> frozenset[str]:
        return frozenset(["item", "loop", self.iterator_name()])

    def most_in_flight(self) -> int:
        """How many turns may run at the same time; 1 for a loop that is not parallel."""
        raise NotImplementedError

    def iterator_name(self) -> str:
        """The name of the present item in templates, besides `item` and `loop.item`."""
        raise NotImplementedError

    def stops_at_error(self) -> bool:
        """Whether a failed turn fails the loop; otherwise it is noted in the result and the loop goes on."""
        raise NotImplementedError

    def break_when(self) -> Any:
        """A condition, tested after each turn with the turn's names in scope: the loop ends where it holds."""
        raise NotImplementedError

    def skip_when(self) -> Any:
        """A condition, tested before each turn with the item in scope: the turn is left out where it holds."""
        raise NotImplementedError

    def most_turns(self) -> int | None:
        """Items after which the loop ends, however many more there are; None for all of them."""
        raise NotImplementedError

    def items(self, rendering: Rendering) -> list[Any]:
        """The whole list, of which the loop goes over `most_turns`; raises TemplateError."""
        raise NotImplementedError

    def joined(self, parts: Sequence[Part], ended_because: str) -> Any:
        """The step's result; `ended_because` is "completed", "break", "max_iterations" or "error"."""
        raise NotImplementedError


class RepeatStep(CompositeStep, frozen=True):
    """A block of steps while a condition holds: `while_loop`.

    Its `condition` is tested before each turn, with `loop` in scope and the results of the turn before.
    """

    def local_names(self) -> frozenset[str]:
        return frozenset(["loop"])

    def most_turns(self) -> int:
        """Turns after which the loop ends, whatever its condition says."""
        raise NotImplementedError

    def most_seconds(self) -> float | None:
        """Seconds after which no further turn begins."""
        raise NotImplementedError

    def joined(self, parts: Sequence[Part], ended_because: str) -> Any:
        """The step's result; `ended_because` is "condition", "max_iterations", "timeout" or "error"."""
        raise NotImplementedError


class BranchStep(CompositeStep, frozen=True):
    """One block of several: `switch`."""

    def chosen(self, rendering: Rendering) -> str | None:
        """The key of the block to run, which may hold no step; None where nothing fits. Raises TemplateError."""
        raise NotImplementedError

    def joined(self, key: str | None, part: Part | None) -> Any:
        """The step's result."""
        raise NotImplementedError


def nested(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps and all steps inside them, each before what it holds."""
    for step in steps:
        yield step
        if isinstance(step, CompositeStep):
            for block in step.blocks():
                yield from nested(block.steps)


def names_within(loop: CompositeStep) -> tuple[str, ...]:
    """Names that the turns of a loop leave behind: of the steps inside it, and of what they set."""
    inside = [step for block in loop.blocks() for step in nested(block.steps)]
    names = (name for step in inside for name in (step.name, *step.sets(), *step.output_fields()))
    return tuple(dict.fromkeys(names))
