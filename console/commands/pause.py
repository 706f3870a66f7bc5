"""`elexirion pause`: let a run's open executions end and start nothing new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import note, print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


def pause(
    run_id: RunId,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the log.")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish PauseRun and wait until the log says that the run is paused.

    What a worker executes by then goes on to its end and counts; nothing new starts, in loops and child runs neither.

    Example: elexirion pause run-1f0c… --reason "budget review"
    """
    document = with_client(lambda client: _pause(client, run_id, reason), as_json=as_json)
    if as_json:
        print_json(document)
        return
    typer.echo(f"{run_id} {document['status']}")
    if document["open_executions"]:
        note(f"These still run to their end: {', '.join(document['open_executions'])}")
    note(f"Let it go on: elexirion resume {run_id}")


async def _pause(client: Client, run_id: str, reason: str | None) -> dict[str, Any]:
    await client.read(run_id)  # an unknown run is told at once, with ids that look like it
    state = await client.run(run_id).pause(reason)
    return {"run_id": run_id, "status": state.status, "open_executions": [one.id for one in state.open_executions()]}
