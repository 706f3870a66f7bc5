"""The next run of a chain: a StartRun whose ids follow from the run before it."""

from elexirion.events.commands import StartRun
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.projections.run_state import RunState


def successor_record(state: RunState) -> Record:
    """The command for the first pipeline of the rest of the chain; sending it again is harmless."""
    assert state.successor is not None
    following = state.then[0]
    data = StartRun(
        pipeline=following.pipeline, source=following.source, inputs=state.successor.inputs,
        offline=state.offline, then=state.then[1:], previous_run_id=state.run_id, tags=state.tags,
    )  # fmt: skip
    return make_record(
        data, id=state.successor.command_id, run_id=state.successor.run_id, at=utc_now(),
        causation_id=state.last, correlation_id=state.correlation_id,
    )  # fmt: skip
