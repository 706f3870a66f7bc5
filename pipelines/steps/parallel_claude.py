"""`parallel_claude`: several tasks for Claude models at the same time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.json_text import parsed
from elexirion.pipelines.steps.claude import ClaudeStep
from elexirion.pipelines.steps.claude_items import ClaudeItemsStep, ClaudeTask, joined_prompt
from elexirion.pipelines.steps.composite import Part
from elexirion.pipelines.steps.step import Rendering, Step
from elexirion.pipelines.uses import Use
from pydantic import Field, model_validator


class ParallelClaudeStep(ClaudeItemsStep, frozen=True):
    """All tasks at once; the result has the result of each by its id."""

    result_doc: ClassVar[str] = (
        "The result of each task by its id: text, or the value where the text is JSON; `error` of a task that failed."
    )

    type: Literal["parallel_claude"]
    parallel_tasks: Annotated[tuple[ClaudeTask, ...], Field(min_length=1)]
    """The tasks, each with an `id` of its own."""

    @model_validator(mode="after")
    def _named_tasks(self) -> Self:
        for number, task in enumerate(self.parallel_tasks, 1):
            if task.key() is None:
                raise ValueError(f"parallel task {number} needs an `id`")
            if task.prompt is None and task.file is None:
                raise ValueError(f"the parallel task `{task.key()}` has neither a `prompt` nor a `file`")
        (key, count), *_ = Counter(task.key() for task in self.parallel_tasks).most_common(1)
        if count > 1:
            raise ValueError(f"the id `{key}` stands at {count} parallel tasks")
        return self

    def most_in_flight(self) -> int:
        return len(self.parallel_tasks)

    def inner_uses(self) -> Iterator[Use]:
        yield from super().inner_uses()
        for index, task in enumerate(self.parallel_tasks):
            yield from task.uses(("parallel_tasks", index))

    def items(self, rendering: Rendering) -> list[dict[str, Any]]:
        return [{"id": task.key(), "item": {"id": task.key()}} for task in self.parallel_tasks]

    def item_step(self, index: int) -> Step:
        task = self.parallel_tasks[index]
        limit = task.claude_options.timeout_ms if task.claude_options else None
        given = {} if limit is None else {"timeout_ms": limit}
        return self.task_step(ClaudeStep, task, joined_prompt(task.prompt, file=task.file) or "", given)

    def item_steps(self) -> tuple[Step, ...]:
        return tuple(self.item_step(index) for index in range(len(self.parallel_tasks)))

    def joined(self, parts: Sequence[Part]) -> dict[str, Any]:
        return {part.key: _value(part) for part in parts}


def _value(part: Part) -> Any:
    """A task's result; JSON that a model wrote as its value, so that its fields can be named."""
    if part.status == "failed":
        return {"error": part.error}
    found = parsed(part.result) if isinstance(part.result, str) else None
    return found if isinstance(found, dict | list) else part.result
