"""Pipelines as the orchestrator needs them: the plan of a run, and an answer to each question of `decide`."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from elexirion.agents import step_rendering
from elexirion.agents.decide_command import Checked
from elexirion.agents.evaluated import (
    Answer,
    Asking,
    Assigned,
    Holds,
    Joined,
    NotPossible,
    NotWanted,
    Opened,
    Output,
    Rendered,
    Sleeping,
    StepAnswer,
)
from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.orchestrator import scopes
from elexirion.agents.orchestrator.child_runs import called
from elexirion.agents.orchestrator.concluding import Results, is_particular, reason_of_end
from elexirion.agents.orchestrator.joining import joined
from elexirion.agents.orchestrator.located import Located, locate
from elexirion.agents.orchestrator.run_files import finder, output_path, reader, workspace_of
from elexirion.agents.orchestrator.run_plan import TryLimits, plan_of
from elexirion.agents.orchestrator.session_history import histories
from elexirion.agents.orchestrator.session_log import SessionLog, SessionUnreadableError
from elexirion.agents.orchestrator.start_check import StartCheck
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.agents.plan import RunPlan
from elexirion.agents.questions import (
    AboutBreak,
    AboutChild,
    AboutOutput,
    AboutResult,
    AboutStep,
    AboutTurn,
    Question,
)
from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepError
from elexirion.events.canonical import content_hash
from elexirion.events.commands import StartRun
from elexirion.events.failure import Failure
from elexirion.events.identifiers import session_run_id
from elexirion.events.values import Value
from elexirion.pipelines import shared_sessions
from elexirion.pipelines.loader import from_definition
from elexirion.pipelines.names import Scope
from elexirion.pipelines.prompts import ReadFile
from elexirion.pipelines.rendering import isolated_in_condition, isolated_in_step, with_absent
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, ItemsStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.set_variable import SetVariableStep
from elexirion.pipelines.steps.step import Rendering
from elexirion.pipelines.template_errors import TemplateError
from elexirion.projections.run_state import RunState

REMEMBERED = 500

Load = Callable[[Value], Awaitable[Any]]
Store = Callable[[str, Any], Awaitable[Value]]


class Plans:
    """RunPlans and StartChecker over the pipeline language. `load` and `store` move large values."""

    def __init__(
        self, settings: Settings, evaluator: BoundedEvaluator, load: Load, store: Store, sessions: SessionLog
    ) -> None:
        self._settings = settings
        self._tries = TryLimits(settings.max_attempts, settings.poison_crashes)
        self._evaluator = evaluator
        self._sessions = sessions
        self._store = store
        self._views = StepViews(load)
        self._results = Results(settings, evaluator, self._views)
        self._starts = StartCheck()
        self._planned: OrderedDict[str, tuple[Pipeline, RunPlan]] = OrderedDict()

    def check(self, command: StartRun) -> Checked:
        """What the run would be, or every reason why it cannot be."""
        return self._starts.check(command)

    def plan(self, state: RunState) -> RunPlan:
        """The plan of the run's definition."""
        return self._both(state)[1]

    async def answer(self, state: RunState, question: Question) -> Answer:
        """Evaluate what a decision about this state depends on."""
        pipeline = self._both(state)[0]
        try:
            match question:
                case AboutStep():
                    return await self._about_step(state, pipeline, locate(pipeline, question.path))
                case AboutTurn():
                    return await self._about_turn(state, pipeline, locate(pipeline, question.path), question.index)
                case AboutBreak():
                    return await self._about_break(state, pipeline, locate(pipeline, question.path), question.index)
                case AboutResult():
                    return await self._concluded(state, pipeline, question)
                case AboutChild():
                    located = locate(pipeline, question.path)
                    if not is_particular(located.step):
                        return Joined(question.output)
                    output = await self._views.value(question.output)
                    return Joined(await self._kept(state, pipeline, located, output))
                case AboutOutput():
                    return await self._output(state, pipeline)
        except StepError as error:
            return NotPossible(error.failure)
        except SessionUnreadableError as error:
            message = f"a shared session cannot be read from the log now: {error}"
            return NotPossible(Failure(kind="connection", message=message))
        except TemplateError as error:
            where = "output" if isinstance(question, AboutOutput) else f"step {question.path}"
            return NotPossible(Failure(kind="evaluation", message=f"{where}: {error}"))

    def quick(self, state: RunState, question: Question) -> bool:
        """Whether the answer takes no process and no other reader: a moment at most."""
        if not isinstance(question, AboutStep):
            return False
        pipeline = self._both(state)[0]
        step = locate(pipeline, question.path).step
        isolated = isolated_in_condition(pipeline, step) or isolated_in_step(pipeline, step)
        particular = step.lane is None and is_particular(step)
        return not (isolated or particular or shared_sessions.may_read(pipeline, step))

    # -- steps

    async def _about_step(self, state: RunState, pipeline: Pipeline, located: Located) -> StepAnswer:
        step = located.step
        scope = await scopes.scope_of(state, pipeline, located, self._views)
        # The condition of a while_loop is about its turns.
        if step.condition is not None and not isinstance(step, RepeatStep):
            lenient = replace(scope, absent=scopes.names_of_file(pipeline))
            holds = await step_rendering.condition_holds(self._evaluator, pipeline, step, lenient)
            if not holds.value:
                return NotWanted("; ".join(("its condition does not hold", *holds.warnings)))
        if isinstance(step, CompositeStep):
            return await self._opened(state, pipeline, located, scope)
        return await self._rendered(state, pipeline, located, scope)

    async def _rendered(self, state: RunState, pipeline: Pipeline, located: Located, scope: Scope) -> StepAnswer:
        step, read = located.step, reader(self._settings, state.source, pipeline.workspace_dir)
        if shared_sessions.may_read(pipeline, step):
            scope = await self._with_shared(state, pipeline, located, scope, read)
        rendered = await step_rendering.render_step(self._evaluator, pipeline, step, scope, read)
        config = rendered.config
        if isinstance(step, PipelineStep):
            timeout_s = pipeline.effective(step).timeout_s
            find = finder(self._settings, state.source)
            return called(
                state, step, located.path, config, scope.variables, timeout_s, read, find, self._starts
            )  # fmt: skip
        if isinstance(step, SetVariableStep):
            values = rendered.variables or {}
            await self._results.kept(state, pipeline, located, values)
            return Assigned(values, step.scope)
        if step.lane is None:
            return _of_config(step.type, config)
        if step.works_with_files(config):
            config = {**config, "workspace": workspace_of(state.source, pipeline)}
        if step.lane != "local" and (cache := pipeline.effective(step).cache):
            config = {**config, "cache": cache.model_dump()}
        return Rendered(
            input=await self._store(state.run_id, config), input_hash=content_hash(config),
            output_file=self._output_file(state, rendered.output_to_file), prompt_files=rendered.prompt_files,
        )  # fmt: skip

    async def _with_shared(
        self, state: RunState, pipeline: Pipeline, located: Located, scope: Scope, read: ReadFile
    ) -> Scope:
        """The scope with the whole history of the shared sessions that the step takes."""
        rendering = await step_rendering.rendering_of(self._evaluator, pipeline, located.step, scope, read)
        names = shared_sessions.read_by(pipeline, located.step, lambda name: str(rendering.value(name)))
        told = {name: await self._sessions.told(session_run_id(name, offline=state.offline)) for name in names}
        return replace(scope, sessions=await histories(state, pipeline, located, self._views, told))

    async def _opened(self, state: RunState, pipeline: Pipeline, located: Located, scope: Scope) -> Opened:
        step, read = located.step, reader(self._settings, state.source, pipeline.workspace_dir)
        assert isinstance(step, CompositeStep)
        rendering = await step_rendering.rendering_of(self._evaluator, pipeline, step, scope, read)
        children = {inner.name: inner.type for block in step.blocks() for inner in block.steps}
        match step:
            case ItemsStep():
                items = step.items(rendering)
                kind = step.item_step(0).type if items else "claude"
                return Opened("items", {"": kind}, await self._store(state.run_id, items), len(items))
            case LoopStep():
                return await self._opened_loop(state, step, rendering, children)
            case BranchStep():
                return Opened("branch", children, branch=step.chosen(rendering))
            case _:
                return Opened("repeat", children)

    async def _opened_loop(
        self, state: RunState, step: LoopStep, rendering: Rendering, children: dict[str, str]
    ) -> Opened:
        items, most = step.items(rendering), step.most_turns()
        count = len(items) if most is None else min(len(items), most)
        # One more than it goes over tells that there were more.
        return Opened("loop", children, await self._store(state.run_id, items[: count + 1]), count)

    # -- loops

    async def _about_turn(self, state: RunState, pipeline: Pipeline, located: Located, index: int) -> Holds:
        step = located.step
        scope = await scopes.scope_of_turn(state, pipeline, located, index, self._views, ended=False)
        assert isinstance(step, LoopStep | RepeatStep)
        condition = step.skip_when() if isinstance(step, LoopStep) else step.condition
        held = await step_rendering.condition_value(self._evaluator, condition, with_absent(step, scope))
        return Holds(held.value != isinstance(step, LoopStep))

    async def _about_break(self, state: RunState, pipeline: Pipeline, located: Located, index: int) -> Holds:
        step = located.step
        assert isinstance(step, LoopStep)
        scope = await scopes.scope_of_turn(state, pipeline, located, index, self._views, ended=True)
        held = await step_rendering.condition_value(self._evaluator, step.break_when(), with_absent(step, scope))
        return Holds(held.value)

    # -- the end

    async def _concluded(self, state: RunState, pipeline: Pipeline, question: AboutResult) -> Joined:
        located = locate(pipeline, question.path)
        because = await reason_of_end(state, located, question.ended_because, self._views)
        result = await joined(state, located, because, self._views)
        return Joined(await self._kept(state, pipeline, located, result), because)

    async def _kept(self, state: RunState, pipeline: Pipeline, located: Located, result: Any) -> Value:
        return await self._store(state.run_id, await self._results.kept(state, pipeline, located, result))

    async def _output(self, state: RunState, pipeline: Pipeline) -> Output:
        scope = await scopes.output_scope(state, pipeline, self._views)
        result = await step_rendering.render_output(self._evaluator, pipeline, scope)
        inputs = {"input": result, **(result if isinstance(result, dict) else {})}
        return Output(await self._store(state.run_id, result), inputs)

    def _output_file(self, state: RunState, path: str | None) -> str | None:
        return output_path(self._settings, state.source, path) if path else None

    def _both(self, state: RunState) -> tuple[Pipeline, RunPlan]:
        key = state.definition_sha256
        if key not in self._planned:
            pipeline = from_definition(state.definition)
            self._planned[key] = (pipeline, plan_of(pipeline, self._tries))
            while len(self._planned) > REMEMBERED:
                self._planned.popitem(last=False)
        return self._planned[key]


def _of_config(step_type: str, config: dict[str, Any]) -> StepAnswer:
    """What a step is that no worker runs."""
    match step_type:
        case "delay":
            until = config.get("until")
            return Sleeping(config.get("seconds"), datetime.fromisoformat(until) if until else None)
        case "approval":
            return Asking(config["message"], config["timeout_s"])
        case _:
            raise TypeError(f"nothing runs a step of type {step_type}")
