"""`elexirion resume`: go on with a paused run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from elexirion.console.exits import print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


def resume(run_id: RunId, as_json: AsJson = False) -> None:
    """Publish ResumeRun and wait until the log says that the run goes on.

    Example: elexirion resume run-1f0c…
    """
    document = with_client(lambda client: _resume(client, run_id), as_json=as_json)
    if as_json:
        print_json(document)
    else:
        typer.echo(f"{run_id} {document['status']}")


async def _resume(client: Client, run_id: str) -> dict[str, Any]:
    await client.read(run_id)  # an unknown run is told at once, with ids that look like it
    state = await client.run(run_id).resume()
    return {"run_id": run_id, "status": state.status}
