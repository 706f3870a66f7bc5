"""Finding the step of the file that a path of a run means: names, and the turns and items between them."""

from dataclasses import dataclass, replace

from elexirion.pipelines.graph import ancestors, dependencies_of
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, ItemsStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.step import Step


@dataclass(frozen=True, slots=True)
class Frame:
    """A step around another one: its path, and the turn or item in it (None in a branch)."""

    step: CompositeStep
    path: str
    index: int | None

    @property
    def one_by_one(self) -> bool:
        """Whether each of its turns is over before the next begins."""
        return isinstance(self.step, RepeatStep) or (
            isinstance(self.step, LoopStep) and self.step.most_in_flight() == 1
        )


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Steps beside each other, and what their paths begin with."""

    steps: tuple[Step, ...]
    prefix: str


@dataclass(frozen=True, slots=True)
class Located:
    """A step with all that is around it, outermost first; `blocks` has one more than `frames`, but for an item."""

    path: str
    step: Step
    frames: tuple[Frame, ...]
    blocks: tuple[BlockPlace, ...]
    handles_error: bool = False
    """Whether it belongs to `on_error`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The step's name in each of its blocks: those of the steps around it, and its own."""
        return (*(frame.step.name for frame in self.frames), self.step.name)


def locate(pipeline: Pipeline, path: str) -> Located:
    """The step at `path`; raises KeyError where the pipeline has none."""
    parts = path.split("/")
    handlers = any(step.name == parts[0] for step in pipeline.on_error)
    block = pipeline.on_error if handlers else pipeline.steps
    return _descend(Located(parts[0], _named(block, parts[0]), (), (BlockPlace(block, ""),), handlers), parts[1:])


def certainly_over(one: Located, other: Located) -> bool:
    """Whether `one` is over whenever `other` starts, by the file alone: whatever may be over by then does not count."""
    if one.handles_error != other.handles_error:
        return other.handles_error
    for level, (block, name, here) in enumerate(zip(one.blocks, one.names, other.names, strict=False)):
        if name != here:
            return name in ancestors(dependencies_of([(s.name, s.needs) for s in block.steps])).get(here, ())
        if level >= len(one.frames) or level >= len(other.frames):
            return False
        turn, now = one.frames[level], other.frames[level]
        if turn.index is not None and now.index is not None and turn.index != now.index:
            return turn.index < now.index and turn.one_by_one
    return False


def _descend(here: Located, rest: list[str]) -> Located:
    if not rest:
        return here
    around = here.step
    if isinstance(around, ItemsStep):
        index = int(rest[0])
        frame = Frame(around, here.path, index)
        return replace(here, path=f"{here.path}/{index}", step=around.item_step(index), frames=(*here.frames, frame))
    if not isinstance(around, CompositeStep):
        raise KeyError(f"nothing is inside of {here.path}")
    if isinstance(around, BranchStep):
        return _descend(_inside(here, around, None, rest[0]), rest[1:])
    return _descend(_inside(here, around, int(rest[0]), rest[1]), rest[2:])


def _inside(here: Located, around: CompositeStep, index: int | None, name: str) -> Located:
    block = next(block.steps for block in around.blocks() if any(step.name == name for step in block.steps))
    prefix = f"{here.path}/" if index is None else f"{here.path}/{index}/"
    frame = Frame(around, here.path, index)
    blocks = (*here.blocks, BlockPlace(block, prefix))
    return replace(here, path=prefix + name, step=_named(block, name), frames=(*here.frames, frame), blocks=blocks)


def _named(block: tuple[Step, ...], name: str) -> Step:
    return next(step for step in block if step.name == name)
