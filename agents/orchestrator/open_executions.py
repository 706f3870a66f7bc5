"""The open executions of the runs this orchestrator folds, by the incarnation they name."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from elexirion.projections.run_state import RunState


@dataclass(slots=True)
class OpenExecution:
    """`started_clock` is the lease clock when its start was read; `dispatched_at` is monotonic seconds."""

    id: str
    run_id: str
    lane: str
    incarnation: str
    started_clock: float | None = None
    dispatched_at: float = float("-inf")
    dispatches: int = 0
    unlisted: int = 0


class OpenExecutions:
    """An index kept beside the folds; it can always be rebuilt from them."""

    def __init__(self) -> None:
        self._by_id: dict[str, OpenExecution] = {}
        self._by_incarnation: dict[str, dict[str, OpenExecution]] = {}
        self.taken: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, execution_id: str) -> OpenExecution | None:
        """The execution, if it is open."""
        return self._by_id.get(execution_id)

    def of(self, incarnation: str) -> list[OpenExecution]:
        """All that name the incarnation."""
        return list(self._by_incarnation.get(incarnation, {}).values())

    def incarnations(self) -> list[str]:
        """Every incarnation that an open execution names."""
        return list(self._by_incarnation)

    def lanes_of(self, incarnation: str) -> Iterator[str]:
        """Lanes on which it has open executions."""
        return iter({execution.lane for execution in self.of(incarnation)})

    def open(self, execution_id: str, run_id: str, lane: str, incarnation: str) -> OpenExecution:
        """An execution was scheduled."""
        opened = OpenExecution(execution_id, run_id, lane, incarnation)
        self._by_id[execution_id] = opened
        self._by_incarnation.setdefault(incarnation, {})[execution_id] = opened
        self.taken[(incarnation, lane)] += 1
        return opened

    def close(self, execution_id: str) -> OpenExecution | None:
        """An execution was closed."""
        closed = self._by_id.pop(execution_id, None)
        if closed is None:
            return None
        named = self._by_incarnation[closed.incarnation]
        del named[execution_id]
        if not named:
            del self._by_incarnation[closed.incarnation]
        self.taken[(closed.incarnation, closed.lane)] -= 1
        if self.taken[(closed.incarnation, closed.lane)] <= 0:
            del self.taken[(closed.incarnation, closed.lane)]
        return closed

    def add_run(self, state: RunState) -> None:
        """All open executions of a run that was folded before this index looked."""
        for execution in state.open_executions():
            if execution.id not in self._by_id:
                self.open(execution.id, state.run_id, execution.lane, execution.incarnation)

    def drop_runs(self, run_ids: set[str]) -> None:
        """Forget runs whose partition went to another orchestrator."""
        for execution in [e for e in self._by_id.values() if e.run_id in run_ids]:
            self.close(execution.id)
