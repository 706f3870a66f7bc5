"""The ids of traces: the same for everybody, and the form that the recommendation gives."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from elexirion.agents.telemetry import trace_context
from elexirion.agents.telemetry.trace_context import TraceContext, given, of_record, of_run, parse, span_id
from elexirion.agents.telemetry.traced_appender import TracedAppender
from elexirion.events.envelope import make_record
from elexirion.events.step import StepStarted
from elexirion.events.topics import Topics
from elexirion.events.worker import WorkerLeft
from hypothesis import given as for_any
from hypothesis import strategies as st

AT = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@for_any(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_what_is_written_is_read_back(trace: int, span: int, sampled: bool) -> None:
    context = TraceContext(trace, span, sampled)
    assert parse(str(context)) == context


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "cmd-0123",
        CALLER.upper(),
        CALLER[:-1],
        CALLER + "-more",
        "ff" + CALLER[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    ],
)
def test_what_is_no_traceparent_is_none(text: str | None) -> None:
    assert parse(text) is None


def test_a_later_version_may_say_more() -> None:
    assert parse("01" + CALLER[2:] + "-more") == parse(CALLER)


def test_two_processes_agree_on_the_ids_of_a_run() -> None:
    assert of_run("run-1", "c") == of_run("run-1", None)
    assert of_run("run-1", None).trace_id != of_run("run-2", None).trace_id
    # As every version of this program makes them: one that differs would cut traces in two while it is rolled out.
    assert str(of_run("run-1", None)) == "00-7a4838759ed737d194f468d4082ecc36-9c97e1786ba747b7-01"


def test_a_run_goes_on_in_the_trace_of_its_caller() -> None:
    run, caller = of_run("run-1", CALLER), parse(CALLER)
    assert caller is not None
    assert (run.trace_id, run.sampled) == (caller.trace_id, True)
    assert run.span_id == span_id("run-1") != caller.span_id
    assert not of_run("run-1", CALLER[:-1] + "0").sampled


def test_a_record_of_an_execution_names_its_span() -> None:
    data = StepStarted(execution_id="run-1/a#1", incarnation="w")
    record = make_record(data, id="i", run_id="run-1", at=AT)
    assert of_record(record) == TraceContext(of_run("run-1", None).trace_id, span_id("run-1/a#1"))


def test_a_worker_s_farewell_belongs_to_no_trace() -> None:
    record = make_record(WorkerLeft(worker_id="w", incarnation="w.1"), id="i", run_id="w", at=AT)
    assert of_record(record) is None


def test_a_header_is_found_where_it_is_well_formed() -> None:
    assert given([("ce_id", b"1"), ("Traceparent", CALLER.encode())]) == CALLER
    assert given([("traceparent", b"\xff\xfe")]) is None
    assert given([]) is None


class Producer:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, bytes]] = []

    def producer(self) -> "Producer":
        """As KafkaAddress gives one."""
        return self

    async def send(self, *_: Any, headers: list[tuple[str, bytes]], **__: Any) -> Any:
        """As AIOKafkaProducer.send."""
        self.headers = headers
        return asyncio.get_running_loop().create_future()


async def test_every_record_of_a_run_carries_its_trace() -> None:
    producer = Producer()
    address: Any = producer
    appender = TracedAppender(address, Topics("t."), 8, "test", lambda error: None)
    record = make_record(StepStarted(execution_id="run-1/a#1", incarnation="w"), id="i", run_id="run-1", at=AT)
    await appender.event(record)
    assert parse(trace_context.given(producer.headers)) == of_record(record)
    assert ("ce_id", b"i") in producer.headers
    farewell = make_record(WorkerLeft(worker_id="w", incarnation="w.1"), id="i", run_id="w", at=AT)
    await appender.send("t.workers", farewell, "w", 0)
    assert trace_context.HEADER not in dict(producer.headers)
