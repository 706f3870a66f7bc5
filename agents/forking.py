"""What a RetryRun or ForkRun comes to: which results the new run takes, and its StartRun. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from elexirion.agents.decisions.blocks import standing
from elexirion.agents.plan import RunPlan
from elexirion.agents.shared_session import is_session
from elexirion.events.carried import Carried
from elexirion.events.commands import ForkRun, RetryRun, StartRun
from elexirion.pipelines.definition import named_followers, step_types, workflow_of
from elexirion.pipelines.near import near
from elexirion.projections.carrying import carried_of
from elexirion.projections.run_fold import Judged
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class NotForked:
    """Why there is no new run; a reason code of CommandRejected, and what to do."""

    code: Literal["not_applicable", "run_open", "no_such_step", "invalid_inputs"]
    reason: str


@dataclass(frozen=True, slots=True)
class Forked:
    """The new run, as its StartRun would say, and the step from which it goes on (None: from wherever it stood)."""

    start: StartRun
    from_step: str | None


def forked(
    command: RetryRun | ForkRun,
    history: Sequence[Judged],
    state: RunState,
    plan: RunPlan,
    changed: dict[str, Any] | None = None,
) -> Forked | NotForked:
    """The new run; `history` are all records of the run so far, `state` is the run after them.

    `changed` is the definition of the fork's own pipeline, where it has one; `plan` is that of the run.
    """
    refused = _refused(command, state)
    if refused is not None:
        return refused
    from_step, definition = _from_step(command, state), changed or state.definition
    names = list(step_types(definition))
    if from_step is not None and from_step not in names:
        meant = near(from_step, names)
        hint = f"did you mean {' or '.join(meant)}?" if meant else f"there are: {', '.join(names)}"
        return NotForked("no_such_step", f"the run has no step {from_step} at its top; {hint}")
    kept = _kept(command, state, plan, from_step)
    carried = carried_of(history, kept if changed is None else _above(from_step, changed, state, plan))
    given = command.variables if isinstance(command, ForkRun) else {}
    names_known = _known_names(state, definition)
    unknown = [name for name in given if name not in names_known]
    if unknown:
        known = ", ".join(sorted(names_known)) or "none"
        return NotForked("invalid_inputs", f"there is no input or variable {', '.join(unknown)} (there are: {known})")
    return Forked(_start(command, state, carried, given, definition), from_step)


def _refused(command: RetryRun | ForkRun, state: RunState) -> NotForked | None:
    if is_session(state.run_id) or is_session(command.new_run_id):
        return NotForked("not_applicable", "a shared session is no run of a pipeline")
    if state.schedule is not None:
        return NotForked("not_applicable", "a schedule is no run of its pipeline; name one of the runs that it started")
    if command.new_run_id == state.run_id:
        return NotForked("not_applicable", "the new run needs a run id of its own")
    if isinstance(command, ForkRun):
        return None
    if not state.ended:
        return NotForked("run_open", f"the run is {state.status}, and only a run that ended is tried again")
    if state.status == "completed":
        return NotForked("not_applicable", "the run completed; a ForkRun goes on from any of its steps")
    return None


def _from_step(command: RetryRun | ForkRun, state: RunState) -> str | None:
    named = command.from_step or state.failed_step
    return named.partition("/")[0] if named else None


def _kept(command: RetryRun | ForkRun, state: RunState, plan: RunPlan, from_step: str | None) -> list[str]:
    """Steps that are over and do not run again: none that needs `from_step`, and for a fork none below it."""
    again = {from_step} if from_step else set[str]()
    for name, needs in _in_order(plan):
        if again.intersection(needs):
            again.add(name)
    names = [planned.name for planned in plan.steps]
    if isinstance(command, ForkRun) and from_step in names:  # a changed pipeline may have it, and this one not
        again.update(names[names.index(from_step) :])
    over = standing(state, plan.steps, "").over
    return [name for name in names if name in over and name not in again]


def _above(from_step: str | None, changed: dict[str, Any], state: RunState, plan: RunPlan) -> list[str]:
    """Steps above `from_step` in a changed pipeline that the run has too, of the same type and over."""
    before, types = step_types(state.definition), step_types(changed)
    names = list(types)
    over = standing(state, plan.steps, "").over
    above = names[: names.index(from_step)] if from_step in names else names
    return [name for name in above if name in over and before.get(name) == types[name]]


def _in_order(plan: RunPlan) -> list[tuple[str, tuple[str, ...]]]:
    """Names and needs, each step after all that it needs."""
    waiting = {planned.name: planned.needs for planned in plan.steps}
    found: list[tuple[str, tuple[str, ...]]] = []
    while waiting:
        ready = [name for name, needs in waiting.items() if not any(need in waiting for need in needs)]
        found += [(name, waiting.pop(name)) for name in ready]
        if not ready:
            break
    return found


def _known_names(state: RunState, definition: dict[str, Any]) -> set[str]:
    workflow = workflow_of(definition)
    declared = [workflow.get(key) or {} for key in ("inputs", "variables")]
    return {*state.inputs, *state.variables, *(name for names in declared for name in names)}


def _start(
    command: RetryRun | ForkRun, state: RunState, carried: Carried, given: dict[str, Any], definition: dict[str, Any]
) -> StartRun:
    workflow = workflow_of(definition)
    own = command.pipeline if isinstance(command, ForkRun) else None
    inputs = {name: value for name, value in given.items() if name in {*state.inputs, *(workflow.get("inputs") or {})}}
    variables = {**carried.variables, **{name: value for name, value in given.items() if name not in inputs}}
    setters = {name: path for name, path in carried.setters.items() if name not in given}
    retries = isinstance(command, RetryRun)
    return StartRun(
        pipeline=own.pipeline if own else state.definition, source=own.source if own else state.source,
        inputs={**state.inputs, **inputs}, offline=state.offline,
        replay_from=state.replay_from, priority=state.priority,
        then=state.then[named_followers(state.definition) :], tags=state.tags,
        carried=carried.model_copy(update={"variables": variables, "setters": setters}),
        retry_of=state.run_id if retries else None, fork_of=None if retries else state.run_id,
    )  # fmt: skip
