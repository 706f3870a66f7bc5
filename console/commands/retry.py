"""`elexirion retry`: a new run that goes on where another one failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import print_json
from elexirion.console.forked_run import forked_document, print_forked
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


def retry(
    run_id: RunId,
    from_step: Annotated[str | None, typer.Option("--from", help="Go on here; unset: from the failed step.")] = None,
    new_run_id: Annotated[str | None, typer.Option("--run-id", help="Id of the new run; unset: a fresh one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start a new run that takes the results of one that failed, and goes on from the failed step.

    That step and all that need it run again, a loop or a batch as a whole; everything else that is over is taken as it
    is and costs nothing. The definition is the one in the log: a file edited since changes nothing.

    Example: elexirion retry run-1f0c…
    """
    document = with_client(lambda client: _retry(client, run_id, from_step, new_run_id), as_json=as_json)
    if as_json:
        print_json(document)
    else:
        print_forked(document)


async def _retry(client: Client, run_id: str, from_step: str | None, new_run_id: str | None) -> dict[str, Any]:
    log = await client.read(run_id)  # an unknown run is told at once, with ids that look like it
    handle, forked = await client.run(run_id).retry(from_step=from_step, run_id=new_run_id)
    return await forked_document(handle, forked, log.state)
