"""The next run of a chain: a StartRun whose ids follow from the run before it."""

from elexirion.agents.orchestrator.child_runs import inherited
from elexirion.events.commands import Replay, StartRun
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.identifiers import successor_run_id
from elexirion.projections.run_state import RunState


def successor_record(state: RunState) -> Record:
    """The command for the first pipeline of the rest of the chain; sending it again is harmless."""
    assert state.successor is not None
    following = state.then[0]
    data = StartRun(
        pipeline=following.pipeline, source=following.source, inputs=state.successor.inputs,
        offline=state.offline, then=state.then[1:], previous_run_id=state.run_id, tags=state.tags,
        replay_from=_recorded(state.replay_from), priority=inherited(state),
    )  # fmt: skip
    return make_record(
        data, id=state.successor.command_id, run_id=state.successor.run_id, at=utc_now(),
        causation_id=state.last, correlation_id=state.correlation_id,
    )  # fmt: skip


def _recorded(replay: Replay | None) -> Replay | None:
    """The next run of the recorded chain, where this one is answered from a recording."""
    if replay is None or replay.run_id is None:
        return replay
    return replay.model_copy(update={"run_id": successor_run_id(replay.run_id)})
