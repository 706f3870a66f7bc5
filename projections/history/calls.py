"""Provider calls: what providers were asked and what the log says they were asked agree, call by call."""

from collections import Counter
from collections.abc import Iterable, Iterator

from elexirion.events.identifiers import ExecutionId
from elexirion.projections.history.records import Call
from elexirion.projections.history.run_history import RunHistory
from elexirion.projections.history.violation import Violation


class Calls:
    """A ledger of providers, held against the log."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._asked = Counter(call.call_id for call in calls)
        self._unlogged = set(self._asked)
        self._unasked: list[tuple[str, str]] = []
        self.made = self._asked.total()

    def logged(self, history: RunHistory) -> None:
        """What the log says of a run's calls."""
        self._unlogged -= history.asked
        self._unasked += [(id, history.run_id) for id in sorted(history.answered) if id not in self._asked]

    def broken(self) -> Iterator[Violation]:
        """Where the two differ, once all runs are logged."""
        for call_id, times in self._asked.items():
            if times > 1:
                yield Violation("called_twice", f"the provider was asked {times} times for {call_id}", _run(call_id))
        for call_id in sorted(self._unlogged):
            message = f"the provider was asked for {call_id}, and no ProviderRequested says so"
            yield Violation("call_not_in_log", message, _run(call_id))
        for call_id, run_id in self._unasked:
            message = f"the call {call_id} was answered, and the provider was never asked"
            yield Violation("answer_without_call", message, run_id)


def _run(call_id: str) -> str | None:
    try:
        return ExecutionId.parse(call_id.rpartition("/")[0]).run_id
    except ValueError:
        return None
