"""A step made ready: condition, templates and files, with costly templates in a process of their own."""

from typing import Any

from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.pipelines import rendering
from elexirion.pipelines.conditions import ConditionResult
from elexirion.pipelines.names import Scope
from elexirion.pipelines.prompts import ReadFile
from elexirion.pipelines.rendering import RenderedStep
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.step import Rendering, Step


async def condition_holds(
    evaluator: BoundedEvaluator, pipeline: Pipeline, step: Step | str, scope: Scope
) -> ConditionResult:
    """Whether the step runs; raises TemplateError."""
    return await condition_value(evaluator, pipeline.found(step).condition, scope)


async def condition_value(evaluator: BoundedEvaluator, condition: Any, scope: Scope) -> ConditionResult:
    """Whether any condition holds; None does. Raises TemplateError."""
    isolated = rendering.isolated_in_conditions(condition)
    return rendering.condition_value(condition, scope, await evaluator.evaluate(isolated, scope))


async def render_step(
    evaluator: BoundedEvaluator, pipeline: Pipeline, step: Step | str, scope: Scope, read_file: ReadFile
) -> RenderedStep:
    """The step with all its templates rendered and files read; raises TemplateError."""
    isolated = rendering.isolated_in_step(pipeline, step)
    evaluated = await evaluator.evaluate(isolated, scope)
    return rendering.render_step(pipeline, step, scope, read_file, evaluated)


async def render_output_file(
    evaluator: BoundedEvaluator, pipeline: Pipeline, step: Step, scope: Scope, read_file: ReadFile
) -> str | None:
    """The step's `output_to_file` alone; raises TemplateError."""
    evaluated = await evaluator.evaluate(rendering.isolated_in_output_file(step), scope)
    return rendering.rendered_output_file(pipeline, step, scope, read_file, evaluated)


async def rendering_of(
    evaluator: BoundedEvaluator, pipeline: Pipeline, step: Step, scope: Scope, read_file: ReadFile
) -> Rendering:
    """What a step with steps inside asks for when it is expanded; raises TemplateError."""
    isolated = rendering.isolated_in_step(pipeline, step)
    return rendering.rendering_of(pipeline, scope, read_file, await evaluator.evaluate(isolated, scope))


async def render_output(evaluator: BoundedEvaluator, pipeline: Pipeline, scope: Scope) -> object:
    """The result of the run as JSON types; raises TemplateError."""
    isolated = rendering.isolated_in_output(pipeline)
    return rendering.render_output(pipeline, scope, await evaluator.evaluate(isolated, scope))
