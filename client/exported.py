"""Reading an export: the JSON lines of `elexirion export` back into the run they tell of."""

from collections.abc import Iterable

from elexirion.events.codec import decode
from elexirion.projections.admission import refusal
from elexirion.projections.run_state import RunState, begin, evolve


def fold_exported(lines: Iterable[bytes]) -> RunState:
    """The run at the end of the export; its context and hash are those of the log.

    An export holds what counted, so the command behind RunStarted is not asked for. Chunks and lines that do not
    count change nothing. Raises UndecodableError for a line that is no record, ValueError where none starts a run.
    """
    state: RunState | None = None
    for line in lines:
        record = decode(line)
        if refusal(state, record) is None:
            state = begin(record) if state is None else evolve(state, record)
    if state is None:
        raise ValueError("no record of the export starts a run")
    return state
