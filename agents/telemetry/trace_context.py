"""Which trace a run belongs to: ids that follow from the run, so that processes agree without asking each other.

Form of the header: W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from elexirion.events import catalog
from elexirion.events.envelope import Record

HEADER = "traceparent"
_FORM = re.compile(r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_OF_NO_RUN = frozenset({"workers", "providers"})


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace."""

    trace_id: int
    span_id: int
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def parse(text: str | None) -> TraceContext | None:
    """Read a traceparent; None for anything else, as the recommendation wants it."""
    found = _FORM.match(text or "")
    if not found or found["version"] == "ff":
        return None
    rest = (text or "")[found.end() :]
    if rest and (found["version"] == "00" or not rest.startswith("-")):
        return None
    trace_id, span_id = int(found["trace"], 16), int(found["span"], 16)
    if not (trace_id and span_id):
        return None
    return TraceContext(trace_id, span_id, bool(int(found["flags"], 16) & 1))


def given(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """The traceparent among the headers of a Kafka record, where it is well-formed."""
    for name, value in headers:
        text = value.decode("ascii", "replace")
        if name.lower() == HEADER and parse(text):
            return text
    return None


def caller_of(correlation_id: str | None) -> TraceContext | None:
    """The span that asked for a run: a run whose correlation id is a traceparent goes on in that trace."""
    return parse(correlation_id)


@lru_cache(maxsize=1024)
def of_run(run_id: str, correlation_id: str | None) -> TraceContext:
    """The span of a run: in the caller's trace, or in one of its own that follows from its id."""
    caller = caller_of(correlation_id)
    if caller:
        return TraceContext(caller.trace_id, span_id(run_id), caller.sampled)
    return TraceContext(_number(f"trace {run_id}", 16), span_id(run_id))


def of_record(record: Record) -> TraceContext | None:
    """The span that a record is about: its execution, else its run; None for records of no run."""
    entry = catalog.BY_NAME.get(record.type)
    if entry is None or entry.family in _OF_NO_RUN:
        return None
    run = of_run(record.run_id, record.correlation_id)
    execution_id = getattr(record.data, "execution_id", None)
    return TraceContext(run.trace_id, span_id(execution_id), run.sampled) if execution_id else run


def span_id(key: str) -> int:
    """The id of the span of a run, an execution (`run/step#n`), a step (`run/step`) or a call (`run/step#n/k`)."""
    return _number(f"span {key}", 8)


def _number(text: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size], "big") or 1
