"""`elexirion watch`: follow a run live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import RUN_FAILED
from elexirion.console.options import RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client, RunResult


def watch(
    run_id: RunId,
    json_lines: Annotated[bool, typer.Option("--json", help="Records and chunks as JSON lines.")] = False,
) -> None:
    """Follow a run from its beginning to its end; Ctrl-C stops watching, the run goes on.

    Example: elexirion watch run-1f0c…
    """
    result = with_client(lambda client: _watch(client, run_id, json_lines), as_json=json_lines)
    raise typer.Exit(0 if result.completed else RUN_FAILED)


async def _watch(client: Client, run_id: str, json_lines: bool) -> RunResult:
    from elexirion.console.follow_run import follow_to_end

    await client.read(run_id)  # an unknown run is told at once
    if not json_lines:
        return await follow_to_end(client, client.run(run_id), show=True)
    await _print_lines(client, run_id)
    return await client.run(run_id).result()


async def _print_lines(client: Client, run_id: str) -> None:
    import json
    from contextlib import aclosing

    from elexirion.client import Entry

    async with aclosing(client.run(run_id).updates()) as updates:
        async for update in updates:
            if isinstance(update, Entry):
                typer.echo(update.value.decode(errors="replace"))
            else:
                chunk = {
                    "execution_id": update.execution_id,
                    "step": update.step,
                    "n": update.n,
                    "text": update.text,
                }
                typer.echo(json.dumps({"type": "StepChunk", "superseded": update.superseded, "data": chunk}))
