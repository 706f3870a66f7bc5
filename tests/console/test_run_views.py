"""Text on a pipe: one step after another, whatever order it came in."""

import io

from elexirion.client import Chunk, Entry
from elexirion.console.live_run import PlainView, TerminalView
from elexirion.events.envelope import Record, make_decision, make_record, utc_now
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.run import RunStarted
from elexirion.events.step import StepCompleted, StepFailed, StepOrphaned, StepRetryScheduled, StepScheduled
from elexirion.events.values import Inline
from elexirion.projections.evolve import begin, evolve
from elexirion.projections.run_state import RunState
from rich.console import Console

DEFINITION = {"name": "two", "steps": [{"name": name, "type": "test_echo", "value": 1} for name in ("a", "b")]}


class Told:
    """A run told to a view, record by record."""

    def __init__(self, view: PlainView | TerminalView) -> None:
        self._view = view
        started = RunStarted(
            command_id="c", content_hash="h", pipeline_name="two", definition=DEFINITION, definition_sha256="d",
            inputs={},
        )  # fmt: skip
        self._state: RunState = begin(self._decision(started, 1, None))

    def scheduled(self, step: str, n: int = 1) -> None:
        self._decided(
            StepScheduled(
                execution_id=f"r/{step}#{n}", step=step, step_type="test_echo", lane="local", incarnation="w",
                attempt=1, input=Inline(value={}), input_hash="0",
            )
        )  # fmt: skip

    def orphaned(self, step: str) -> None:
        self._decided(StepOrphaned(execution_id=f"r/{step}#1", incarnation="w", reason="lease_expired"))

    def completed(self, step: str, n: int = 1) -> None:
        data = StepCompleted(execution_id=f"r/{step}#{n}", incarnation="w", result=Inline(value="x"))
        self._show(make_record(data, id="x", run_id="r", at=utc_now()))

    def failed(self, step: str, n: int = 1) -> None:
        data = StepFailed(
            execution_id=f"r/{step}#{n}", incarnation="w", failure=Failure(kind="overloaded", message="busy")
        )
        self._show(make_record(data, id="x", run_id="r", at=utc_now()))
        due = utc_now()
        self._decided(StepRetryScheduled(step=step, attempt=n + 1, due_at=due, delay_s=0, failure=data.failure))

    def chunk(self, step: str, text: str, n: int = 1, *, superseded: bool = False) -> None:
        self._view.show(Chunk(f"r/{step}#{n}", step, 1, text, superseded))

    def _decided(self, data: RecordModel) -> None:
        self._show(self._decision(data, self._state.seq + 1, self._state.last))

    def _decision(self, data: RecordModel, seq: int, prev: str | None) -> Record:
        return make_decision(data, run_id="r", seq=seq, prev=prev, author="t", at=utc_now())

    def _show(self, record: Record) -> None:
        self._state = evolve(self._state, record)
        self._view.show(Entry(record, b"", 0, 0, utc_now(), None, self._state))


def test_parallel_steps_are_written_one_after_another() -> None:
    out = io.StringIO()
    view = PlainView(out)
    told = Told(view)
    told.scheduled("a")
    told.scheduled("b")
    for letter in "123":
        told.chunk("a", f"a{letter} ")
        told.chunk("b", f"b{letter} ")
    told.completed("b")
    told.completed("a")
    view.close()
    assert out.getvalue().split() == ["──", "a", "a1", "a2", "a3", "──", "b", "b1", "b2", "b3"]


def test_what_still_waits_is_written_when_nobody_looks_any_more() -> None:
    out = io.StringIO()
    view = PlainView(out)
    told = Told(view)
    told.scheduled("a")
    told.scheduled("b")
    told.chunk("a", "begun ")
    told.chunk("b", "waits")
    view.close()
    assert out.getvalue().split() == ["──", "a", "begun", "──", "b", "waits"]


def test_the_text_of_a_lost_execution_is_not_mixed_with_the_next() -> None:
    out = io.StringIO()
    view = PlainView(out)
    told = Told(view)
    told.scheduled("a")
    told.scheduled("b")
    told.chunk("a", "first ")
    told.chunk("b", "lost")
    told.orphaned("b")
    told.chunk("b", "late", superseded=True)
    told.scheduled("b", 2)
    told.chunk("b", "kept", 2)
    told.completed("a")
    told.completed("b", 2)
    view.close()
    assert "lost" not in out.getvalue()
    assert "late" not in out.getvalue()
    assert "kept" in out.getvalue()
    assert "the worker of b#1 is gone" in out.getvalue()


def test_a_second_execution_of_the_step_that_is_shown_begins_its_text_anew_and_says_so() -> None:
    out = io.StringIO()
    view = PlainView(out)
    told = Told(view)
    told.scheduled("a")
    told.chunk("a", "half a sen")
    told.orphaned("a")
    told.scheduled("a", 2)
    told.chunk("a", "a whole ", 2)
    told.chunk("a", "sentence", 2)
    told.completed("a", 2)
    view.close()
    lines = [line for line in out.getvalue().splitlines() if line]
    assert lines == [
        "── a",
        "half a sen",
        "the worker of a#1 is gone (lease_expired); the step runs again",
        "── a again: its text above does not count",
        "a whole sentence",
    ]


def test_an_attempt_after_a_failed_one_says_that_the_text_above_does_not_count() -> None:
    out = io.StringIO()
    view = PlainView(out)
    told = Told(view)
    told.scheduled("a")
    told.chunk("a", "first try")
    told.failed("a")
    told.scheduled("a", 2)
    told.chunk("a", "second try", 2)
    told.completed("a", 2)
    view.close()
    assert out.getvalue().split("\n")[-3:-1] == ["── a again: its text above does not count", "second try"]


def test_a_waiting_step_that_fails_and_runs_again_is_written_with_its_last_text_alone() -> None:
    out = io.StringIO()
    view = PlainView(out)
    told = Told(view)
    told.scheduled("a")
    told.scheduled("b")
    told.chunk("a", "a")
    told.chunk("b", "first try")
    told.failed("b")
    told.scheduled("b", 2)
    told.chunk("b", "second ", 2)
    told.completed("a")
    told.chunk("b", "try", 2)
    told.completed("b", 2)
    view.close()
    lines = [line for line in out.getvalue().splitlines() if line]
    assert lines == ["── a", "a", "b failed (busy); attempt 2 in 0 s", "── b", "second try"]


def test_very_many_steps_may_wait_for_their_turn() -> None:
    out = io.StringIO()
    view = PlainView(out)
    view.show(Chunk("r/first#1", "first", 1, "x", False))
    for n in range(3000):
        view.show(Chunk(f"r/s{n}#1", f"s{n}", 1, "y", False))
    view.close()
    assert out.getvalue().count("──") == 3001


def test_a_terminal_keeps_the_text_of_each_step_once_it_ended() -> None:
    out = io.StringIO()
    view = TerminalView(Console(file=out, force_terminal=True, width=80))
    told = Told(view)
    told.scheduled("a")
    told.chunk("a", "whole ")
    told.chunk("a", "text [not markup]")
    told.completed("a")
    view.close()
    assert "whole text [not markup]" in out.getvalue()
