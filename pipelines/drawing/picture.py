"""What a drawing shows: boxes with what they need, in groups, groups within boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elexirion.pipelines.condition_text import condition_text
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.claude_batch import ClaudeBatchStep
from elexirion.pipelines.steps.composite import CompositeStep, RepeatStep
from elexirion.pipelines.steps.for_loop import ForLoopStep
from elexirion.pipelines.steps.parallel_claude import ParallelClaudeStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.steps.switch import SwitchStep


@dataclass(frozen=True, slots=True)
class Box:
    """A step: what it waits for, the condition under which it runs, and what is inside of it."""

    name: str
    type: str
    needs: tuple[str, ...] = ()
    condition: str | None = None
    about: str | None = None
    """What a step with steps inside does with them, or which file it runs."""
    groups: "tuple[Group, ...]" = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Boxes that may need one another; `title` is empty where the box around them says enough."""

    title: str
    boxes: tuple[Box, ...]

    def layers(self) -> tuple[tuple[Box, ...], ...]:
        """The boxes by the earliest moment at which they can run; those of one layer need not wait for each other."""
        depth = dict.fromkeys((box.name for box in self.boxes), 0)
        needed_by: dict[str, list[str]] = {name: [] for name in depth}
        missing = {box.name: len(box.needs) for box in self.boxes}
        for box in self.boxes:
            for need in box.needs:
                needed_by[need].append(box.name)
        ready = [name for name, count in missing.items() if not count]
        for name in ready:  # grows while it is gone through
            for following in needed_by[name]:
                depth[following] = max(depth[following], depth[name] + 1)
                missing[following] -= 1
                if not missing[following]:
                    ready.append(following)
        layers: list[list[Box]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
        for box in self.boxes:
            layers[depth[box.name]].append(box)
        return tuple(map(tuple, layers))


def picture_of(pipeline: Pipeline) -> tuple[Group, ...]:
    """The pipeline, the steps that handle its failure, and the pipelines that follow it."""
    groups = [_group(pipeline.name, pipeline.steps)]
    if pipeline.on_error:
        groups.append(_group("on_error", pipeline.on_error))
    for following in pipeline.then:
        first, *others = picture_of(following)
        groups += [Group(f"then {first.title}", first.boxes), *others]
    return tuple(groups)


def _group(title: str, steps: Sequence[Step]) -> Group:
    needs = dependencies_of([(step.name, step.needs) for step in steps])
    return Group(title, tuple(_box(step, needs[step.name]) for step in steps))


def _box(step: Step, needs: tuple[str, ...]) -> Box:
    repeated = isinstance(step, RepeatStep)
    condition = None if repeated or step.condition is None else condition_text(step.condition)
    return Box(step.name, step.type, needs, condition, _about(step), _groups(step))


def _about(step: Step) -> str | None:
    match step:
        case ForLoopStep():
            source = step.over if step.data_source is None else step.data_source
            at_once = f", {step.max_parallel} at once" if step.parallel else ""
            return f"for each {step.iterator_name()} of {_source(source)}{at_once}"
        case RepeatStep():
            return f"while {condition_text(step.condition)}"
        case SwitchStep():
            return f"by {_source(step.expression)}"
        case ClaudeBatchStep() if step.over is not None:
            return f"for each item of {_source(step.over)}, {step.most_in_flight()} at once"
        case ClaudeBatchStep():
            return f"{step.most_in_flight()} at once"
        case PipelineStep(pipeline_file=str() as file):
            return f"runs {file}"
        case _:
            return None


def _groups(step: Step) -> tuple[Group, ...]:
    match step:
        case PipelineStep(pipeline=Pipeline() as child):
            return picture_of(child)
        case ParallelClaudeStep():
            return _tasks([(task.key(), task.condition) for task in step.parallel_tasks])
        case ClaudeBatchStep() if step.step_template is not None:
            return (_group("", (step.step_template,)),)
        case ClaudeBatchStep() if step.tasks:
            return _tasks([(task.key() or str(index), task.condition) for index, task in enumerate(step.tasks)])
        case SwitchStep():
            return tuple(_group(_case(block.key), block.steps) for block in step.blocks())
        case CompositeStep():
            return tuple(_group("", block.steps) for block in step.blocks())
        case _:
            return ()


def _tasks(tasks: Sequence[tuple[str | None, Any]]) -> tuple[Group, ...]:
    boxes = (
        Box(key or "", "task", condition=None if condition is None else condition_text(condition))
        for key, condition in tasks
    )
    return (Group("", tuple(boxes)),)


def _case(key: str) -> str:
    return key if key == "default" else f"case {key}"


def _source(value: Any) -> str:
    match value:
        case list() | tuple():
            return f"{len(value)} item{'s' * (len(value) != 1)}"
        case str():
            return " ".join(value.split())
        case _:
            return text_of(value)
