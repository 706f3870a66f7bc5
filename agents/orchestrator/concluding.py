"""How a step that no worker runs ends: why, and with a result that fits its `output_schema` and stands in its file."""

from dataclasses import dataclass
from typing import Any

from elexirion.agents import step_rendering
from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.orchestrator import scopes
from elexirion.agents.orchestrator.located import Located
from elexirion.agents.orchestrator.run_files import output_path, reader
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepError
from elexirion.agents.worker.output_file import write_output
from elexirion.events.failure import Failure
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import LoopStep
from elexirion.pipelines.steps.step import Step
from elexirion.projections.run_state import RunState


async def reason_of_end(state: RunState, located: Located, ended_because: str, views: StepViews) -> str:
    """Why the step is over: a loop that went through all of its turns may have had items left."""
    inside = state.steps[located.path].inside
    if ended_because != "completed" or not isinstance(located.step, LoopStep) or inside is None:
        return ended_because
    items = await views.value(inside.items)
    return "max_iterations" if isinstance(items, list) and len(items) > (inside.count or 0) else ended_because


def is_particular(step: Step) -> bool:
    """Whether something is asked of the step's result."""
    return bool(step.output_schema) or step.output_to_file is not None


@dataclass(frozen=True, slots=True)
class Results:
    """Holds the results of such steps to what the steps ask of them."""

    settings: Settings
    evaluator: BoundedEvaluator
    views: StepViews

    async def kept(self, state: RunState, pipeline: Pipeline, located: Located, result: Any) -> Any:
        """The result as its schema reads it, written to its file; doing it again is harmless.

        Raises StepError where it does not fit or cannot be written, and TemplateError for the name of the file.
        """
        if located.step.output_schema:
            result = await self._fitting(located.step.output_schema, result)
        if located.step.output_to_file is not None:
            await self._write(state, pipeline, located, result)
        return result

    async def _fitting(self, schema: dict[str, Any], result: Any) -> Any:
        fitted = await self.evaluator.fitted(result, schema)
        if fitted.refused:
            raise StepError(Failure(kind="invalid_request", message=fitted.refused))
        if fitted.mismatch:
            message = f"the result does not fit output_schema: {fitted.mismatch}"
            raise StepError(Failure(kind="schema_mismatch", message=message))
        return fitted.read if fitted.was_read else result

    async def _write(self, state: RunState, pipeline: Pipeline, located: Located, result: Any) -> None:
        scope = await scopes.scope_of(state, pipeline, located, self.views)
        read = reader(self.settings, state.source, pipeline.workspace_dir)
        path = await step_rendering.render_output_file(self.evaluator, pipeline, located.step, scope, read)
        if path is not None:
            target = output_path(self.settings, state.source, path)
            await write_output(target, result, trusted=self.settings.trust_run_folders)
