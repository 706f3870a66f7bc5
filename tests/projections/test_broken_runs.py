"""A run of which a record raises in the fold is marked, with the reason; it alone, until it has ended."""

import pytest
from elexirion.events import run, step
from elexirion.events.commands import StartRun
from elexirion.events.envelope import make_record
from elexirion.projections import evolve

from tests.projections.partition_log import RUN, RunLog, started

OTHER = "run-2"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> RunLog:
    """Two runs; a StepCompleted of the first one raised."""

    def raises(state: object, data: object, record: object) -> None:
        raise KeyError("a secret")

    log = RunLog("a")
    log.start("a", run_id=OTHER, command_id="other")
    log.schedule("a")
    with monkeypatch.context() as patched:
        patched.setitem(evolve._CHANGES, step.StepCompleted, raises)
        assert log.complete("a") == "fold_error"
    return log


def test_the_reason_names_record_and_error_and_nothing_of_its_content(broken: RunLog) -> None:
    offset = len(broken.records) - 1
    assert broken.fold.broken == {RUN: f"StepCompleted at offset {offset} could not be folded: KeyError"}


def test_nothing_of_the_record_counts_and_the_neighbour_goes_on(broken: RunLog) -> None:
    assert broken.state.open_executions()
    other = broken.fold.runs[OTHER]
    record = broken.decision(step.StepSkipped(step="a", reason="r"), seq=other.seq + 1, prev=other.last)
    moved = type(record)(**{n: getattr(record, n) for n in record.__dataclass_fields__} | {"run_id": OTHER})
    assert broken.write(moved) is None
    assert OTHER not in broken.fold.broken


def test_its_quarantine_ends_it_and_the_mark(broken: RunLog) -> None:
    assert broken.end(run.RunQuarantined) is None
    assert broken.fold.broken == {}
    assert broken.fold.ended[RUN].status == "quarantined"


def test_a_start_that_raises_is_marked_until_its_command_is_rejected() -> None:
    log = RunLog(run_id=OTHER)
    log.receive(StartRun(pipeline="…"), "broken", RUN)
    start = started(RUN, "broken", ("a",), log.now, definition={"steps": [{"type": "without a name"}]})
    assert log.write(start) == "fold_error"
    assert list(log.fold.broken) == [RUN]
    content = log.fold.pending["broken"].received.content_hash
    rejected = run.CommandRejected(
        command_id="broken", content_hash=content, reason_code="invalid_command", reason="it cannot be folded"
    )
    assert log.write(make_record(rejected, id="broken/rejected", run_id=RUN, at=log.now)) is None
    assert not log.fold.broken
