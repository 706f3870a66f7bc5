"""Showing a run to its end."""

from __future__ import annotations

import sys
from contextlib import aclosing

from elexirion.client import Client, Entry, RunHandle, RunResult
from elexirion.client.results import result_of
from elexirion.console.live_run import view_for
from elexirion.console.run_tables import on_stdout, print_result
from elexirion.projections.run_state import RunState


async def follow_to_end(client: Client, handle: RunHandle, *, show: bool, since: int = 0) -> RunResult:
    """Stream the run's text to stdout where it is shown, from offset `since` of its log on, and give its result."""
    state = (await _shown(handle, since) if show else None) or await _unseen(handle)
    result = await result_of(state, client.load)
    if show:
        print_result(result, on_stdout())
    return result


async def _shown(handle: RunHandle, since: int) -> RunState | None:
    state: RunState | None = None
    view = view_for(sys.stdout)
    try:
        async with aclosing(handle.updates(since=since)) as updates:
            async for update in updates:
                view.show(update)
                state = update.state if isinstance(update, Entry) else state
    finally:
        view.close()
    return state


async def _unseen(handle: RunHandle) -> RunState:
    state: RunState | None = None
    async with aclosing(handle.updates(chunks=False)) as updates:
        async for update in updates:
            state = update.state if isinstance(update, Entry) else state
    return _known(state)


def _known(state: RunState | None) -> RunState:
    if state is None:
        raise RuntimeError("updates end with the run's terminal event")
    return state
