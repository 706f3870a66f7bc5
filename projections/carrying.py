"""Results that one run takes over from another: picked from the history of the one, put into the state of the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from elexirion.events.carried import Carried, CarriedStep
from elexirion.events.envelope import Record
from elexirion.events.run import VariablesSet
from elexirion.projections.change import changed
from elexirion.projections.paths import turn_around
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState
from elexirion.projections.variables import with_variables

if TYPE_CHECKING:
    from elexirion.projections.run_fold import Judged

_SAME = {field.name for field in fields(StepState)} & CarriedStep.model_fields.keys()
"""What a step of a run and a carried one have in common, under the same names."""


def carried_of(history: Iterable[Judged], names: Collection[str]) -> Carried:
    """What the steps of these names came to in a run, by all its records."""
    state: RunState | None = None
    variables: dict[str, Any] = {}
    setters: dict[str, str] = {}
    for judged in history:
        if judged.refused is None and state is not None and _sets(state, judged.record, names):
            data = judged.record.data
            assert isinstance(data, VariablesSet)
            variables, setters = with_variables(state.definition, variables, setters, data.step, data.values)
        if state is None and judged.state is not None and judged.state.carried is not None:
            variables, setters = _set_before(judged.state.carried, names)
        state = judged.state or state
    if state is None:
        return Carried()
    steps = [_carried(state, state.steps[name]) for name in names]
    return Carried(steps=tuple(sorted(steps, key=_ended)), variables=variables, setters=setters)


def _sets(state: RunState, record: Record, names: Collection[str]) -> bool:
    """Whether the record sets variables of the run, by one of these steps or inside of it."""
    data = record.data
    if not isinstance(data, VariablesSet) or data.step.partition("/")[0] not in names:
        return False
    return data.scope != "loop" or turn_around(state, data.step) is None


def _set_before(carried: Carried, names: Collection[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Of a run that carried something itself: what was given for it, and what these steps had set."""
    setters = {name: path for name, path in carried.setters.items() if path.partition("/")[0] in names}
    kept = {name: value for name, value in carried.variables.items() if name in setters or name not in carried.setters}
    return kept, setters


def _carried(state: RunState, known: StepState) -> CarriedStep:
    same = {name: getattr(known, name) for name in _SAME}
    return CarriedStep(**same, origin=known.carried_from or known.execution_id or f"{state.run_id}/{known.name}")


def _ended(one: CarriedStep) -> tuple[bool, Any]:
    return (one.ended_at is not None, one.ended_at)


def with_carried(state: RunState, carried: Carried) -> RunState:
    """The state of a run that begins with these results; a step that its pipeline does not have changes nothing."""
    steps: dict[str, StepState] = state.steps.copy()
    completed: str | None = None
    for one in carried.steps:
        if one.name in steps:
            same: Mapping[str, Any] = {name: getattr(one, name) for name in _SAME}
            steps[one.name] = changed(steps[one.name], **same, carried_from=one.origin)
            completed = one.name if one.status == "completed" else completed
    return changed(
        state, steps=steps, carried=carried, variables=dict(carried.variables), setters=dict(carried.setters),
        last_completed=completed,
    )  # fmt: skip
