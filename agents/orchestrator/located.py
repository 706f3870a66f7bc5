"""Finding the step of the file that a path of a run means: names, and the turns and items between them."""

from dataclasses import dataclass

from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, ItemsStep
from elexirion.pipelines.steps.step import Step


@dataclass(frozen=True, slots=True)
class Frame:
    """A step around another one: its path, and the turn or item in it (None in a branch)."""

    step: CompositeStep
    path: str
    index: int | None


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

    @property
    def top(self) -> str:
        """The name of the step of the workflow that this is, or is inside of."""
        return self.path.partition("/")[0]


def locate(pipeline: Pipeline, path: str) -> Located:
    """The step at `path`; raises KeyError where the pipeline has none."""
    parts = path.split("/")
    handlers = any(step.name == parts[0] for step in pipeline.on_error)
    block = pipeline.on_error if handlers else pipeline.steps
    return _descend(Located(parts[0], _named(block, parts[0]), (), (BlockPlace(block, ""),)), parts[1:])


def _descend(here: Located, rest: list[str]) -> Located:
    if not rest:
        return here
    around = here.step
    if isinstance(around, ItemsStep):
        index = int(rest[0])
        frame = Frame(around, here.path, index)
        return Located(f"{here.path}/{index}", around.item_step(index), (*here.frames, frame), here.blocks)
    if not isinstance(around, CompositeStep):
        raise KeyError(f"nothing is inside of {here.path}")
    if isinstance(around, BranchStep):
        return _descend(_inside(here, around, None, rest[0]), rest[1:])
    return _descend(_inside(here, around, int(rest[0]), rest[1]), rest[2:])


def _inside(here: Located, around: CompositeStep, index: int | None, name: str) -> Located:
    block = next(block.steps for block in around.blocks() if any(step.name == name for step in block.steps))
    prefix = f"{here.path}/" if index is None else f"{here.path}/{index}/"
    frame = Frame(around, here.path, index)
    return Located(prefix + name, _named(block, name), (*here.frames, frame), (*here.blocks, BlockPlace(block, prefix)))


def _named(block: tuple[Step, ...], name: str) -> Step:
    return next(step for step in block if step.name == name)
