"""The plan of a pipeline: its steps with what holds for each, as `decide` needs them."""

from dataclasses import dataclass
from typing import Any

from elexirion.agents.plan import CRASHES_TO_POISON, Branch, Items, Limits, Loop, Repeat, RunPlan, StepPlan, Within
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.pipelines.effective import EffectiveStep
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.shared_sessions import added_to
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, ItemsStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.step import Step


@dataclass(frozen=True, slots=True)
class TryLimits:
    """How often a step is tried: attempts, where it says nothing of its own, and workers that it may take along.

    With `crashes` 0 no step is ever given up for the workers that died with it.
    """

    attempts: int = 3
    crashes: int = CRASHES_TO_POISON


def plan_of(pipeline: Pipeline, tries: TryLimits) -> RunPlan:
    """What `decide` needs of a pipeline."""
    limits = pipeline.resource_limits
    return RunPlan(
        steps=_block(pipeline, pipeline.steps, tries),
        on_error=_block(pipeline, pipeline.on_error, tries),
        limits=Limits(
            limits.max_total_steps,
            limits.max_cost_usd,
            limits.max_tokens,
            limits.max_execution_time_s,
            audit=limits.mode == "audit",
        ),
        adds_to=added_to(pipeline),
    )


def _block(pipeline: Pipeline, steps: tuple[Step, ...], tries: TryLimits) -> tuple[StepPlan, ...]:
    needs = dependencies_of([(step.name, step.needs) for step in steps])
    return tuple(_step(pipeline, step, needs[step.name], tries) for step in steps)


def _step(pipeline: Pipeline, step: Step, needs: tuple[str, ...], tries: TryLimits) -> StepPlan:
    effective = pipeline.effective(step)
    return StepPlan(
        name=step.name, step_type=step.type, lane=step.lane, needs=needs, timeout_s=effective.timeout_s,
        retry=_retry(effective, tries), fallback=step.candidates(), continue_on_error=effective.continue_on_error,
        within=_within(pipeline, step, tries), on_timeout=getattr(step, "on_timeout", "fail"),
        most_crashes=tries.crashes or None,
    )  # fmt: skip


def _retry(effective: EffectiveStep, tries: TryLimits) -> RetryRule:
    if isinstance(effective.step, PipelineStep) and effective.step.own_retry() is None:
        return RetryRule(max_attempts=1)  # the child's steps were tried again already, each by its own rule
    given = effective.retry.model_dump(exclude_unset=True)
    policy: dict[str, Any] = {"max_attempts": tries.attempts, **given}
    retry_on = tuple(policy.pop("retry_on", None) or ())
    return RetryRule(**policy, retry_on=retry_on)


def _within(pipeline: Pipeline, step: Step, tries: TryLimits) -> Within | None:
    if not isinstance(step, CompositeStep):
        return None
    blocks = {block.key: _block(pipeline, block.steps, tries) for block in step.blocks()}
    match step:
        case ItemsStep():
            leaves = tuple(_step(pipeline, leaf, (), tries) for leaf in step.item_steps())
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
