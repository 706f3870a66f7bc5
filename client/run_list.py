"""All runs in the log, folded one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elexirion.agents.kafka.reading import scan
from elexirion.client.client import Client
from elexirion.client.results import elapsed_s, status_of
from elexirion.client.run_log import RunJudge
from elexirion.events.identifiers import SESSION_PREFIX
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list; `scheduled` is the status of one whose `start_at` has not come.

    `done` of `steps` steps are completed or skipped; cost is None where a price is unknown.
    """

    run_id: str
    pipeline: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    steps: int
    done: int
    cost_usd: float | None
    offline: bool
    previous_run_id: str | None
    start_at: datetime | None = None
    is_schedule: bool = False

    @property
    def is_session(self) -> bool:
        """Whether it holds a session that other runs share."""
        return self.run_id.startswith(SESSION_PREFIX)

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end."""
        return elapsed_s(self.started_at, self.ended_at)

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "status": self.status,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "duration_s": self.duration_s,
            "steps": self.steps,
            "done": self.done,
            "cost_usd": self.cost_usd,
            "offline": self.offline,
            "previous_run_id": self.previous_run_id,
            "start_at": self.start_at.isoformat() if self.start_at else None,
        }


async def list_runs(client: Client) -> list[RunSummary]:
    """Every run, the newest first. Reads the whole log; raises KafkaProblem."""
    open_runs: dict[bytes, RunJudge] = {}
    ended: dict[bytes, RunSummary] = {}
    async for message in scan(client.address, client.topics.events, range(client.partitions)):
        if message.key is None or message.key in ended:
            continue
        judge = open_runs.setdefault(message.key, RunJudge())
        judge.take(message)
        if judge.state is not None and judge.state.ended:
            ended[message.key] = summary_of(judge.state)
            del open_runs[message.key]
    found = [*ended.values(), *_summaries(open_runs)]
    return sorted(found, key=lambda run: run.started_at, reverse=True)


def _summaries(judges: dict[bytes, RunJudge]) -> Iterator[RunSummary]:
    for judge in judges.values():
        if judge.state is not None:
            yield summary_of(judge.state)


def summary_of(state: RunState) -> RunSummary:
    """One line about a run; steps inside of others are not counted."""
    top = [step for path, step in state.steps.items() if "/" not in path]
    return RunSummary(
        run_id=state.run_id, pipeline=state.pipeline_name, status=status_of(state), started_at=state.started_at,
        ended_at=state.ended_at, steps=len(top), done=sum(step.done for step in top),
        cost_usd=state.cost_usd, offline=state.offline, previous_run_id=state.previous_run_id,
        start_at=state.start_at, is_schedule=state.schedule is not None,
    )  # fmt: skip
