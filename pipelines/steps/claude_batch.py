"""`claude_batch`: one step for each of several items, or several tasks, so many at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.model import Model, Positive, Readings
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.steps.claude import ClaudeCall, ClaudeStep
from elexirion.pipelines.steps.claude_items import PASSED_ON, ClaudeItemsStep, ClaudeTask, joined_prompt, merged_options
from elexirion.pipelines.steps.composite import Part
from elexirion.pipelines.steps.item_source import values_of
from elexirion.pipelines.steps.step import Rendering, Step
from elexirion.pipelines.uses import Use, below, expressions_in, uses_of_prompt
from pydantic import Field, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator, model_validator

if TYPE_CHECKING:
    from elexirion.pipelines.steps.registry import AnyStep

TASK_TIMEOUT_S = 60.0
_ITEMS_AT_ONCE = 10
_TASKS_AT_ONCE = 3


class BatchTaskStep(ClaudeStep, frozen=True):
    """The step of a task; it has a shorter time limit than others."""

    default_timeout_s: ClassVar[float | None] = TASK_TIMEOUT_S


class BatchConfig(Model, frozen=True):
    """`batch_config`: how the tasks of a batch run."""

    max_parallel: Positive | None = None
    """Tasks in flight at the same time; 3 when nothing is said."""
    timeout_per_task: Positive | None = None
    """Longest time of one attempt of a task, in milliseconds; 60000 when nothing is said."""
    consolidate_results: bool = False
    """Whether the result also has the texts of all tasks as one text."""


def _template(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """A step whose name and type may be missing."""
    if not isinstance(value, dict):
        return handler(value)
    completed = {"name": "item", "type": "claude", **value}
    if isinstance(info.context, Readings):
        info.context.completed(value, completed)
    step: Step = handler(completed)
    if step.lane is None:
        raise ValueError(f"`{step.type}` cannot be the step of an item: it runs on no worker")
    # The definition holds what the author wrote and nothing more.
    step.model_fields_set.difference_update(completed.keys() - value.keys())
    return step


class ClaudeBatchStep(ClaudeItemsStep, frozen=True):
    """The same step for each of `items`, or each of `tasks` with a prompt of its own."""

    result_doc: ClassVar[str] = (
        "`results` in the order of the items, each with `index`, `id`, `status`, `result` and `error`; `completed`, "
        "`failed` and `skipped` count them, `batches` counts them by groups of `batch_size`. With "
        "`consolidate_results` also `text`, all texts as one."
    )

    type: Literal["claude_batch"]
    over: Any = Field(default=None, alias="items")
    """What is gone over: a list, or an expression that gives one."""
    step_template: "Annotated[AnyStep, WrapValidator(_template)] | None" = None
    """The step of each item, with `item` in its templates; without a `type` it is `claude`."""
    parallel: bool = True
    """Whether items run at the same time."""
    batch_size: Positive = 5
    """How many items make a group of the report."""
    max_parallel: Positive | None = None
    """Items in flight at the same time; 10 when nothing is said."""
    tasks: Annotated[tuple[ClaudeTask, ...], Field(min_length=1)] | None = None
    """Tasks, instead of `items`."""
    prompt: Prompt | None = None
    """A prompt that stands in front of that of each task."""
    batch_config: BatchConfig = BatchConfig()
    """How the tasks run."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self._has_items:
            if self.tasks is not None:
                raise ValueError("give either `items` or `tasks`")
            if (self.step_template is None) == (self.prompt is None):
                raise ValueError("`items` need a `step_template`, or a `prompt` for all of them")
        elif self.step_template is not None:
            raise ValueError("a `step_template` needs `items`")
        elif self.tasks is None and self.prompt is None:
            raise ValueError("a batch needs `items` with a `step_template`, or `tasks`, or a `prompt`")
        for number, task in enumerate(self._tasks, 1):
            if self.prompt is None and task.prompt is None and task.file is None:
                raise ValueError(f"task {number} has neither a `prompt` nor a `file`")
        return self

    def most_in_flight(self) -> int:
        if not self.parallel:
            return 1
        usual = _ITEMS_AT_ONCE if self._has_items else _TASKS_AT_ONCE
        return self.max_parallel or self.batch_config.max_parallel or usual

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from expressions_in(self.over, ("items",))

    def inner_uses(self) -> Iterator[Use]:
        yield from super().inner_uses()
        if self.prompt is not None:
            yield from uses_of_prompt(self.prompt, ("prompt",))
        for index, task in enumerate(self._tasks):
            yield from task.uses(("tasks", index))
        for use in self.step_template.uses() if self.step_template else ():
            yield below(use, ("step_template",))

    def items(self, rendering: Rendering) -> list[dict[str, Any]]:
        if not self._has_items:
            keys = [task.key() or str(index) for index, task in enumerate(self._tasks)]
            return [{"id": key, "item": {"id": key}} for key in keys]
        values = values_of(rendering.expression(self.over), "items")
        return [{"id": _key(value, index), "item": value} for index, value in enumerate(values)]

    def item_step(self, index: int) -> Step:
        if self.step_template is not None:
            return self._from_template(self.step_template)
        if self._has_items:
            return self.task_step(ClaudeStep, ClaudeTask(), self.prompt or "", self._limit(None))
        task = self._tasks[index]
        prompt = joined_prompt(self.prompt, task.prompt, file=task.file)
        return self.task_step(BatchTaskStep, task, prompt or "", self._limit(task))

    def item_steps(self) -> tuple[Step, ...]:
        return tuple(self.item_step(index) for index in range(1 if self._has_items else len(self._tasks)))

    def joined(self, parts: Sequence[Part]) -> dict[str, Any]:
        result: dict[str, Any] = {
            "results": [_reported(part) for part in parts],
            **_counts(parts),
            "batches": [_counts(parts[at : at + self.batch_size]) for at in range(0, len(parts), self.batch_size)],
        }
        if self.batch_config.consolidate_results:
            result["text"] = "\n\n".join(_section(part) for part in parts if part.status == "completed")
        return result

    @property
    def _has_items(self) -> bool:
        return self.over is not None

    @property
    def _tasks(self) -> tuple[ClaudeTask, ...]:
        # A prompt alone is a batch of one.
        return self.tasks or (() if self._has_items else (ClaudeTask(),))

    def _from_template(self, template: Step) -> Step:
        keys = self.given(PASSED_ON)
        if isinstance(template, ClaudeCall):
            keys |= self.given(("preset", "environment_aware"))
        own: dict[str, Any] = {key: value for key, value in keys.items() if key not in template.model_fields_set}
        if isinstance(template, ClaudeCall):
            own["claude_options"] = merged_options(self.claude_options, template.claude_options)
        if own.keys() & _TIMEOUTS and template.own_timeout_s() is not None:
            own = {key: value for key, value in own.items() if key not in _TIMEOUTS}
        return template.model_copy(update={**own, "name": self.name})

    def _limit(self, task: ClaudeTask | None) -> Mapping[str, Any]:
        options = task.claude_options if task else None
        own = options.timeout_ms if options else None
        limit = own or self.batch_config.timeout_per_task
        return {} if limit is None else {"timeout_ms": limit}


_TIMEOUTS = frozenset(["timeout", "timeout_ms", "timeout_seconds"])


def _key(value: Any, index: int) -> str:
    """The item's own `id`, or its index."""
    own = value.get("id") if isinstance(value, dict) else None
    return str(own) if isinstance(own, str | int) and own != "" else str(index)


def _reported(part: Part) -> dict[str, Any]:
    own = {"index": part.index, "id": part.key, "status": part.status}
    return {**own, "result": part.result, "error": part.error}


def _counts(parts: Sequence[Part]) -> dict[str, int]:
    return {status: sum(part.status == status for part in parts) for status in ("completed", "failed", "skipped")}


def _section(part: Part) -> str:
    return f"## {part.key}\n\n{text_of(part.result)}"
