"""The run that holds the turns of a session shared between runs: how it begins, and what is said to it."""

from typing import Any

from elexirion.events.commands import Signal, StartRun
from elexirion.events.envelope import Record, make_record
from elexirion.events.identifiers import SESSION_PREFIX, session_run_id, turns_command_id
from elexirion.events.values import Inline
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

TURNS, FORGET = "turns", "forget"
"""The signals that a session run takes."""


def is_session(run_id: str) -> bool:
    """Whether runs of this id are shared sessions."""
    return run_id.startswith(SESSION_PREFIX)


def start_of(name: str, *, offline: bool) -> StartRun:
    """The start of the session's run: one step that stays open, since a session has no end."""
    step = {"name": TURNS, "type": "approval", "message": "What runs say in this session; it never ends."}
    pipeline: dict[str, Any] = {"name": f"session {name}", "steps": [step]}
    return StartRun(pipeline=pipeline, tags={"session": name}, offline=offline)


def begins_session(run_id: str, command: StartRun) -> bool:
    """Whether the command is the start of the session to which the run id belongs."""
    name = command.tags.get("session", "")
    same_id = session_run_id(name, offline=command.offline) == run_id
    return same_id and command == start_of(name, offline=command.offline)


def say_turns(state: RunState, known: StepState, name: str) -> tuple[Record, Record]:
    """The commands that add what a step said to the session: its start, harmless where it began, and the turns.

    They carry the time of their cause: said again after more than the 7 days for which ids are remembered, they expire.
    """
    assert known.said is not None
    assert known.execution_id is not None
    assert known.ended_at is not None
    session = session_run_id(name, offline=state.offline)
    turns = known.said.value if isinstance(known.said, Inline) else known.said.model_dump(mode="json")
    value = {"turns": turns, "execution_id": known.execution_id}
    signal, id = Signal(name=TURNS, value=value), turns_command_id(known.execution_id)
    start = start_of(name, offline=state.offline)
    return (
        make_record(start, id=f"{session}/start", run_id=session, at=known.ended_at, offline=state.offline),
        make_record(
            signal, id=id, run_id=session, at=known.ended_at, correlation_id=state.correlation_id,
            offline=state.offline, causation_id=state.last,
        ),
    )  # fmt: skip
