"""What happened to a run, record by record, and to each of its executions; refused records included."""

from collections.abc import Iterable
from typing import Any

from elexirion.events.envelope import Record, utc_text
from elexirion.events.step import Report, StepCompleted, StepFailed
from elexirion.projections.admission import Refusal
from elexirion.projections.run_state import RunState
from elexirion.projections.told import in_words

Judged = tuple[Record, Refusal | None]


def timeline_of(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """One row a record: when, its position in the run (None where it does not count), what it is about."""
    rows, position = [], 0
    for record, refused in judged:
        of_run = refused is None and record.type not in ("CommandReceived", "CommandRejected", "RunForked")
        position += of_run
        rows.append(
            {
                "at": utc_text(record.at),
                "position": position if of_run else None,
                "type": record.type,
                "id": record.id,
                "about": in_words(record) + (f" (refused: {refused})" if refused else ""),
                "refused": refused,
            }
        )
    return rows


def executions_of(state: RunState, judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """Every execution: how it was closed, whether its chunks are superseded, and what its late reports cost."""
    late: dict[str, list[Record]] = {}
    for record, refused in judged:
        if refused and isinstance(record.data, Report):
            late.setdefault(record.data.execution_id, []).append(record)
    return [
        {
            "id": execution.id,
            "step": execution.step,
            "incarnation": execution.incarnation,
            "attempt": execution.attempt,
            "calls": execution.calls,
            "closed_by": execution.closed_by,
            "superseded": execution.closed_by not in (None, "completed"),
            "late_reports": [record.type for record in late.get(execution.id, [])],
            "repeated_cost_usd": _cost(late.get(execution.id, [])),
        }
        for execution in state.executions.values()
    ]


def _cost(late: list[Record]) -> float | None:
    costs = [record.data.cost_usd for record in late if isinstance(record.data, StepCompleted | StepFailed)]
    return None if None in costs else sum(cost or 0.0 for cost in costs)
