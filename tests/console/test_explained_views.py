"""What `replay` and `explain` print, from logs written by hand."""

import io
from datetime import timedelta
from typing import Any

import pytest
from elexirion.console.explanation_view import places, print_explanation
from elexirion.console.moment_view import LONGEST_VALUE, print_moment, print_positions, shown
from elexirion.events import run, step
from elexirion.projections.explain import explain
from elexirion.projections.explain_waits import Serving
from elexirion.projections.replay import At, Recording, recording_of
from rich.console import Console

from tests.projections.partition_log import RUN, RunLog, failure

S = timedelta(seconds=1)


def console() -> Console:
    """Where output goes that a test reads."""
    return Console(file=io.StringIO(), width=240)


def printed(where: Console) -> str:
    """What was printed."""
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


@pytest.fixture
def log() -> RunLog:
    """A run whose first execution is lost after two chunks, whose second completes, and that then fails."""
    log = RunLog("a", "[b]", inputs={"text": "[bold]not markup[/bold]", "long": "x " * 500})
    log.schedule("a")
    log.begin("a")
    log.orphan("a", ran_s=1.0)
    log.schedule("a")
    log.begin("a")
    log.complete("a", value={"n": [1, 2]})
    log.schedule("[b]")
    log.fail("[b]", failure("auth", "no key [/] given"))
    log.end(run.RunFailed, failure=failure("auth", "no key [/] given"), step="[b]")
    return log


@pytest.fixture
def recording(log: RunLog) -> Recording:
    lost = [step.StepChunk(execution_id=f"{RUN}/a#1", n=n, text=text) for n, text in ((1, "half "), (2, "a text"))]
    kept = [step.StepChunk(execution_id=f"{RUN}/a#2", n=1, text="[whole]")]
    at = [moment for record, moment in log.records if record.type != "CommandReceived"]
    return recording_of(log.records, [*((one, at[2]) for one in lost), *((one, at[5]) for one in kept)])


def test_every_position_has_a_line_with_what_changed_and_where_its_chunks_are(recording: Recording) -> None:
    out = console()
    print_positions(recording, out)
    lines = printed(out).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [str(n) for n in range(1, 11)]
    assert "the whole context" in lines[0]
    assert "3.1 to 3.2" in lines[2]
    assert "a.status, a.result and 4 more" in lines[6]
    assert lines[5].rstrip().endswith(" 6.1")
    assert '["[b]"].status' in lines[8]
    assert "no key [/] given" in lines[8]


def test_a_moment_shows_event_changes_and_context(recording: Recording) -> None:
    out = console()
    print_moment(recording.moment(At(7)), 10, out)
    text = printed(out)
    assert text.startswith(f"{RUN} at 7 of 10")
    assert '~ step_results.a.status: "open" → "completed"' in text
    assert "[bold]not markup[/bold]" in text
    assert "(1002 characters; --json has all)" in text
    assert "~ metadata" not in text
    assert "── a#1: 2 chunks given up: no part of a result\nhalf a text" in text
    assert "[whole]" not in text, "the text of a completed execution is its result"


def test_a_moment_between_events_shows_the_text_so_far_and_no_changes(recording: Recording) -> None:
    out = console()
    print_moment(recording.moment(At(3, 1)), 10, out)
    text = printed(out)
    assert text.startswith(f"{RUN} at 3.1 of 10, chunk 1 of 2 after it")
    assert "── a#1: 1 chunks so far\nhalf \n" in text
    assert "~ " not in text


def test_an_explanation_has_failure_time_steps_and_repeated_work(log: RunLog) -> None:
    out = console()
    print_explanation(explain(RUN, log.records, log.now), out)
    text = printed(out)
    assert text.startswith(f"{RUN} failed")
    assert "  the run failed: [b]: no key [/] given (auth) [10]" in text
    assert "a#1 was given up" in text
    assert "[2 to 4]" in text
    row = next(line for line in text.splitlines() if line.startswith("a "))
    assert row.split()[1] == "completed"
    assert "2 to 7" in row
    assert "waits for" not in text


def test_what_an_unfinished_run_waits_for_stands_first() -> None:
    log, out = RunLog("a"), console()
    print_explanation(explain(RUN, log.records, log.now + 5 * S, Serving(True)), out)
    lines = printed(out).splitlines()
    assert lines[2] == "waits for"
    assert "no living worker serves lane local" in lines[3]


def test_a_run_that_is_not_started_is_explained_as_well() -> None:
    log, out = RunLog("a"), console()
    print_explanation(explain(RUN, log.records[:1], log.now, None), out)
    assert "not started" in printed(out)
    assert "its start was received" in printed(out)


@pytest.mark.parametrize(
    ("positions", "text"), [((2, 3, 4, 7, 9, 8), "2 to 4, 7 to 9"), ((5,), "5"), ((), ""), ((1, 3), "1, 3")], ids=str
)
def test_positions_are_written_as_ranges(positions: tuple[int, ...], text: str) -> None:
    assert places(positions) == text


@pytest.mark.parametrize("value", [None, "x", {"a": [1, "é"]}], ids=str)
def test_a_short_value_is_shown_whole(value: Any) -> None:
    assert "…" not in shown(value)
    assert "…" in shown("x" * (LONGEST_VALUE + 1))
