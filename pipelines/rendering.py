"""What the orchestrator calls when a step is ready: everything rendered, once, as plain JSON.

Templates that could take long are named by `isolated_in_…`; whoever calls evaluates these elsewhere
and hands their values in as `evaluated`. Nothing here waits, so the middle stays pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elexirion.pipelines import conditions, templates
from elexirion.pipelines.conditions import ConditionResult
from elexirion.pipelines.graph import order
from elexirion.pipelines.isolated import Evaluated, Isolated, parsed, value_of
from elexirion.pipelines.names import Scope
from elexirion.pipelines.output_paths import OutputPathRefused, resolve_output_path
from elexirion.pipelines.prompts import ReadFile, render_prompt
from elexirion.pipelines.sandbox import text_in_template
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.session_names import sessions_by_name
from elexirion.pipelines.steps.composite import CompositeStep, names_within
from elexirion.pipelines.steps.step import Rendering, Step
from elexirion.pipelines.template_errors import TemplateError
from elexirion.pipelines.uses import ExpressionUse, TemplateUse, Use, templates_in


@dataclass(frozen=True, slots=True)
class RenderedStep:
    """All that a step needs: `config` goes to the worker, or `variables` into the run."""

    config: dict[str, Any]
    output_to_file: str | None
    variables: dict[str, Any] | None
    prompt_files: tuple[tuple[str, str], ...]


def rendering_of(
    pipeline: Pipeline, scope: Scope, read_file: ReadFile, evaluated: Evaluated | None = None
) -> Rendering:
    """What the methods of a composite step ask for when it is expanded."""
    return _Rendering(pipeline, scope, read_file, evaluated or {})


def render_step(
    pipeline: Pipeline, step: Step | str, scope: Scope, read_file: ReadFile, evaluated: Evaluated | None = None
) -> RenderedStep:
    """The step, given by itself or by its name, with all its templates rendered and files read.

    Raises TemplateError.
    """
    effective = pipeline.effective(step)
    step = effective.step
    rendering = _Rendering(pipeline, scope, read_file, evaluated or {})
    config = _with_schema(step, step.config(effective.options, rendering))
    target = _output_path(step.output_to_file, effective.output_dir, rendering)
    variables = config["variables"] if step.lane is None and "variables" in config else None
    return RenderedStep(config, target, variables, tuple(rendering.files))


def _with_schema(step: Step, config: dict[str, Any]) -> dict[str, Any]:
    """Of a step type whose worker knows nothing of `output_schema`, the result is checked by `result_schema`."""
    if step.lane is None or step.output_schema is None or "output_schema" in config:
        return config
    return {**config, "result_schema": step.output_schema}


def rendered_output_file(
    pipeline: Pipeline, step: Step, scope: Scope, read_file: ReadFile, evaluated: Evaluated | None = None
) -> str | None:
    """The step's `output_to_file` alone, once there is a result to write; raises TemplateError."""
    effective = pipeline.effective(step)
    rendering = _Rendering(pipeline, scope, read_file, evaluated or {})
    return _output_path(step.output_to_file, effective.output_dir, rendering)


def condition_holds(
    pipeline: Pipeline, step: Step | str, scope: Scope, evaluated: Evaluated | None = None
) -> ConditionResult:
    """Whether the step runs; a step without condition does. Raises TemplateError."""
    return condition_value(pipeline.found(step).condition, scope, evaluated)


def condition_value(condition: Any, scope: Scope, evaluated: Evaluated | None = None) -> ConditionResult:
    """Whether a condition holds, such as the `break_when` of a loop; None does. Raises TemplateError."""
    if condition is None:
        return ConditionResult(True)
    known = {
        isolated.source: ConditionResult(value["value"], tuple(value["warnings"]))
        for isolated, value in (evaluated or {}).items()
        if isolated.kind == "condition"
    }
    return conditions.evaluate(conditions.parse(condition), scope, known)


def render_output(pipeline: Pipeline, scope: Scope, evaluated: Evaluated | None = None) -> Any:
    """The result of the run: `output`, or the result of the last completed step; raises TemplateError."""
    if pipeline.output is None:
        return _last_result(pipeline, scope)
    return _output(pipeline, pipeline.output, scope, evaluated or {})


def with_absent(loop: CompositeStep, scope: Scope) -> Scope:
    """The scope of a loop's own conditions: steps and variables of its turns count as false before there are any."""
    return replace(scope, absent=names_within(loop))


def isolated_in_step(pipeline: Pipeline, step: Step | str) -> tuple[Isolated, ...]:
    """The templates and expressions of a step, without its conditions, that must be evaluated elsewhere.

    Of a composite step these are what it goes over or chooses by, not what the steps inside use.
    """
    effective = pipeline.effective(step)
    sources = [*effective.step.uses(), *templates_in(effective.options, ())]
    found = (isolated for isolated in map(_of_use, sources) if isolated is not None and parsed(isolated).isolated)
    return tuple(dict.fromkeys(found))


def isolated_in_output_file(step: Step) -> tuple[Isolated, ...]:
    """The template of a step's `output_to_file`, where it must be evaluated elsewhere."""
    found = (Isolated("template", use.source) for use in templates_in(step.output_to_file, ()))
    return tuple(isolated for isolated in found if parsed(isolated).isolated)


def isolated_in_condition(pipeline: Pipeline, step: Step | str) -> tuple[Isolated, ...]:
    """The expressions of a step's `condition` that must be evaluated elsewhere."""
    return isolated_in_conditions(pipeline.found(step).condition)


def isolated_in_conditions(condition: Any) -> tuple[Isolated, ...]:
    """The expressions of any condition that must be evaluated elsewhere; None has none."""
    if condition is None:
        return ()
    found = conditions.expressions(conditions.parse(condition))
    return tuple(dict.fromkeys(Isolated("condition", part.source) for part in found if part.template.isolated))


def isolated_in_output(pipeline: Pipeline) -> tuple[Isolated, ...]:
    """The expressions of `output` that must be evaluated elsewhere."""
    found = (_of_output(source) for source in output_sources(pipeline.output) if not _is_step(pipeline, source))
    return tuple(dict.fromkeys(isolated for isolated in found if parsed(isolated).isolated))


def output_sources(output: Any) -> Iterator[str]:
    """The texts of `output`, each an expression, a template or a step's name."""
    match output:
        case str():
            yield output
        case dict():
            for part in output.values():
                yield from output_sources(part)
        case list() | tuple():
            for part in output:
                yield from output_sources(part)


@dataclass(slots=True)
class _Rendering:
    """One step being rendered; collects the files that its prompt read."""

    pipeline: Pipeline
    scope: Scope
    read_file: ReadFile
    evaluated: Evaluated
    files: list[tuple[str, str]] = field(default_factory=list)

    @property
    def gemini_functions(self) -> Mapping[str, Any]:
        declared = self.pipeline.gemini_functions.items()
        return {name: function.model_dump(mode="json", exclude_unset=True) for name, function in declared}

    def value(self, source: Any) -> Any:
        match source:
            case str():
                return self._rendered(source)
            case dict():
                return {key: self.value(item) for key, item in source.items()}
            case list() | tuple():
                return [self.value(item) for item in source]
            case _:
                return source

    def expression(self, source: Any) -> Any:
        if isinstance(source, str) and not templates.is_template(source):
            return value_of(Isolated("expression", source), self.scope, self.evaluated)
        return self.value(source)

    def session(self, name: str) -> list[dict[str, str]]:
        session = sessions_by_name(self.pipeline.by_name.values()).get(name, name)
        return [dict(turn) for turn in self.scope.sessions.get(session, ())]

    def text(self, source: str) -> str:
        return text_in_template(self._rendered(source))

    def prompt(self, prompt: Prompt) -> str:
        rendered = render_prompt(prompt, self.scope, self.read_file, self.text, self.session)
        self.files.extend(rendered.files)
        return rendered.text

    def _rendered(self, source: str) -> Any:
        if not templates.is_template(source):
            return source
        return value_of(Isolated("template", source), self.scope, self.evaluated)


def _output_path(name: str | None, output_dir: str, rendering: _Rendering) -> str | None:
    if name is None:
        return None
    try:
        return resolve_output_path(output_dir, rendering.text(name))
    except OutputPathRefused as error:
        raise TemplateError(f"output_to_file: {error}") from None


def _output(pipeline: Pipeline, output: Any, scope: Scope, evaluated: Evaluated) -> Any:
    match output:
        case str() if _is_step(pipeline, output):
            return scope.steps[output].result if output in scope.steps else None
        case str():
            return value_of(_of_output(output), scope, evaluated)
        case dict():
            return {key: _output(pipeline, part, scope, evaluated) for key, part in output.items()}
        case list() | tuple():
            return [_output(pipeline, part, scope, evaluated) for part in output]
        case _:
            return output


def _of_use(use: Use) -> Isolated | None:
    match use:
        case TemplateUse():
            return Isolated("template", use.source)
        case ExpressionUse():
            return Isolated("expression", use.source)
        case _:
            return None


def _of_output(source: str) -> Isolated:
    return Isolated("template" if templates.is_template(source) else "expression", source)


def _is_step(pipeline: Pipeline, text: str) -> bool:
    return text in pipeline.by_name


def _last_result(pipeline: Pipeline, scope: Scope) -> Any:
    for name in reversed(order(pipeline)):
        view = scope.steps.get(name)
        if view is not None and view.success:
            return view.result
    return None
