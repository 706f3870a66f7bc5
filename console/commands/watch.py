"""`elexirion watch`: follow a run live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import RUN_FAILED
from elexirion.console.options import RunId
from elexirion.console.session import with_client
from elexirion.console.unstarted import not_started

if TYPE_CHECKING:
    from elexirion.client import Client, RunLog, RunResult


def watch(
    run_id: RunId,
    tail: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Begin with the last N records and the text after them; unset: all."),
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Records and chunks as JSON lines.")] = False,
) -> None:
    """Follow a run to its end, from its beginning on; Ctrl-C stops watching, the run goes on.

    With --tail 0 only what comes from now on is shown. The exit code is that of the run: 0 completed, 1 not.

    Examples:

      elexirion watch run-1f0c…

      elexirion watch run-1f0c… --tail 5

      elexirion watch run-1f0c… --json --tail 0 | jq -r .type
    """
    result = with_client(lambda client: _watch(client, run_id, tail, json_lines), as_json=json_lines)
    raise typer.Exit(0 if result.completed else RUN_FAILED)


async def _watch(client: Client, run_id: str, tail: int | None, json_lines: bool) -> RunResult:
    from elexirion.console.follow_run import follow_to_end

    log = await client.read(run_id)  # an unknown run is told at once
    if log.state is None and log.rejections:
        raise not_started(log)
    since = first_shown(log, tail)
    if not json_lines:
        return await follow_to_end(client, client.run(run_id), show=True, since=since)
    await _print_lines(client, run_id, since)
    return await client.run(run_id).result()


def first_shown(log: RunLog, tail: int | None) -> int:
    """The offset in the log of the first record that is shown; `tail` None: of any."""
    if tail is None:
        return 0
    shown = log.entries[max(0, len(log.entries) - tail) :]
    return shown[0].offset if shown else log.entries[-1].offset + 1


async def _print_lines(client: Client, run_id: str, since: int) -> None:
    import json
    from contextlib import aclosing

    from elexirion.client import Entry

    async with aclosing(client.run(run_id).updates(since=since)) as updates:
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
