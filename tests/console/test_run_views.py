"""Text on a pipe: one step after another, whatever order it came in."""

import io

from elexirion.client import Chunk, Entry
from elexirion.console.live_run import PlainView, TerminalView
from elexirion.events.envelope import Record, make_decision, make_record, utc_now
from elexirion.events.record_model import RecordModel
from elexirion.events.run import RunStarted
from elexirion.events.step import StepCompleted, StepOrphaned, StepScheduled
from elexirion.events.values import Inline
from elexirion.projections.run_state import RunState, begin, evolve
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
    assert "the worker of r/b#1 is gone" in out.getvalue()


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
