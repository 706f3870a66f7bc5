"""Ids follow from their cause and nothing else."""

import hashlib
from typing import Any

import pytest
from elexirion.events import identifiers as ids
from elexirion.events.envelope import make_decision, utc_text
from elexirion.events.identifiers import ExecutionId
from elexirion.events.run import RunResumed
from hypothesis import given
from hypothesis import strategies as st

from tests.events.examples import AT

DECISION: dict[str, Any] = {
    "run_id": "r", "seq": 2, "prev": "p", "author": "o", "at": "2026-01-01T00:00:00Z", "body": {"a": 1},
}  # fmt: skip
OTHERWISE = {"run_id": "q", "seq": 3, "prev": None, "author": "o2", "at": "2026-01-01T00:00:01Z", "body": {"a": 2}}


def test_the_same_decision_has_the_same_id_in_every_process() -> None:
    said = b'["r",2,"p","o","2026-01-01T00:00:00Z",{"a":1}]'
    assert ids.decision_id(**DECISION) == hashlib.sha256(said).hexdigest()[:32]


@pytest.mark.parametrize("field", sorted(DECISION))
def test_a_decision_id_covers_all_that_is_said_and_who_says_it(field: str) -> None:
    assert ids.decision_id(**{**DECISION, field: OTHERWISE[field]}) != ids.decision_id(**DECISION)


def test_a_decision_id_covers_the_type() -> None:
    record = make_decision(RunResumed(command_id="c"), run_id="r", seq=2, prev="p", author="o", at=AT)
    said = ("r", 2, "p", "o", utc_text(AT))
    assert record.id == ids.decision_id(*said, ["RunResumed", {"command_id": "c"}])


def test_ids_are_spelled_out() -> None:
    assert ids.report_id("r/s#1", "completed") == "r/s#1/completed"
    assert ids.chunk_id("r/s#1", 3) == "r/s#1/chunk/3"
    assert ids.call_id("r/s#1", 2) == "r/s#1/2"
    assert ids.received_id("c", "commands", 3, 17) == "c@commands/3/17"


@pytest.mark.parametrize(
    ("run_id", "following"), [("x", "x~2"), ("x~2", "x~3"), ("x~9", "x~10"), ("x~y", "x~y~2"), ("a~b~4", "a~b~5")]
)
def test_runs_of_a_chain_are_counted(run_id: str, following: str) -> None:
    assert ids.successor_run_id(run_id) == following


@given(
    run=st.from_regex(ids.RUN_ID_PATTERN, fullmatch=True), step=st.from_regex(r"[^#]+", fullmatch=True),
    n=st.integers(1, 10**9),
)  # fmt: skip
def test_an_execution_id_is_read_as_it_was_written(run: str, step: str, n: int) -> None:
    id = ExecutionId(run.rstrip("\n"), step, n)
    assert ExecutionId.parse(str(id)) == id


@pytest.mark.parametrize(
    "text", ["", "r", "r/s", "r/s#", "r/s#0", "r/s#01", "r/s#x", "/s#1", "r/#1", "r/s#1 ", "r/s#1\n"]
)
def test_anything_else_is_no_execution_id(text: str) -> None:
    with pytest.raises(ValueError, match="not an execution id"):
        ExecutionId.parse(text)


def test_fresh_ids_differ() -> None:
    for fresh in (ids.new_run_id, ids.new_command_id, lambda: ids.new_incarnation("w")):
        assert len({fresh() for _ in range(100)}) == 100
