"""`elexirion cancel`: end a run now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


def cancel(
    run_id: RunId,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the log.")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish CancelRun and wait until the log says that the run has ended.

    Example: elexirion cancel run-1f0c… --reason "wrong file"
    """
    document = with_client(lambda client: _cancel(client, run_id, reason), as_json=as_json)
    if as_json:
        print_json(document)
    else:
        typer.echo(f"{run_id} {document['status']}")


async def _cancel(client: Client, run_id: str, reason: str | None) -> dict[str, Any]:
    await client.read(run_id)  # an unknown run is told at once, with ids that look like it
    await client.run(run_id).cancel(reason)
    state = (await client.read(run_id)).state
    return {"run_id": run_id, "status": state.status if state else "unknown"}
