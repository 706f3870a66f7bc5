"""Pipelines for the orchestrator: checked at the start, planned once, rendered step by step."""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from elexirion.agents.decide_command import Checked, Loadable, NotLoadable
from elexirion.agents.evaluated import Assigned, Evaluation, NotPossible, NotWanted, Output, Rendered
from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.orchestrator.run_files import output_path, reader
from elexirion.agents.plan import RunPlan, StepPlan
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.agents.settings import Settings
from elexirion.agents.step_rendering import condition_holds, render_output, render_step
from elexirion.events.canonical import content_hash
from elexirion.events.commands import PipelineReference, StartRun
from elexirion.events.envelope import utc_now, utc_text
from elexirion.events.failure import Failure
from elexirion.events.values import Inline, Value
from elexirion.pipelines.graph import dependencies
from elexirion.pipelines.inputs import InputsRefused, missing_inputs, with_defaults
from elexirion.pipelines.loader import Loaded, from_definition, load
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.template_errors import TemplateError
from elexirion.projections.run_state import RunState

REMEMBERED = 500

Load = Callable[[Value], Awaitable[Any]]
Store = Callable[[str, Any], Awaitable[Value]]


class Plans:
    """RunPlans and StartChecker over the pipeline language. `load` and `store` move large values."""

    def __init__(self, settings: Settings, evaluator: BoundedEvaluator, load: Load, store: Store) -> None:
        self._settings = settings
        self._evaluator = evaluator
        self._load = load
        self._store = store
        self._planned: OrderedDict[str, tuple[Pipeline, RunPlan]] = OrderedDict()
        self._checked: OrderedDict[str, Loaded] = OrderedDict()

    # -- StartChecker

    def check(self, command: StartRun) -> Checked:
        """What the run would be, or every reason why it cannot be."""
        file = command.source.file or "pipeline"
        try:
            loaded = self._read(command.pipeline, file)
            for following in command.then:
                self._read(following.pipeline, following.source.file or "pipeline")
            inputs = with_defaults(loaded.pipeline, command.inputs)
        except PipelineInvalid as invalid:
            return NotLoadable("invalid_pipeline", "\n".join(str(problem) for problem in invalid.errors))
        except InputsRefused as refused:
            return NotLoadable("invalid_inputs", str(refused))
        missing = missing_inputs(loaded.needed_inputs, inputs)
        if missing:
            said = ", ".join(f"`{needed.name}` ({file}:{needed.line})" for needed in missing)
            return NotLoadable("missing_inputs", f"inputs are needed and were not given: {said}")
        own = tuple(PipelineReference(pipeline=p.definition(), source=command.source) for p in loaded.pipeline.then)
        return Loadable(loaded.pipeline.name, loaded.definition, loaded.sha256, inputs, own + command.then)

    def _read(self, pipeline: str | dict[str, Any], file: str) -> Loaded:
        text = pipeline if isinstance(pipeline, str) else json.dumps(pipeline)
        key = content_hash([text, file])
        if key not in self._checked:
            self._checked[key] = load(text, file)
            while len(self._checked) > REMEMBERED:
                self._checked.popitem(last=False)
        return self._checked[key]

    # -- RunPlans

    def plan(self, state: RunState) -> RunPlan:
        """The plan of the run's definition."""
        return self._both(state)[1]

    async def evaluate(self, state: RunState, step: StepPlan) -> Evaluation:
        """Condition, templates and files of a ready step."""
        pipeline = self._both(state)[0]
        try:
            scope = await self._scope(state, pipeline, step.needs)
            holds = await condition_holds(self._evaluator, pipeline, step.name, scope)
            if not holds.value:
                return NotWanted("; ".join(("its condition does not hold", *holds.warnings)))
            read = reader(self._settings, state.source, pipeline.workspace_dir)
            rendered = await render_step(self._evaluator, pipeline, step.name, scope, read)
        except TemplateError as error:
            return NotPossible(Failure(kind="evaluation", message=f"step {step.name}: {error}"))
        if rendered.variables is not None:
            return Assigned(rendered.variables)
        return Rendered(
            input=await self._store(state.run_id, rendered.config), input_hash=content_hash(rendered.config),
            output_file=self._output_file(state, rendered.output_to_file), prompt_files=rendered.prompt_files,
        )  # fmt: skip

    async def output(self, state: RunState) -> Output | NotPossible:
        """The run's output, and what the next pipeline of a chain gets."""
        pipeline = self._both(state)[0]
        try:
            scope = await self._scope(state, pipeline, tuple(state.steps))
            result = await render_output(self._evaluator, pipeline, scope)
        except TemplateError as error:
            return NotPossible(Failure(kind="evaluation", message=f"output: {error}"))
        inputs = {"input": result, **(result if isinstance(result, dict) else {})}
        return Output(await self._store(state.run_id, result), inputs)

    def _output_file(self, state: RunState, path: str | None) -> str | None:
        return output_path(self._settings, state.source, path) if path else None

    def _both(self, state: RunState) -> tuple[Pipeline, RunPlan]:
        key = state.definition_sha256
        if key not in self._planned:
            pipeline = from_definition(state.definition)
            self._planned[key] = (pipeline, plan_of(pipeline, self._settings.max_attempts))
            while len(self._planned) > REMEMBERED:
                self._planned.popitem(last=False)
        return self._planned[key]

    async def _scope(self, state: RunState, pipeline: Pipeline, before: tuple[str, ...]) -> Scope:
        views = {name: await self._view(state, name) for name in state.steps}
        known = {name: view for name, view in views.items() if view}
        # What came before is a matter of the file, never of the order in which results arrived.
        previous = [known[name].result for name in before if name in known and known[name].success]
        at = utc_text(state.started_at)
        return Scope(
            inputs=state.inputs, variables={**pipeline.global_vars, **pipeline.variables, **state.variables},
            global_vars=pipeline.global_vars, steps=known, run_id=state.run_id, workflow_name=pipeline.name,
            timestamp=at, now=utc_text(utc_now()), previous_response=previous[-1] if previous else None,
        )  # fmt: skip

    async def _view(self, state: RunState, name: str) -> StepView | None:
        step = state.steps[name]
        match step.status:
            case "completed":
                value = step.result or Inline()
                result = value.value if isinstance(value, Inline) else await self._load(value)
                return StepView.of(result, usage=step.usage.model_dump(), status="completed")
            case "skipped" | "failed":
                return StepView.of(None, usage=step.usage.model_dump(), status=step.status)
            case _:
                return None


def plan_of(pipeline: Pipeline, max_attempts: int) -> RunPlan:
    """What `decide` needs of a pipeline."""
    needs = dependencies(pipeline)
    return RunPlan(tuple(_step_plan(pipeline, step.name, needs[step.name], max_attempts) for step in pipeline.steps))


def _step_plan(pipeline: Pipeline, name: str, needs: tuple[str, ...], max_attempts: int) -> StepPlan:
    effective = pipeline.effective(name)
    given = effective.retry.model_dump(exclude_unset=True)
    policy = {"max_attempts": max_attempts, **given}
    retry_on = tuple(policy.pop("retry_on", None) or ())
    return StepPlan(
        name=name, step_type=str(getattr(effective.step, "type", "")), lane=effective.step.lane, needs=needs,
        timeout_s=effective.timeout_s, retry=RetryRule(**policy, retry_on=retry_on),
        continue_on_error=effective.continue_on_error,
    )  # fmt: skip
