"""The fold of a run: `evolve(state, record) -> state` for accepted records.

Pure: no clock, random, log or await. Which records are accepted is decided in `admission`; what each kind changes
stands in `step_changes`, `inside_changes` and `run_changes`.
"""

from elexirion.events import run
from elexirion.events.canonical import canonical_json, sha256_hex
from elexirion.events.catalog import DECISION_NAMES
from elexirion.events.envelope import Record
from elexirion.events.step import Report
from elexirion.pipelines.definition import step_types
from elexirion.projections import inside_changes, run_changes, step_changes
from elexirion.projections.carrying import with_carried
from elexirion.projections.change import changed
from elexirion.projections.changes import with_entry
from elexirion.projections.run_state import RunState
from elexirion.projections.schedule_state import ScheduleState
from elexirion.projections.step_state import StepState

_CHANGES = {**step_changes.CHANGES, **inside_changes.CHANGES, **run_changes.CHANGES}


def begin(record: Record) -> RunState:
    """The state after a run's RunStarted."""
    data = record.data
    assert isinstance(data, run.RunStarted)
    types = step_types(data.definition) if data.schedule is None else {}
    steps = {name: StepState(name, kind) for name, kind in types.items()}
    started_at = max(record.at, data.start_at or record.at)
    state = RunState(
        run_id=record.run_id, pipeline_name=data.pipeline_name, definition=data.definition,
        definition_sha256=data.definition_sha256, inputs=data.inputs, source=data.source, then=data.then,
        previous_run_id=data.previous_run_id, parent=data.parent, replay_from=data.replay_from, tags=data.tags,
        offline=record.offline, correlation_id=record.correlation_id,
        started_at=started_at, seq=1, last=record.id, position=1,
        digest=chain("", record), steps=steps, retry_of=data.retry_of, fork_of=data.fork_of, start_at=data.start_at,
        fired_by=data.fired_by, priority=data.priority,
        schedule=ScheduleState(data.schedule, started_at) if data.schedule else None,
    )  # fmt: skip
    return with_carried(state, data.carried) if data.carried else state


def evolve(state: RunState, record: Record) -> RunState:
    """The state after one more accepted record; unknown kinds change only position and digest."""
    change = _CHANGES.get(type(record.data))
    after = change(state, record.data, record) if change else state
    digest = chain(state.digest, record)
    if record.type in DECISION_NAMES:
        return changed(after, position=state.position + 1, digest=digest, seq=state.seq + 1, last=record.id)
    return changed(after, position=state.position + 1, digest=digest, opened=_with_said(after.opened, record))


def _with_said(opened: dict[str, tuple[str, ...]], record: Record) -> dict[str, tuple[str, ...]]:
    """The open executions, with the id of one more report of one of them; nothing of those that have ended."""
    data = record.data
    if not isinstance(data, Report) or data.execution_id not in opened:
        return opened
    return with_entry(opened, data.execution_id, (*opened[data.execution_id], record.id))


def chain(digest: str, record: Record) -> str:
    """The digest after `record`: covers type and data as written, but for `context_hash`, made of the digest."""
    said = {key: value for key, value in record.raw.items() if key != "context_hash"}
    return sha256_hex(f"{digest}|{record.type}|".encode() + canonical_json(said))
