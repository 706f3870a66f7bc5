"""What a pipeline would do, step by step, with a rough count of tokens; nothing is rendered and nothing is called.

The count stands on assumptions, which `ASSUMPTIONS` says in words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from elexirion.pipelines import templates
from elexirion.pipelines.condition_text import condition_text
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.retry import RetryPolicy
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.segments import FileSegment, PreviousResponseSegment, Prompt, StaticSegment
from elexirion.pipelines.steps.claude_batch import ClaudeBatchStep
from elexirion.pipelines.steps.claude_items import ClaudeTask
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep
from elexirion.pipelines.steps.composite import CompositeStep, RepeatStep
from elexirion.pipelines.steps.for_loop import ForLoopStep
from elexirion.pipelines.steps.parallel_claude import ParallelClaudeStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.template_errors import TemplateInvalid

CHARACTERS_PER_TOKEN = 4
ASSUMED_OUTPUT_TOKENS = 1000
MODEL_LANES = frozenset(["claude", "gemini", "openai"])
ASSUMPTIONS = (
    f"a token is {CHARACTERS_PER_TOKEN} characters",
    f"an answer has max_tokens, or {ASSUMED_OUTPUT_TOKENS} tokens where none is set",
    "each condition holds, each branch of a switch is taken, and nothing fails: no second try, no step of on_error",
    "a model with tools answers at once; a loop whose length is not known runs once",
    "an earlier answer in a prompt is as long as is assumed of it",
)
FileLength = Callable[[str], int | None]
"""Characters of a file by the path of its segment; None where it cannot be known."""
MOST_DEEP = 10


@dataclass(frozen=True, slots=True)
class ChildPipeline:
    """The pipeline of a file that a step runs, and how files named in it are found."""

    pipeline: Pipeline
    file_length: FileLength
    open_child: "OpenChild"


OpenChild = Callable[[str], ChildPipeline | None]
"""Opens the pipeline of a file by its name; None where there is none."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step with what holds for it; `times` is None where nobody can know it, tokens are those of one time."""

    path: str
    type: str
    lane: str | None
    needs: tuple[str, ...]
    condition: str | None
    timeout_s: float | None
    retry: RetryPolicy
    continue_on_error: bool
    cache_ttl_s: int | None
    model: str | None = None
    tools: tuple[str, ...] | None = None
    times: int | None = 1
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known before the run: inputs, variables and lengths of files; and what was assumed of answers."""

    values: Mapping[str, Any]
    file_length: FileLength
    open_child: OpenChild
    answers: dict[str, int] = field(default_factory=dict)
    depth: int = 0
    """How many pipelines stand around the step."""

    def child(self, step: PipelineStep) -> ChildPipeline | None:
        """What a step of the type `pipeline` runs; None where nobody can know it."""
        if step.pipeline is not None:
            return ChildPipeline(step.pipeline, self.file_length, self.open_child)
        file = step.pipeline_file
        if file is None or templates.is_template(file) or self.depth >= MOST_DEEP:
            return None
        return self.open_child(file)


def planned_steps(
    pipeline: Pipeline,
    inputs: Mapping[str, Any],
    file_length: FileLength = lambda path: None,
    open_child: OpenChild = lambda file: None,
) -> tuple[PlannedStep, ...]:
    """Every step of the pipeline in the order of the file, those inside of others below them.

    Then those of `on_error`, which are taken to run no time.
    """
    known = _Known({**_own_values(pipeline), **inputs}, file_length, open_child)
    return (*_planned(pipeline, pipeline.steps, "", 1, known), *_handlers(pipeline, "", known))


def _own_values(pipeline: Pipeline) -> dict[str, Any]:
    declared = {name: one.default for name, one in pipeline.inputs.items() if not one.must_be_given}
    return {**pipeline.global_vars, **pipeline.variables, **declared}


def _handlers(pipeline: Pipeline, above: str, known: _Known) -> Iterator[PlannedStep]:
    for one in _planned(pipeline, pipeline.on_error, above, 0, known):
        yield replace(one, note="; ".join(filter(None, (one.note, "runs only where the run fails"))))


def _planned(
    pipeline: Pipeline, steps: Sequence[Step], above: str, times: int | None, known: _Known
) -> Iterator[PlannedStep]:
    needs = dependencies_of([(step.name, step.needs) for step in steps])
    for step in steps:
        one = _one(pipeline, step, needs[step.name], known)
        yield replace(one, path=above + step.name, times=times)
        if isinstance(step, PipelineStep) and (child := known.child(step)) is not None:
            yield from _of_child(child, step, f"{above}{step.name}/", times, known)
        for inner, count in _inner(step):
            total = None if count is None or times is None else count * times
            found = list(_planned(pipeline, inner, f"{above}{step.name}/", total, known))
            answered = sum(planned.output_tokens for planned in found) * (count or 1)
            known.answers[step.name] = known.answers.get(step.name, 0) + answered
            yield from found


def _of_child(
    child: ChildPipeline, step: PipelineStep, above: str, times: int | None, known: _Known
) -> Iterator[PlannedStep]:
    values = {**known.values, **_own_values(child.pipeline), **step.inputs}
    within = _Known(values, child.file_length, child.open_child, depth=known.depth + 1)
    yield from _planned(child.pipeline, child.pipeline.steps, above, times, within)
    yield from _handlers(child.pipeline, above, within)


def _inner(step: Step) -> Iterator[tuple[Sequence[Step], int | None]]:
    """The steps inside of a step, and how often they run."""
    match step:
        case ClaudeBatchStep() if step.over is not None:
            yield (step.item_step(0).model_copy(update={"name": "item"}),), _length(step.over)
        case ClaudeBatchStep():
            for index, task in enumerate(step.tasks or (ClaudeTask(),)):
                yield (step.item_step(index).model_copy(update={"name": task.key() or str(index)}),), 1
        case ParallelClaudeStep():
            for index, task in enumerate(step.parallel_tasks):
                yield (step.item_step(index).model_copy(update={"name": task.key()}),), 1
        case ForLoopStep():
            count = _length(step.over if step.data_source is None else step.data_source)
            most = step.max_iterations
            yield step.steps, count if count is None or most is None else min(count, most)
        case RepeatStep():
            for block in step.blocks():
                yield block.steps, None
        case CompositeStep():
            for block in step.blocks():
                yield block.steps, 1
        case _:
            return


def _length(source: Any) -> int | None:
    return len(source) if isinstance(source, list | tuple) else None


def _one(pipeline: Pipeline, step: Step, needs: tuple[str, ...], known: _Known) -> PlannedStep:
    effective = pipeline.effective(step)
    options = effective.options
    planned = PlannedStep(
        path=step.name, type=step.type, lane=step.lane, needs=needs,
        condition=None if step.condition is None else condition_text(step.condition),
        timeout_s=effective.timeout_s, retry=effective.retry, continue_on_error=effective.continue_on_error,
        cache_ttl_s=effective.cache.ttl_seconds if effective.cache else None, note=_note(step, known),
    )  # fmt: skip
    if step.lane not in MODEL_LANES:
        return planned
    calls = sum(turn.role == "user" for turn in step.turns()) if isinstance(step, ClaudeSessionStep) else 1
    output = options.get("max_tokens") or options.get("max_output_tokens") or ASSUMED_OUTPUT_TOKENS
    known.answers[step.name] = output
    return replace(
        planned, model=options.get("model"), tools=_tools(step, options), calls=calls,
        input_tokens=_input_tokens(step, options, known), output_tokens=output * calls,
    )  # fmt: skip


def _note(step: Step, known: _Known) -> str | None:
    match step:
        case PipelineStep(pipeline_file=str() as file):
            return f"runs {file}" if known.child(step) else f"runs {file}, which is not counted"
        case ForLoopStep() | ClaudeBatchStep():
            return f"{step.most_in_flight()} at once"
        case RepeatStep():
            return f"at most {step.most_turns()} times"
        case _:
            return None


def _tools(step: Step, options: Mapping[str, Any]) -> tuple[str, ...] | None:
    functions = getattr(step, "functions", ())
    if functions:
        return tuple(functions)
    allowed = options.get("allowed_tools")
    refused = options.get("disallowed_tools") or ()
    return None if allowed is None else tuple(tool for tool in allowed if tool not in refused)


def _input_tokens(step: Step, options: Mapping[str, Any], known: _Known) -> int:
    said = [options.get("system_prompt"), options.get("append_system_prompt"), getattr(step, "system_prompt", None)]
    prompts: list[Prompt] = [text for text in said if text]
    if isinstance(step, ClaudeSessionStep):
        prompts += [turn.said for turn in step.turns()]
    elif prompt := getattr(step, "prompt", None):
        prompts.append(prompt)
    characters = sum(_characters(prompt, known) for prompt in prompts)
    return -(-characters // CHARACTERS_PER_TOKEN)


def _characters(prompt: Prompt, known: _Known) -> int:
    if isinstance(prompt, str):
        return _of_text(prompt, known)
    total = 0
    for segment in prompt:
        match segment:
            case StaticSegment():
                total += _of_text(segment.content, known) if segment.template else len(segment.content)
            case FileSegment():
                total += known.file_length(segment.path) or 0
            case PreviousResponseSegment():
                answer = known.answers.get(segment.step, 0) * CHARACTERS_PER_TOKEN
                total += min(answer, segment.max_length or answer)
            case _:
                pass
    return total


def _of_text(text: str, known: _Known) -> int:
    """The text's length, with the names in it taken for what is known of them."""
    if not templates.is_template(text):
        return len(text)
    try:
        references = templates.parse(text).references()
    except TemplateInvalid:
        return len(text)
    return len(text) + sum(_of_name([str(part) for part in one.path], known) for one in references)


def _of_name(path: Sequence[str], known: _Known) -> int:
    if path[0] in ("steps", "inputs", "variables", "state", "global_vars") and len(path) > 1:
        path = path[1:]
    if path[0] in known.answers:
        return known.answers[path[0]] * CHARACTERS_PER_TOKEN
    value = known.values.get(path[0])
    return 0 if value is None else len(text_of(value))
