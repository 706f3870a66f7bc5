"""What every log line of an execution says besides its message: the run, the step, the execution, the correlation."""

from contextlib import AbstractContextManager

from elexirion.events.envelope import Record
from structlog.contextvars import bound_contextvars


def logged_about(record: Record) -> AbstractContextManager[None]:
    """Lines logged within, and within the tasks that are started within, name what the record is about."""
    said = {
        "run_id": record.run_id,
        "correlation_id": record.correlation_id,
        "step": getattr(record.data, "step", None),
        "execution_id": getattr(record.data, "execution_id", None),
    }
    return bound_contextvars(**{name: value for name, value in said.items() if value})
