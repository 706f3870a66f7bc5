"""Spans as OpenTelemetry's SDK takes them. Only imported where traces are wanted: the SDK is the extra `otel`."""

from datetime import UTC, datetime, timedelta

from elexirion.agents.telemetry.spans import Span
from elexirion.agents.telemetry.trace_context import TraceContext
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

_EPOCH = datetime.fromtimestamp(0, UTC)
_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}


class _GivenIds(IdGenerator):
    """The ids of the next span, which follow from the run."""

    def __init__(self) -> None:
        self.next = TraceContext(1, 1)

    def generate_trace_id(self) -> int:
        return self.next.trace_id

    def generate_span_id(self) -> int:
        return self.next.span_id


class SpanOutlet:
    """Hands spans to a processor of the SDK; `instance` names this process."""

    def __init__(self, processor: SpanProcessor, instance: str) -> None:
        self._ids = _GivenIds()
        resource = Resource.create({"service.name": "elexirion", "service.instance.id": instance})
        self._provider = TracerProvider(id_generator=self._ids, resource=resource)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("elexirion")

    def emit(self, span: Span) -> None:
        """Pass one on; called in one thread only."""
        self._ids.next = span.context
        context = set_span_in_context(NonRecordingSpan(_remote(span.parent))) if span.parent else Context()
        told = self._tracer.start_span(
            span.name, context, _KINDS[span.kind], attributes=dict(span.attributes),
            links=[Link(_remote(link)) for link in span.links], start_time=_nanoseconds(span.start),
        )  # fmt: skip
        if span.error:
            told.set_attribute("error.type", span.error)
            told.set_status(Status(StatusCode.ERROR, span.error))
        told.end(_nanoseconds(span.end))

    def close(self) -> None:
        """Send what is left; blocks until the collector took it or the SDK gave up."""
        self._provider.shutdown()


def otlp_outlet(endpoint: str, instance: str) -> SpanOutlet:
    """Batches to `<endpoint>/v1/traces`; headers and the like by the SDK's own OTEL_EXPORTER_OTLP_… variables."""
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return SpanOutlet(BatchSpanProcessor(exporter), instance)


def _remote(context: TraceContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=TraceFlags(int(context.sampled)))


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
