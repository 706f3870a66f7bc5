"""Where a run asked something else than the recorded run it was to be answered from, as a diff."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elexirion.client import Client, RunResult
from elexirion.client.errors import UnknownRunError
from elexirion.client.exported import fold_exported
from elexirion.events.commands import Replay
from elexirion.projections.input_diff import full_diff
from elexirion.projections.run_state import RunState

NOT_RECORDED = "not_recorded"


@dataclass(frozen=True, slots=True)
class Difference:
    """A step whose call had no recorded answer: why, and the unified diff of its rendered input."""

    run_id: str
    step: str
    why: str
    diff: str

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"── {self.step}: {self.why}\n{self.diff or 'its rendered input is the recorded one'}"


async def differences_of(client: Client, results: list[RunResult], replay: Replay) -> list[Difference]:
    """All that was not recorded, in every run of a chain; raises KafkaProblem."""
    found: list[Difference] = []
    for result in results:
        steps = [step for step in result.steps if step.error is not None and step.error.kind == NOT_RECORDED]
        if not steps:
            continue
        now = (await client.read(result.run_id)).state
        recorded = await _recorded(client, now.replay_from if now and now.replay_from else replay)
        for step in steps:
            assert step.error is not None
            diff = full_diff(await _input(client, recorded, step.name), await _input(client, now, step.name))
            found.append(Difference(result.run_id, step.name, step.error.message, diff))
    return found


async def _recorded(client: Client, replay: Replay) -> RunState | None:
    try:
        if replay.file is not None:
            return fold_exported((await asyncio.to_thread(Path(replay.file).read_bytes)).splitlines())
        return (await client.read(replay.run_id or "")).state
    except (UnknownRunError, OSError, ValueError):
        return None


async def _input(client: Client, state: RunState | None, path: str) -> dict[str, Any]:
    known = state.steps.get(path) if state else None
    config = await client.load(known.input) if known is not None and known.input is not None else None
    return config if isinstance(config, dict) else {}
