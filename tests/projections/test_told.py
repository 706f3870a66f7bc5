"""Every event has words of its own, on one line, that give nothing away but names, numbers and reasons."""

from dataclasses import replace

import pytest
from elexirion.events import catalog, run, step
from elexirion.events.envelope import Record, UnknownData, make_record
from elexirion.projections.timeline import executions_of, timeline_of
from elexirion.projections.told import in_words, news

from tests.events.examples import AT, EXAMPLES, EXECUTION, RUN
from tests.projections.partition_log import RunLog

EVENTS = [entry for entry in catalog.ALL if entry.family == "events"]


def example(model: type) -> Record:
    """A full record of the type."""
    return make_record(EXAMPLES[model], id="x", run_id=RUN, at=AT)


@pytest.mark.parametrize("entry", EVENTS, ids=lambda entry: entry.name)
def test_each_event_is_told_on_one_line_without_any_content(entry: catalog.RecordType) -> None:
    words = in_words(example(entry.model))
    assert words
    assert len(words.splitlines()) == 1
    for content in ("Grüße", "tides", "ana", "dry"):
        assert content not in words


def test_a_text_of_several_lines_becomes_one() -> None:
    skipped = step.StepSkipped(step="a", reason="first\nsecond\n")
    assert in_words(make_record(skipped, id="x", run_id=RUN, at=AT)) == "a skipped: first second"


def test_an_event_of_a_type_from_the_future_is_told_by_what_it_is_about() -> None:
    record = Record("StepDreamt", 1, "x", RUN, AT, UnknownData("StepDreamt", 1), {"execution_id": EXECUTION})
    assert in_words(record) == "summary#2"
    assert in_words(replace(record, raw={})) == ""


def test_the_start_of_a_run_says_whether_it_needs_a_network() -> None:
    started = example(run.RunStarted)
    assert in_words(started) == f"run {RUN} · review"
    assert in_words(replace(started, offline=True)) == f"run {RUN} · review (offline)"


def test_only_what_text_and_tables_do_not_show_is_news() -> None:
    assert news(example(step.StepRetryScheduled)) == "summary failed (too many requests); attempt 2 in 7.5 s"
    assert news(example(run.ApprovalRequested)) is not None
    assert news(example(step.StepStarted)) is None
    assert news(example(run.RunCompleted)) is None


def test_a_timeline_has_the_same_words_and_marks_what_does_not_count() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.complete("a")
    log.complete("a")
    judged = [(record, refused) for (record, _), refused in zip(log.records, log.refusals, strict=True)]
    rows = timeline_of(judged)
    assert [row["position"] for row in rows] == [None, 1, 2, 3, None]
    assert rows[3]["about"] == in_words(log.records[3][0])
    assert rows[4]["about"].endswith("(refused: execution_closed)")
    [execution] = executions_of(log.state, judged)
    assert (execution["late_reports"], execution["repeated_cost_usd"]) == (["StepCompleted"], 0.01)
