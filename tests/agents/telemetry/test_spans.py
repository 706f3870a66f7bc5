"""A run is one trace, whoever owned it: told by the records that end its parts, in OpenTelemetry's terms."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from elexirion.agents.telemetry import trace_context
from elexirion.agents.telemetry.otlp import SpanOutlet
from elexirion.agents.telemetry.spans import Spans
from elexirion.events import provider, run, step
from elexirion.events.envelope import Record
from elexirion.events.usage import Usage
from elexirion.events.values import Inline
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.agents.telemetry.following import Orchestrator
from tests.projections.partition_log import WORKER, RunLog, failure

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Log = Sequence[tuple[Record, datetime]]


class Process:
    """An orchestrator's process whose spans go to an exporter of the SDK."""

    def __init__(self, exporter: InMemorySpanExporter, name: str) -> None:
        self.orchestrator = Orchestrator()
        self.orchestrator.followed.watch(Spans(SpanOutlet(SimpleSpanProcessor(exporter), name).emit))
        self.orchestrator.gain()


def called(log: RunLog, **fields: object) -> None:
    """Step a calls a provider, which answers."""
    execution, of = log.execution(), {"execution_id": log.execution(), "incarnation": WORKER}
    call = {"call_id": f"{execution}/1", "provider": "claude", **of}
    asked = provider.ProviderRequested(model="sonnet", request_sha256="r" * 64, **call)
    used = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=2)
    answer = {"model": "sonnet-4", "usage": used, "cost_usd": 0.25, "duration_s": 1.0, "stop_reason": "end_turn"}
    assert log.report(asked) is None
    assert log.report(provider.ProviderResponded(**{**call, **answer, **fields})) is None


def whole_run() -> RunLog:
    """One step with one call, ended well."""
    log = RunLog("a", "b")
    log.schedule()
    log.begin()
    called(log)
    log.complete()
    log.decide(step.StepSkipped(step="b", reason="no"))
    log.end()
    return log


def told(log: Log, *cuts: int) -> dict[str, ReadableSpan]:
    """The spans by name, told by one process after another, each of which takes over at a cut."""
    exporter = InMemorySpanExporter()
    bounds = [0, *cuts, len(log)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        process = Process(exporter, f"process-{number}")
        process.orchestrator.read(log[:start])
        process.orchestrator.read(log[:end])
    spans = exporter.get_finished_spans()
    assert len({span.name for span in spans}) == len(spans), [span.name for span in spans]
    return {span.name: span for span in spans}


def test_run_step_and_call_are_one_trace_each_within_the_other() -> None:
    spans = told(whole_run().records)
    root, execution, call = (spans[name] for name in ("invoke_workflow sample", "step test_echo", "chat sonnet"))
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1
    assert root.parent is None
    assert execution.parent and root.context and execution.parent.span_id == root.context.span_id
    assert call.parent and execution.context and call.parent.span_id == execution.context.span_id
    assert call.kind is SpanKind.CLIENT


@pytest.mark.parametrize("cut", range(1, len(whole_run().records)))
def test_the_trace_is_the_same_when_another_process_takes_over(cut: int) -> None:
    log = whole_run().records
    alone, together = told(log), told(log, cut)
    assert together.keys() == alone.keys()
    for name, span in together.items():
        other = alone[name]
        assert (span.context, span.parent) == (other.context, other.parent)
        assert (span.start_time, span.end_time, dict(span.attributes or {})) == (
            other.start_time, other.end_time, dict(other.attributes or {}),
        )  # fmt: skip


def test_spans_of_two_processes_name_the_process_that_told_them() -> None:
    log = whole_run()
    names = {str(span.resource.attributes["service.instance.id"]) for span in told(log.records, 6).values()}
    assert names == {"process-0", "process-1"}


def test_a_call_says_what_the_conventions_ask_for() -> None:
    attributes = dict(told(whole_run().records)["chat sonnet"].attributes or {})
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "sonnet",
        "gen_ai.response.model": "sonnet-4",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "elexirion.tokens_used": 17,
        "elexirion.cost_usd": 0.25,
        "elexirion.call_id": "run-1/a#1/1",
    }


def test_a_step_lasts_from_its_start_to_its_report_and_says_what_it_used() -> None:
    log = whole_run()
    span = told(log.records)["step test_echo"]
    ended = next(record.at for record, _ in log.records if record.type == "StepCompleted")
    began = next(record.at for record, _ in log.records if record.type == "StepStarted")
    assert span.start_time and span.end_time
    assert timedelta(microseconds=(span.end_time - span.start_time) // 1000) == ended - began
    attributes = span.attributes or {}
    assert (attributes["elexirion.tokens_used"], attributes["elexirion.cost_usd"]) == (15, 0.01)
    assert (attributes["elexirion.step"], attributes["elexirion.attempt"]) == ("a", 1)
    assert span.status.status_code is StatusCode.UNSET


def test_a_failure_is_an_error_of_its_kind() -> None:
    log = RunLog("a")
    log.schedule()
    log.begin()
    called(log, failure=failure("overloaded"))
    log.fail(why=failure("overloaded"))
    log.end(run.RunFailed)
    spans = told(log.records)
    errors = {name: (span.attributes or {})["error.type"] for name, span in spans.items()}
    assert errors == {
        "chat sonnet": "overloaded",
        "step test_echo": "overloaded",
        "invoke_workflow sample": "step_error",
    }
    assert all(span.status.status_code is StatusCode.ERROR for span in spans.values())


def test_a_lost_execution_is_a_span_of_its_own() -> None:
    log = RunLog("a")
    log.schedule()
    log.begin()
    log.orphan()
    assert (told(log.records)["step test_echo"].attributes or {})["error.type"] == "orphaned"


def test_a_tool_call_is_told_without_arguments_and_result() -> None:
    log = RunLog("a")
    log.schedule()
    log.begin()
    of = {"execution_id": log.execution(), "incarnation": WORKER, "call_id": "c1", "tool": "Read"}
    log.report(step.ToolCalled(arguments={"path": "hush"}, **of))
    log.report(step.ToolReturned(result=Inline(value="hush"), is_error=True, **of))
    span = told(log.records)["execute_tool Read"]
    assert "hush" not in span.to_json()
    assert (span.attributes or {})["error.type"] == "tool_error"


def test_a_refused_record_tells_nothing() -> None:
    log = whole_run()
    assert log.complete() == "run_ended"
    assert len(told(log.records)) == 3


def test_a_run_whose_correlation_is_a_traceparent_is_a_child_of_its_caller() -> None:
    log = whole_run()
    records = [(_correlated(record), at) for record, at in log.records]
    root = told(records)["invoke_workflow sample"]
    assert root.parent and root.context
    assert f"{root.parent.span_id:016x}" == CALLER.split("-")[2]
    assert f"{root.context.trace_id:032x}" == CALLER.split("-")[1]


def test_a_run_of_a_chain_is_linked_to_the_one_before() -> None:
    log = RunLog("a", previous_run_id="run-0")
    log.end(run.RunCompleted)
    (link,) = told(log.records)["invoke_workflow sample"].links
    assert link.context.trace_id == trace_context.of_run("run-0", None).trace_id


def _correlated(record: Record) -> Record:
    return replace(record, correlation_id=CALLER)
