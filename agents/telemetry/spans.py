"""The spans of runs, made of accepted records by whoever owns the run: a span is told when it is over.

Names and attributes of provider and tool calls follow OpenTelemetry's conventions for generative AI,
https://opentelemetry.io/docs/specs/semconv/gen-ai/. Prompts, arguments and results are no part of a span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from elexirion.agents.telemetry import trace_context
from elexirion.agents.telemetry.trace_context import TraceContext
from elexirion.events import provider, run, step
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.usage import Usage
from elexirion.projections.admission import closes_an_execution
from elexirion.projections.run_state import RunState

if TYPE_CHECKING:  # a process may decide for nobody
    from elexirion.agents.orchestrator.follow import Followed
    from elexirion.agents.orchestrator.partitions import Owned

Attribute = str | int | float | bool | list[str]

PROVIDER_NAMES = {"claude": "anthropic", "gemini": "gcp.gemini"}
"""Names that the conventions give to our providers, where they differ."""


@dataclass(frozen=True, slots=True)
class Span:
    """A finished span; `error` is a failure kind, or how it was cut off. Times are those of the log."""

    name: str
    context: TraceContext
    parent: TraceContext | None
    start: datetime
    end: datetime
    kind: Literal["internal", "client"] = "internal"
    attributes: dict[str, Attribute] = field(default_factory=dict)
    error: str | None = None
    links: tuple[TraceContext, ...] = ()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A call that is under way."""

    at: datetime
    what: str


class Spans:
    """A Watcher that hands each span to `emit`, once, when the record that ends it is new."""

    def __init__(self, emit: Callable[[Span], None]) -> None:
        self._emit = emit
        self._begun: dict[str, dict[str, _Begun]] = {}

    def took(self, owned: Owned, followed: Followed | DeadLetter) -> None:
        """One record; replayed ones only tell what is under way."""
        if isinstance(followed, DeadLetter) or not followed.accepted or followed.before is None:
            return
        spans = list(self._of(followed.record, followed.before))
        if owned.caught_up:
            for span in spans:
                self._emit(span)

    def _of(self, record: Record, before: RunState) -> Iterator[Span]:
        data = record.data
        match data:
            case provider.ProviderRequested():
                self._begin(data.execution_id, data.call_id, record.at, data.model)
            case provider.ProviderResponded():
                yield _provider_call(record, before, data, self._end(data.execution_id, data.call_id))
            case step.ToolCalled():
                self._begin(data.execution_id, f"tool {data.call_id}", record.at, data.tool)
            case step.ToolReturned():
                yield _tool_call(record, before, data, self._end(data.execution_id, f"tool {data.call_id}"))
            case run.VariablesSet() | step.StepConcluded() | run.ChildRunEnded():
                yield from _inner_step(record, before, data.step, None)
            case step.StepRefused():
                yield from _inner_step(record, before, data.step, data.failure)
            case _ if closes_an_execution(record):
                self._begun.pop(_execution_of(record), None)
                yield from _execution(record, before)
            case _ if record.type in TERMINAL_NAMES:
                for execution in before.open_executions():
                    self._begun.pop(execution.id, None)
                yield _run(record, before)

    def _begin(self, execution_id: str, key: str, at: datetime, what: str) -> None:
        self._begun.setdefault(execution_id, {})[key] = _Begun(at, what)

    def _end(self, execution_id: str, key: str) -> _Begun | None:
        return self._begun.get(execution_id, {}).pop(key, None)


def _run(record: Record, before: RunState) -> Span:
    status = record.type.removeprefix("Run").lower()
    attributes: dict[str, Attribute] = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": before.pipeline_name,
        "elexirion.run_id": before.run_id,
        "elexirion.status": status,
        "elexirion.offline": before.offline,
        **_spent(before.usage, before.cost_usd),
    }
    failure = record.data.failure if isinstance(record.data, run.RunFailed) else None
    linked = [one for one in (before.previous_run_id, before.parent.run_id if before.parent else None) if one]
    return Span(
        f"invoke_workflow {before.pipeline_name}", _run_context(before),
        trace_context.caller_of(before.correlation_id), before.started_at, record.at, attributes=attributes,
        error=None if status == "completed" else failure.kind if failure else status,
        links=tuple(trace_context.of_run(other, before.correlation_id) for other in linked),
    )  # fmt: skip


def _execution(record: Record, before: RunState) -> Iterator[Span]:
    execution = before.executions.get(_execution_of(record))
    if execution is None:
        return
    known = before.steps[execution.step]
    data = record.data
    attributes: dict[str, Attribute] = {
        "elexirion.step": execution.step,
        "elexirion.step_type": known.step_type,
        "elexirion.execution_id": execution.id,
        "elexirion.attempt": execution.attempt,
        "elexirion.worker": execution.incarnation,
    }
    if isinstance(data, step.StepCompleted | step.StepFailed):
        attributes |= _spent(data.usage, data.cost_usd) | {"elexirion.duration_s": data.duration_s}
    ended = record.type.removeprefix("Step").lower()
    error = None if ended == "completed" else data.failure.kind if isinstance(data, step.StepFailed) else ended
    yield Span(
        f"step {known.step_type}", _context(before, execution.id), _around(before, execution.step),
        execution.started_at or execution.scheduled_at, record.at, attributes=attributes, error=error,
    )  # fmt: skip


def _inner_step(record: Record, before: RunState, path: str, failure: Failure | None) -> Iterator[Span]:
    """A step that runs nowhere itself: what it holds are its children."""
    known = before.steps.get(path)
    if known is None:
        return
    if isinstance(record.data, run.ChildRunEnded):
        failure = record.data.failure
    yield Span(
        f"step {known.step_type}", _context(before, f"{before.run_id}/{path}"), _around(before, path),
        min(known.started_at or record.at, record.at), record.at, error=failure.kind if failure else None,
        attributes={"elexirion.step": path, "elexirion.step_type": known.step_type},
    )  # fmt: skip


def _provider_call(record: Record, before: RunState, data: provider.ProviderResponded, begun: _Begun | None) -> Span:
    asked = begun.what if begun else data.model
    attributes: dict[str, Attribute] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(data.provider, data.provider),
        "gen_ai.request.model": asked,
        "gen_ai.response.model": data.model,
        "elexirion.call_id": data.call_id,
        **_spent(data.usage, data.cost_usd),
    }
    if data.stop_reason:
        attributes["gen_ai.response.finish_reasons"] = [data.stop_reason]
    if data.first_chunk_s is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = data.first_chunk_s
    return Span(
        f"chat {asked}", _context(before, data.call_id), _context(before, data.execution_id),
        begun.at if begun else record.at - timedelta(seconds=data.duration_s), record.at, "client", attributes,
        data.failure.kind if data.failure else None,
    )  # fmt: skip


def _tool_call(record: Record, before: RunState, data: step.ToolReturned, begun: _Begun | None) -> Span:
    attributes: dict[str, Attribute] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": data.tool,
        "gen_ai.tool.call.id": data.call_id,
    }
    return Span(
        f"execute_tool {data.tool}", _context(before, f"{data.execution_id}/tool/{data.call_id}"),
        _context(before, data.execution_id), begun.at if begun else record.at, record.at, attributes=attributes,
        error="tool_error" if data.is_error else None,
    )  # fmt: skip


def _spent(usage: Usage, cost_usd: float | None) -> dict[str, Attribute]:
    """Cached tokens are part of the conventions' input tokens, and not of ours."""
    read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    spent: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": read,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "elexirion.tokens_used": read + usage.output_tokens,
    }
    if usage.cache_read_tokens or usage.cache_write_tokens:
        spent["gen_ai.usage.cache_read.input_tokens"] = usage.cache_read_tokens
        spent["gen_ai.usage.cache_creation.input_tokens"] = usage.cache_write_tokens
    return spent if cost_usd is None else spent | {"elexirion.cost_usd": cost_usd}


def _execution_of(record: Record) -> str:
    return str(getattr(record.data, "execution_id", ""))


def _run_context(before: RunState) -> TraceContext:
    return trace_context.of_run(before.run_id, before.correlation_id)


def _context(before: RunState, key: str) -> TraceContext:
    of_run = _run_context(before)
    return TraceContext(of_run.trace_id, trace_context.span_id(key), of_run.sampled)


def _around(before: RunState, path: str) -> TraceContext:
    """The nearest step that holds this one, else the run."""
    outer = path
    while "/" in outer:
        outer = outer.rpartition("/")[0]
        if outer in before.steps:
            return _context(before, f"{before.run_id}/{outer}")
    return _run_context(before)
