"""What becomes of a command: exactly one outcome each. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from elexirion.agents.decide import Facts, number
from elexirion.agents.decisions.later import LONGEST_S, later
from elexirion.agents.shared_session import FORGET, TURNS, begins_session, is_session
from elexirion.events import commands, run
from elexirion.events.codec import describe
from elexirion.events.envelope import Record, make_decision, make_record
from elexirion.events.identifiers import LONGEST_SCHEDULE_ID, SESSION_PREFIX
from elexirion.events.priority import Priority
from elexirion.events.record_model import RecordModel
from elexirion.events.schedule import Schedule
from elexirion.events.session import TurnsSaid
from elexirion.projections.due_times import problem_of
from elexirion.projections.partition import EndedRun, PendingCommand
from elexirion.projections.run_state import RunState
from pydantic import ValidationError

EXPIRY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Loadable:
    """A StartRun's pipeline, checked: normalised definition, its hash, inputs with defaults, what follows."""

    name: str
    definition: dict[str, Any]
    sha256: str
    inputs: dict[str, Any]
    then: tuple[commands.PipelineReference, ...] = ()
    priority: Priority = "normal"


@dataclass(frozen=True, slots=True)
class NotLoadable:
    """A StartRun that cannot run."""

    code: Literal["invalid_pipeline", "missing_inputs", "invalid_inputs"]
    reason: str


Checked: TypeAlias = Loadable | NotLoadable


def decide_command(
    pending: PendingCommand,
    command: RecordModel,
    state: RunState | None,
    ended: EndedRun | None,
    checked: Checked | None,
    facts: Facts,
) -> Record:
    """The outcome of one command, as a decision of its run or a rejection."""
    refused = void(pending, facts)
    if refused is not None:
        return refused
    if isinstance(command, commands.StartRun):
        return _start(pending, command, state, ended, checked, facts)
    if state is None:
        return _without_run(pending, ended, facts)
    return _to_run(pending, command, state, facts)


def void(pending: PendingCommand, facts: Facts) -> Record | None:
    """The rejection of a command that is void whatever it asks for."""
    received = pending.received
    if pending.conflicts:
        return reject(pending, "conflicting_content", "this command id was used before with other content", facts)
    if received.issued_at and received.broker_at and received.issued_at < received.broker_at - EXPIRY:
        return reject(pending, "expired", "its `at` is more than 7 days before it was published", facts)
    return None


def reject(pending: PendingCommand, code: Any, reason: str, facts: Facts) -> Record:
    """A rejection; its id follows from the command, so that two orchestrators say the same."""
    received = pending.received
    data = run.CommandRejected(
        command_id=received.command_id, content_hash=received.content_hash, reason_code=code, reason=reason
    )
    return make_record(
        data, id=f"{pending.record.id}/rejected", run_id=pending.run_id, at=facts.now,
        causation_id=pending.record.id, correlation_id=pending.record.correlation_id,
    )  # fmt: skip


def _start(
    pending: PendingCommand,
    command: commands.StartRun,
    state: RunState | None,
    ended: EndedRun | None,
    checked: Checked | None,
    facts: Facts,
) -> Record:
    if is_session(pending.run_id) and not begins_session(pending.run_id, command):
        reason = f"run ids that begin with {SESSION_PREFIX!r} are those of shared sessions; choose another run_id"
        return reject(pending, "not_applicable", reason, facts)
    if state or ended:
        return reject(pending, "run_exists", f"a run {pending.run_id} exists; choose another run_id", facts)
    if not isinstance(checked, Loadable):
        code, why = (checked.code, checked.reason) if checked else ("invalid_pipeline", "not checked")
        return reject(pending, code, why, facts)
    if command.start_at is not None and command.start_at > later(facts.now, LONGEST_S):
        return reject(pending, "invalid_command", "`start_at` is more than ten years away", facts)
    wrong = _wrong_schedule(pending.run_id, command.schedule, facts) if command.schedule else None
    if wrong is not None:
        return reject(pending, "invalid_command", wrong, facts)
    received = pending.received
    data = run.RunStarted(
        command_id=received.command_id, content_hash=received.content_hash, pipeline_name=checked.name,
        definition=checked.definition, definition_sha256=checked.sha256, inputs=checked.inputs,
        source=command.source, then=checked.then, previous_run_id=command.previous_run_id, parent=command.parent,
        replay_from=command.replay_from, tags=command.tags, retry_of=command.retry_of, fork_of=command.fork_of,
        carried=command.carried, start_at=command.start_at, schedule=command.schedule,
        fired_by=command.fired_by, priority=command.priority or checked.priority,
    )  # fmt: skip
    return make_decision(
        data, run_id=pending.run_id, seq=1, prev=None, author=facts.author, at=facts.now,
        causation_id=pending.record.id, correlation_id=pending.record.correlation_id or received.command_id,
        offline=command.offline,
    )  # fmt: skip


def _wrong_schedule(run_id: str, schedule: Schedule, facts: Facts) -> str | None:
    if len(run_id) > LONGEST_SCHEDULE_ID:
        return f"the id of a schedule has at most {LONGEST_SCHEDULE_ID} characters: those of its runs begin with it"
    return problem_of(schedule, facts.now)


def _without_run(pending: PendingCommand, ended: EndedRun | None, facts: Facts) -> Record:
    if ended:
        reason = f"run {pending.run_id} ended already ({ended.status})"
        return reject(pending, "run_ended", reason, facts)
    return reject(pending, "no_such_run", f"there is no run {pending.run_id}", facts)


def _to_run(pending: PendingCommand, command: RecordModel, state: RunState, facts: Facts) -> Record:
    id = pending.received.command_id
    if is_session(state.run_id):
        return _to_session(pending, command, state, facts)
    match command:
        case commands.CancelRun():
            data: RecordModel = run.RunCancelled(
                command_id=id, reason=command.reason, usage=state.usage, cost_usd=state.cost_usd, context_hash=""
            )
        case commands.PauseRun() if _turns(state, "running", command.parent_seq):
            data = run.RunPaused(command_id=id, reason=command.reason, parent_seq=command.parent_seq)
        case commands.ResumeRun() if _turns(state, "paused", command.parent_seq):
            data = run.RunResumed(command_id=id, parent_seq=command.parent_seq)
        case commands.PauseRun() | commands.ResumeRun():
            return reject(pending, "not_applicable", f"the run is {state.status}", facts)
        case commands.Signal():
            return _signal(pending, command, state, facts)
        case commands.ChildEnded() if state.awaits(command.step, command.child_run_id):
            data = run.ChildRunEnded(command_id=id, **command.model_dump())
        case commands.ChildEnded():
            reason = f"step {command.step} does not wait for the run {command.child_run_id}"
            return reject(pending, "no_such_child", reason, facts)
        case _:
            reason = f"{pending.received.command_type} is not supported by this version"
            return reject(pending, "unsupported", reason, facts)
    return number(state, data, facts, pending.record.id)


def _turns(state: RunState, while_: str, parent_seq: int | None) -> bool:
    """Whether a run pauses or goes on now. What its parent says counts while it is newer than all it said before:
    the run follows the parent's last word, in whatever order its words arrive.
    """
    return state.status == while_ if parent_seq is None else parent_seq > (state.parent_seq or 0)


def _signal(pending: PendingCommand, command: commands.Signal, state: RunState, facts: Facts) -> Record:
    """An answer to the step that waits for one: the one it names in `value.step`, else the only one."""
    asked = [known.name for known in state.steps.values() if known.status == "asked" and known.answer is None]
    wanted = command.value.get("step") if isinstance(command.value, dict) else None
    steps = [name for name in asked if wanted in (None, name)]
    if command.name not in ("approve", "reject"):
        return reject(pending, "not_applicable", f"signals are `approve` and `reject`, not {command.name!r}", facts)
    if len(steps) != 1:
        waiting = ", ".join(asked) or "none"
        reason = f"a signal answers one step (waiting: {waiting}); name it by --step, or as `step` in its value"
        return reject(pending, "not_applicable", reason, facts)
    data = run.SignalReceived(
        command_id=pending.received.command_id, name=command.name, value=command.value, step=steps[0]
    )
    return number(state, data, facts, pending.record.id)


def _to_session(pending: PendingCommand, command: RecordModel, state: RunState, facts: Facts) -> Record:
    """A shared session takes turns and forgets them all; it does not end, so that its name stays free to use."""
    if not isinstance(command, commands.Signal) or command.name not in (TURNS, FORGET):
        reason = f"a shared session goes on for ever; its signals are `{TURNS}` and `{FORGET}` (which empties it)"
        return reject(pending, "not_applicable", reason, facts)
    try:
        if command.name == TURNS:
            TurnsSaid.model_validate(command.value)
    except ValidationError as error:
        return reject(pending, "invalid_command", f"the value of the signal: {describe(error)}", facts)
    data = run.SignalReceived(command_id=pending.received.command_id, name=command.name, value=command.value)
    return number(state, data, facts, pending.record.id)
