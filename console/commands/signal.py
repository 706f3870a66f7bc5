"""`elexirion signal`: answer a step that waits for an approval."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


class Answer(StrEnum):
    """What an approval can be told."""

    approve = "approve"
    reject = "reject"


def signal(
    run_id: RunId,
    answer: Annotated[Answer, typer.Argument(help="approve or reject.")],
    step: Annotated[str | None, typer.Option(help="The step it is for, where several wait.")] = None,
    value: Annotated[str | None, typer.Option(help="What the step's result brings along: JSON, or a text.")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish a Signal and wait until the log says that a step took it.

    `elexirion explain RUN` tells which steps wait for an answer, and until when.

    Examples:

      elexirion signal run-1f0c… approve

      elexirion signal run-1f0c… reject --step release --value "the title is wrong"
    """
    document = with_client(lambda client: _signal(client, run_id, answer, step, value), as_json=as_json)
    if as_json:
        print_json(document)
    else:
        typer.echo(f"{run_id} {answer.value}: step {document['step']} has its answer")


async def _signal(client: Client, run_id: str, answer: Answer, step: str | None, text: str | None) -> dict[str, Any]:
    from elexirion.console.given_inputs import read_value

    await client.read(run_id)  # an unknown run is told at once, with ids that look like it
    value = None if text is None else read_value(text)
    answered = await client.run(run_id).signal(answer.value, step=step, value=value)
    return {"run_id": run_id, "signal": answer.value, "step": answered}
