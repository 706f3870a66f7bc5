"""The fold of a run: `evolve(state, record) -> state` for accepted records.

Pure: no clock, random, log or await. Which records are accepted is decided in `admission`; what each kind changes
stands in `step_changes`, `inside_changes` and `run_changes`.
"""

from elexirion.events import run
from elexirion.events.canonical import canonical_json, sha256_hex
from elexirion.events.catalog import DECISION_NAMES
from elexirion.events.envelope import Record
from elexirion.pipelines.definition import step_types
from elexirion.projections import inside_changes, run_changes, step_changes
from elexirion.projections.change import changed
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

_CHANGES = {**step_changes.CHANGES, **inside_changes.CHANGES, **run_changes.CHANGES}


def begin(record: Record) -> RunState:
    """The state after a run's RunStarted."""
    data = record.data
    assert isinstance(data, run.RunStarted)
    steps = {name: StepState(name, kind) for name, kind in step_types(data.definition).items()}
    return RunState(
        run_id=record.run_id, pipeline_name=data.pipeline_name, definition=data.definition,
        definition_sha256=data.definition_sha256, inputs=data.inputs, source=data.source, then=data.then,
        previous_run_id=data.previous_run_id, parent=data.parent, tags=data.tags, offline=record.offline,
        correlation_id=record.correlation_id, started_at=record.at, seq=1, last=record.id, position=1,
        digest=chain("", record), steps=steps,
    )  # fmt: skip


def evolve(state: RunState, record: Record) -> RunState:
    """The state after one more accepted record; unknown kinds change only position and digest."""
    change = _CHANGES.get(type(record.data))
    after = change(state, record.data, record) if change else state
    digest = chain(state.digest, record)
    if record.type in DECISION_NAMES:
        return changed(after, position=state.position + 1, digest=digest, seq=state.seq + 1, last=record.id)
    return changed(after, position=state.position + 1, digest=digest)


def chain(digest: str, record: Record) -> str:
    """The digest after `record`: covers type and data as written, but for `context_hash`, made of the digest."""
    said = {key: value for key, value in record.raw.items() if key != "context_hash"}
    return sha256_hex(f"{digest}|{record.type}|".encode() + canonical_json(said))
