"""A step made ready: condition, templates and files, with costly templates in a process of their own."""

from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.pipelines import rendering
from elexirion.pipelines.conditions import ConditionResult
from elexirion.pipelines.names import Scope
from elexirion.pipelines.prompts import ReadFile
from elexirion.pipelines.rendering import RenderedStep
from elexirion.pipelines.schema import Pipeline


async def condition_holds(
    evaluator: BoundedEvaluator, pipeline: Pipeline, step_name: str, scope: Scope
) -> ConditionResult:
    """Whether the step runs; raises TemplateError."""
    isolated = rendering.isolated_in_condition(pipeline, step_name)
    return rendering.condition_holds(pipeline, step_name, scope, await evaluator.evaluate(isolated, scope))


async def render_step(
    evaluator: BoundedEvaluator, pipeline: Pipeline, step_name: str, scope: Scope, read_file: ReadFile
) -> RenderedStep:
    """The step with all its templates rendered and files read; raises TemplateError."""
    isolated = rendering.isolated_in_step(pipeline, step_name)
    evaluated = await evaluator.evaluate(isolated, scope)
    return rendering.render_step(pipeline, step_name, scope, read_file, evaluated)


async def render_output(evaluator: BoundedEvaluator, pipeline: Pipeline, scope: Scope) -> object:
    """The result of the run as JSON types; raises TemplateError."""
    isolated = rendering.isolated_in_output(pipeline)
    return rendering.render_output(pipeline, scope, await evaluator.evaluate(isolated, scope))
