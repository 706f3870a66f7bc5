"""Reading an export: the JSON lines of `elexirion export` back into the run they tell of."""

from collections.abc import Iterable

from elexirion.events.codec import decode
from elexirion.projections.run_fold import fold_counted
from elexirion.projections.run_state import RunState


def fold_exported(lines: Iterable[bytes]) -> RunState:
    """The run at the end of the export; its context and hash are those of the log.

    Raises UndecodableError for a line that is no record, ValueError where none starts a run.
    """
    state = fold_counted(decode(line) for line in lines)
    if state is None:
        raise ValueError("no record of the export starts a run")
    return state
