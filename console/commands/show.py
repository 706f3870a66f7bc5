"""`elexirion show`: a run as the log has it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elexirion.console.exits import print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client


def show(run_id: RunId, as_json: AsJson = False) -> None:
    """State, steps and timeline of a run, with every execution and what was refused.

    See also `explain` for where its time went, and `replay` for the run at any of its events.

    Examples:

      elexirion show run-1f0c…

      elexirion show run-1f0c… --json | jq .context.variables
    """
    document = with_client(lambda client: _document(client, run_id), as_json=as_json)
    if as_json:
        print_json(document)
    else:
        _print(document)


async def _document(client: Client, run_id: str) -> dict[str, Any]:
    from elexirion.client.results import result_of
    from elexirion.projections.context import context_hash, context_of
    from elexirion.projections.timeline import Judged, executions_of, timeline_of

    log = await client.read(run_id)
    rejections = [rejected.model_dump(mode="json") for rejected in log.rejections]
    if log.state is None:
        return {"run_id": run_id, "status": "rejected" if rejections else "received", "rejections": rejections}
    judged: list[Judged] = [(entry.record, entry.refused) for entry in log.entries if entry.record]
    result = (await result_of(log.state, client.load)).document()
    return result | {
        "context_hash": context_hash(log.state),
        "position": log.state.position,
        "executions": executions_of(log.state, judged),
        "timeline": timeline_of(judged),
        "rejections": rejections,
        "context": context_of(log.state),
    }


def _print(document: dict[str, Any]) -> None:
    from elexirion.console.run_tables import cost, on_stdout, print_rows, seconds, status_text
    from rich.text import Text

    console = on_stdout()
    console.print(Text.assemble((document["run_id"], "bold"), f"  {document['status']}"))
    for rejected in document["rejections"]:
        console.print(f"command {rejected['command_id']} rejected: {rejected['reason']}", markup=False)
    if "steps" not in document:
        return
    steps = (
        [Text(one["name"]), one["type"], status_text(one["status"], one["fallback"], one["carried_from"]),
         Text(one["execution"] or one["carried_from"] or "-"),
         seconds(one["duration"]), cost(one["cost"])]
        for one in document["steps"]
    )  # fmt: skip
    print_rows(("step", "type", "status", "execution", "time", "cost"), steps, console)
    console.print()
    told = ([one["at"], str(one["position"] or "-"), one["type"], Text(one["about"])] for one in document["timeline"])
    print_rows(("at", "position", "event", "about"), told, console)
    console.print(f"\ncontext {document['context_hash']} at position {document['position']}")
