"""`elexirion fork`: a new run that takes the results of another one up to a step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import print_json, reported
from elexirion.console.forked_run import forked_document, print_forked
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


def fork(
    run_id: RunId,
    from_step: Annotated[str, typer.Option("--from", help="The step that runs again, and all below it.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value of an input, else of a variable."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="A changed pipeline; unset: the one in the log."),
    ] = None,
    new_run_id: Annotated[str | None, typer.Option("--run-id", help="Id of the new run; unset: a fresh one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start a new run that takes the results above a step from the log, and runs the rest.

    With --file it runs that pipeline, and takes what stands there above the step, where the run has a step of the same
    name and type. What a step says that is taken over changes nothing any more; a warning names those that differ.

    Examples:

      elexirion fork run-1f0c… --from story

      elexirion fork run-1f0c… --from story --set tone=dry --json

      elexirion fork run-1f0c… --from story --file story.yaml
    """
    from elexirion.console.given_inputs import parse_inputs
    from elexirion.console.pipeline_files import read_one

    with reported(as_json):
        values = parse_inputs(given or ())
        if file is not None:
            read_one(file)
    document = with_client(lambda client: _fork(client, run_id, from_step, values, file, new_run_id), as_json=as_json)
    if as_json:
        print_json(document)
    else:
        print_forked(document)


async def _fork(
    client: Client, run_id: str, from_step: str, values: dict[str, Any], file: Path | None, new_run_id: str | None
) -> dict[str, Any]:
    from elexirion.client.client import file_reference

    log = await client.read(run_id)  # an unknown run is told at once, with ids that look like it
    pipeline = file_reference(file) if file else None
    handle, forked = await client.run(run_id).fork(from_step, variables=values, pipeline=pipeline, run_id=new_run_id)
    return await forked_document(handle, forked, log.state, file)
