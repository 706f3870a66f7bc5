"""What `claude_batch` and `parallel_claude` share: tasks, and the Claude step that each of them becomes."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from elexirion.pipelines.model import Model, Text
from elexirion.pipelines.options import ClaudeOptions
from elexirion.pipelines.presets import Preset
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.segments import AnySegment, FileSegment, Prompt, StaticSegment
from elexirion.pipelines.steps.claude import ClaudeStep
from elexirion.pipelines.steps.composite import ItemsStep
from elexirion.pipelines.steps.step import ConditionForm
from elexirion.pipelines.uses import ConditionUse, Use, templates_in, uses_of_prompt
from pydantic import BeforeValidator

C = TypeVar("C", bound=ClaudeStep)
ClaudeModel = type[C]
# Keys of the step that hold for each of its items, where the item does not say otherwise.
PASSED_ON = ("timeout", "timeout_ms", "timeout_seconds", "retry", "cache", "fallback", "streaming")


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


TaskId = Annotated[Text, BeforeValidator(_text, json_schema_input_type=Text | int)]


class ClaudeTask(Model, frozen=True):
    """One task of a batch or of parallel tasks."""

    id: TaskId | None = None
    """By which the task's result is found."""
    task_id: TaskId | None = None
    """Another name of `id`."""
    prompt: Prompt | None = None
    """What the task asks: a text, or a list of segments."""
    file: Text | None = None
    """A file whose text follows the prompt."""
    claude_options: ClaudeOptions | None = None
    """Options of this task over those of the step."""
    output_to_file: Text | None = None
    """File below the output folder that receives the task's result."""
    condition: ConditionForm = None
    """When it is false the task is skipped."""

    def key(self) -> str | None:
        return self.id or self.task_id

    def uses(self, path: KeyPath) -> Iterator[Use]:
        """What the task takes from elsewhere, below `path`."""
        if self.condition is not None:
            yield ConditionUse((*path, "condition"), self.condition)
        if self.prompt is not None:
            yield from uses_of_prompt(self.prompt, (*path, "prompt"))
        yield from templates_in(self.file, (*path, "file"))
        yield from templates_in(self.output_to_file, (*path, "output_to_file"))
        if self.claude_options is not None:
            options = self.claude_options.model_dump(mode="json", exclude_unset=True)
            yield from templates_in(options, (*path, "claude_options"))


class ClaudeItemsStep(ItemsStep, frozen=True):
    """Several calls of Claude models, with options that hold for all of them."""

    passed_on: ClassVar[tuple[str, ...]] = (*PASSED_ON, "preset", "environment_aware")

    claude_options: ClaudeOptions | None = None
    """Options of all items; those of an item win."""
    preset: Preset | None = None
    """Options under one name; `claude_options` win over them."""
    environment_aware: bool | None = None
    """Whether `environment.mode` names the preset where nothing else does."""

    def own_timeout_s(self) -> float | None:
        """None: time limits are those of the items."""
        return None

    def task_step(self, model: ClaudeModel[C], task: ClaudeTask, prompt: Prompt, given: Mapping[str, Any]) -> C:
        """The Claude step of a task; `given` are keys of its own, over those of this step."""
        own = {"output_to_file": task.output_to_file, "condition": task.condition}
        keys: dict[str, Any] = {
            "claude_options": merged_options(self.claude_options, task.claude_options),
            **{key: value for key, value in own.items() if value is not None},
            **self.given(self.passed_on),
            **given,
        }
        return model.model_validate({"name": self.name, "type": "claude", "prompt": prompt, **keys})

    def given(self, keys: tuple[str, ...]) -> dict[str, Any]:
        """Those of the keys that the author wrote."""
        return {key: getattr(self, key) for key in keys if key in self.model_fields_set}

    def inner_uses(self) -> Iterator[Use]:
        yield from super().inner_uses()
        yield from templates_in(self._plain("claude_options"), ("claude_options",))


def merged_options(*options: ClaudeOptions | None) -> ClaudeOptions | None:
    """The options key by key, the last that gives a key wins; None where there are none at all."""
    given: dict[str, Any] = {}
    for one in options:
        if one is not None:
            given.update({key: getattr(one, key) for key in one.model_fields_set})
    return ClaudeOptions.model_validate(given) if given else None


def joined_prompt(*prompts: Prompt | None, file: str | None = None) -> Prompt | None:
    """The prompts in order, then a file, as one prompt; None where there is nothing."""
    given = [prompt for prompt in prompts if prompt is not None]
    if file is None and len(given) <= 1:
        return given[0] if given else None
    segments = [segment for prompt in given for segment in _segments(prompt)]
    if file is not None:
        segments.append(FileSegment(type="file", path=file))
    return tuple(segments)


def _segments(prompt: Prompt) -> tuple[AnySegment, ...]:
    return (StaticSegment(type="static", content=prompt),) if isinstance(prompt, str) else prompt
