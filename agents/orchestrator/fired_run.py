"""The StartRun of a run that a schedule fired: made from its state alone, so that saying it again is harmless."""

from elexirion.events.commands import StartRun
from elexirion.events.envelope import Record, make_record
from elexirion.events.schedule import FiredBy
from elexirion.pipelines.definition import named_followers
from elexirion.projections.run_state import RunState
from elexirion.projections.schedule_state import Fired


def start_fired(state: RunState, fired: Fired) -> Record:
    """The command, as of the time of the decision: said again when its id is forgotten, it has expired."""
    data = StartRun(
        pipeline=state.definition, source=state.source, inputs=state.inputs, offline=state.offline,
        then=state.then[named_followers(state.definition) :], tags=state.tags, priority=state.priority,
        fired_by=FiredBy(schedule_id=state.run_id, due_at=fired.due_at),
    )  # fmt: skip
    return make_record(
        data, id=fired.command_id, run_id=fired.run_id, at=fired.fired_at, causation_id=state.last,
        correlation_id=fired.command_id,
    )  # fmt: skip
