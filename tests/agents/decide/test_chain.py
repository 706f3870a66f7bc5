"""A chain of pipelines: each run asks for the next, once its own command is known to be written."""

from elexirion.agents.evaluated import NotPossible
from elexirion.events.commands import PipelineReference
from elexirion.events.failure import Failure

from tests.agents.decide.given import Given, kinds, planned
from tests.projections.partition_log import RUN

NEXT = f"{RUN}~2"
COMMAND = f"{RUN}/then/{NEXT}"


def through() -> Given:
    given = Given(planned("a"), then=(PipelineReference(pipeline="next"),))
    given.then()
    given.complete("a")
    return given


def test_the_next_run_is_asked_for_before_this_one_completes() -> None:
    given = through()
    records = given.then()
    assert kinds(records) == ["ChildRunStarted"]
    assert {key: value for key, value in records[0].raw.items() if value and key != "source"} == {
        "child_run_id": NEXT, "command_id": COMMAND, "relation": "then", "inputs": {"input": "all"},
    }  # fmt: skip
    assert given.then() == [], "its command is not known to be written"
    assert kinds(given.then(sent=frozenset({COMMAND}))) == ["RunCompleted"]
    assert given.records[-1][0].raw["next_run_id"] == NEXT


def test_the_command_of_another_run_is_not_enough() -> None:
    given = through()
    given.then()
    assert given.then(sent=frozenset({"other"})) == []


def test_the_next_run_is_asked_for_once() -> None:
    given = through()
    given.then()
    given.then(sent=frozenset({COMMAND}))
    assert [record.type for record, _ in given.records].count("ChildRunStarted") == 1


def test_a_chain_halts_at_a_failure() -> None:
    given = through()
    assert kinds(given.then(output=NotPossible(Failure(kind="evaluation", message="no")))) == ["RunFailed"]


def test_the_last_run_of_a_chain_asks_for_nothing() -> None:
    given = Given(planned("a"))
    given.then()
    given.complete("a")
    assert kinds(given.then()) == ["RunCompleted"]
    assert given.records[-1][0].raw["next_run_id"] is None


def test_of_two_orchestrators_that_ask_for_the_next_run_one_is_heard() -> None:
    given = through()
    mine, theirs = given.when(), given.when(author="o2")
    assert [given.land(record) for record in (*theirs, *mine)] == [None, "wrong_seq"]
    assert given.state.position == given.state.seq + 1, "one report beside the decisions"


def test_decisions_made_on_an_old_state_fall_with_the_first_of_them() -> None:
    given = Given(planned("a"), planned("b"))
    old = given.when(author="o2")
    given.then()
    given.complete("a")
    before = given.state
    assert all(given.land(record) for record in old)
    assert given.state is before
