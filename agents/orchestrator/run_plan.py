"""The plan of a pipeline: its steps with what holds for each, as `decide` needs them."""

from typing import Any

from elexirion.agents.plan import Branch, Items, Limits, Loop, Repeat, RunPlan, StepPlan, Within
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.pipelines.effective import EffectiveStep
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.shared_sessions import added_to
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, ItemsStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.step import Step


def plan_of(pipeline: Pipeline, max_attempts: int) -> RunPlan:
    """What `decide` needs of a pipeline; `max_attempts` holds for steps that say nothing of their own."""
    limits = pipeline.resource_limits
    return RunPlan(
        steps=_block(pipeline, pipeline.steps, max_attempts),
        on_error=_block(pipeline, pipeline.on_error, max_attempts),
        limits=Limits(limits.max_total_steps, limits.max_cost_usd, limits.max_tokens, limits.max_execution_time_s),
        adds_to=added_to(pipeline),
    )


def _block(pipeline: Pipeline, steps: tuple[Step, ...], max_attempts: int) -> tuple[StepPlan, ...]:
    needs = dependencies_of([(step.name, step.needs) for step in steps])
    return tuple(_step(pipeline, step, needs[step.name], max_attempts) for step in steps)


def _step(pipeline: Pipeline, step: Step, needs: tuple[str, ...], max_attempts: int) -> StepPlan:
    effective = pipeline.effective(step)
    return StepPlan(
        name=step.name, step_type=step.type, lane=step.lane, needs=needs, timeout_s=effective.timeout_s,
        retry=_retry(effective, max_attempts), continue_on_error=effective.continue_on_error,
        within=_within(pipeline, step, max_attempts), on_timeout=getattr(step, "on_timeout", "fail"),
    )  # fmt: skip


def _retry(effective: EffectiveStep, max_attempts: int) -> RetryRule:
    if isinstance(effective.step, PipelineStep) and effective.step.own_retry() is None:
        return RetryRule(max_attempts=1)  # the child's steps were tried again already, each by its own rule
    given = effective.retry.model_dump(exclude_unset=True)
    policy: dict[str, Any] = {"max_attempts": max_attempts, **given}
    retry_on = tuple(policy.pop("retry_on", None) or ())
    return RetryRule(**policy, retry_on=retry_on)


def _within(pipeline: Pipeline, step: Step, max_attempts: int) -> Within | None:
    if not isinstance(step, CompositeStep):
        return None
    blocks = {block.key: _block(pipeline, block.steps, max_attempts) for block in step.blocks()}
    match step:
        case ItemsStep():
            leaves = tuple(_step(pipeline, leaf, (), max_attempts) for leaf in step.item_steps())
            return Items(leaves, step.most_in_flight())
        case LoopStep():
            return Loop(
                steps=blocks[""], most=step.most_in_flight(), stops_at_error=step.stops_at_error(),
                skips=step.skip_when() is not None, breaks=step.break_when() is not None,
            )  # fmt: skip
        case RepeatStep():
            return Repeat(blocks[""], step.most_turns(), step.most_seconds())
        case BranchStep():
            return Branch(blocks)
        case _:
            raise TypeError(f"step {step.name}: no shape for {type(step).__name__}")
