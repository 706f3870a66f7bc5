"""The run of a shared session: how it begins, what it takes, and that it never ends."""

import re
from typing import Any

import pytest
from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import Loadable, decide_command
from elexirion.agents.dispatch import Placement
from elexirion.agents.orchestrator.start_check import StartCheck
from elexirion.agents.shared_session import begins_session, say_turns, start_of
from elexirion.events import commands, run, step
from elexirion.events.envelope import Record, make_decision
from elexirion.events.identifiers import RUN_ID_PATTERN, session_run_id
from elexirion.events.record_model import RecordModel
from elexirion.events.values import Inline, Stored, Value
from elexirion.projections.fleet import Fleet
from elexirion.projections.shared_turns import KEPT
from hypothesis import given
from hypothesis import strategies as st

from tests.projections.partition_log import AUTHOR, RUN, WORKER, PartitionLog, RunLog

SESSION = session_run_id("tutor", offline=False)
TURNS = [{"user": "My cat is Mia.", "assistant": "A fine name."}]
LARGE = Stored(sha256="s" * 64, size=700_000, parts=4, partition=2, offset=9)


def outcome(log: PartitionLog, command: RecordModel, command_id: str, run_id: str = SESSION) -> Record:
    """Receive, decide, write; the accepted outcome."""
    assert log.receive(command, command_id, run_id) is None
    return decided(log, command, command_id, run_id)


def decided(log: PartitionLog, command: RecordModel, command_id: str, run_id: str = SESSION) -> Record:
    """Decide a command that was received, write; the accepted outcome."""
    checked = StartCheck().check(command) if isinstance(command, commands.StartRun) else None
    facts = Facts(now=log.now, author=AUTHOR, placement=Placement(Fleet(), 10))
    pending, fold = log.fold.pending[command_id], log.fold
    record = decide_command(pending, command, fold.runs.get(run_id), fold.ended.get(run_id), checked, facts)
    assert log.write(record) is None
    return record


def signal(name: str, value: Any = None) -> commands.Signal:
    return commands.Signal(name=name, value=value)


def said(execution: str, turns: Any = TURNS) -> commands.Signal:
    return signal("turns", {"turns": turns, "execution_id": execution})


@pytest.fixture
def log() -> PartitionLog:
    """The log of a session that began."""
    log = PartitionLog()
    assert outcome(log, start_of("tutor", offline=False), "start").type == "RunStarted"
    return log


@given(st.text(min_size=1, max_size=200), st.booleans())
def test_every_name_has_a_run_id_whose_start_is_accepted(name: str, offline: bool) -> None:
    run_id, command = session_run_id(name, offline=offline), start_of(name, offline=offline)
    assert re.fullmatch(RUN_ID_PATTERN, run_id)
    assert begins_session(run_id, command)
    assert isinstance(StartCheck().check(command), Loadable)


def test_names_that_read_alike_and_runs_without_a_network_have_sessions_of_their_own() -> None:
    names = ("tutor", "Tutor", "tutor!", "tutor?", " tutor")
    ids = {session_run_id(name, offline=offline) for name in names for offline in (True, False)}
    assert len(ids) == 10


@pytest.mark.parametrize(
    "command",
    [
        commands.StartRun(pipeline={"name": "mine", "steps": [{"name": "a", "type": "test_echo"}]}),
        start_of("another", offline=False),
        start_of("tutor", offline=True),
        start_of("tutor", offline=False).model_copy(update={"inputs": {"more": 1}}),
    ],
)
def test_nothing_else_runs_under_the_id_of_a_session(command: commands.StartRun) -> None:
    log = PartitionLog()
    assert outcome(log, command, "other").raw["reason_code"] == "not_applicable"
    assert log.fold.runs == {}


def test_turns_are_kept_in_the_order_of_the_log(log: PartitionLog) -> None:
    outcome(log, said("run-1/a#1"), "c1")
    outcome(log, said("run-2/a#1", LARGE.model_dump(mode="json")), "c2")
    outcome(log, signal("turns", {"turns": TURNS}), "c3")
    told = log.fold.runs[SESSION].shared_turns
    assert [one.execution_id for one in told] == ["run-1/a#1", "run-2/a#1", None]
    assert told[1].turns == LARGE
    assert log.replay().runs[SESSION].shared_turns == told


@pytest.mark.parametrize(
    "value",
    [
        None, "hello", {}, {"turns": "hello"}, {"turns": [{"user": "hello"}]},
        {"turns": [{"user": "hello", "assistant": " "}]}, {"turns": {"kind": "inline", "value": TURNS}},
    ],
)  # fmt: skip
def test_turns_that_no_provider_could_be_told_are_rejected_and_not_repeated(log: PartitionLog, value: Any) -> None:
    record = outcome(log, signal("turns", value), "c1")
    assert record.raw["reason_code"] == "invalid_command"
    assert "hello" not in record.raw["reason"]
    assert log.fold.runs[SESSION].shared_turns == ()


@pytest.mark.parametrize(
    "command",
    [commands.CancelRun(), commands.PauseRun(), signal("approve"), signal("reject", {"step": "turns"})],
)
def test_a_session_does_not_end(log: PartitionLog, command: RecordModel) -> None:
    record = outcome(log, command, "c1")
    assert record.raw["reason_code"] == "not_applicable"
    assert "`forget`" in record.raw["reason"]
    assert log.fold.runs[SESSION].status == "running"


def test_a_session_forgets_what_was_said_and_who_said_it_stays_known(log: PartitionLog) -> None:
    outcome(log, said("run-1/a#1"), "c1")
    outcome(log, signal("forget"), "c2")
    outcome(log, said("run-2/a#1"), "c3")
    told = log.fold.runs[SESSION].shared_turns
    assert [(one.execution_id, bool(one.turns)) for one in told] == [("run-1/a#1", False), ("run-2/a#1", True)]


def test_a_session_of_any_age_stays_bounded(log: PartitionLog) -> None:
    for n in range(KEPT + 5):
        outcome(log, said(f"run-{n}/a#1"), f"c{n}")
    told = log.fold.runs[SESSION].shared_turns
    assert (len(told), told[0].execution_id, told[-1].execution_id) == (KEPT, "run-5/a#1", f"run-{KEPT + 4}/a#1")


def test_other_runs_take_no_turns() -> None:
    log = RunLog()
    assert outcome(log, said("run-2/a#1"), "c1", RUN).raw["reason_code"] == "not_applicable"


# What a run says -------------------------------------------------------------------------------------------


def ended_step(turns: Value) -> RunLog:
    log = RunLog()
    log.schedule()
    log.report(
        step.StepCompleted(
            execution_id=log.execution(), incarnation=WORKER, result=Inline(value="A fine name."), turns=turns
        )
    )
    return log


@pytest.mark.parametrize("turns", [Inline(value=TURNS), LARGE], ids=["inline", "stored"])
def test_what_a_step_said_reaches_its_session_once_however_often_it_is_published(turns: Value) -> None:
    own, there = ended_step(turns), PartitionLog()
    for again in range(2):
        for record in say_turns(own.state, own.state.steps["a"], "tutor"):
            assert record.run_id == SESSION
            assert isinstance(record.data, RecordModel)
            refused = there.receive(record.data, record.id, SESSION, again=bool(again))
            assert refused == ("duplicate_command" if again else None)
            if not again:
                decided(there, record.data, record.id)
    [one] = there.fold.runs[SESSION].shared_turns
    told = one.turns if isinstance(one.turns, Stored) else Inline(value=[turn.model_dump() for turn in one.turns])
    assert (one.execution_id, told) == (f"{RUN}/a#1", turns)


def test_commands_of_a_step_carry_the_time_at_which_it_ended() -> None:
    log = ended_step(Inline(value=TURNS))
    ended_at = log.state.steps["a"].ended_at
    assert {record.at for record in say_turns(log.state, log.state.steps["a"], "tutor")} == {ended_at}


def test_a_forged_signal_without_turns_changes_nothing(log: PartitionLog) -> None:
    state = log.fold.runs[SESSION]
    assert log.receive(signal("turns"), "c1", SESSION) is None
    data = run.SignalReceived(command_id="c1", name="turns", value="no turns")
    forged = make_decision(data, run_id=SESSION, seq=state.seq + 1, prev=state.last, author=AUTHOR, at=log.now)
    assert log.write(forged) == "fold_error"
    assert log.fold.runs[SESSION] is state
