"""`elexirion runs`: list runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import print_json
from elexirion.console.options import AsJson
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client.run_list import RunSummary
    from rich.text import Text


def runs(
    status: Annotated[str | None, typer.Option(help="Only runs of this status, for example failed.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Runs that never end too: sessions, schedules.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first, from the log itself.

    Example: elexirion runs --status failed --json
    """
    from elexirion.client.run_list import list_runs

    listed = with_client(list_runs, as_json=as_json)
    if not everything:
        listed = [one for one in listed if not (one.is_session or one.is_schedule)]
    found = [one for one in listed if status in (None, one.status)][:limit]
    if as_json:
        print_json({"runs": [one.document() for one in found]})
    else:
        _table(found)


def _table(found: list[RunSummary]) -> None:
    from elexirion.console.run_tables import cost, on_stdout, print_rows, seconds

    rows: list[list[str | Text]] = [
        [one.run_id, one.pipeline, _status(one), f"{one.done}/{one.steps}",
         "-" if one.status == "scheduled" else f"{one.started_at:%Y-%m-%d %H:%M:%S}",
         seconds(one.duration_s), cost(one.cost_usd)]
        for one in found
    ]  # fmt: skip
    print_rows(("run", "pipeline", "status", "steps", "started (UTC)", "time", "cost"), rows, on_stdout())


def _status(one: RunSummary) -> Text:
    from elexirion.console.run_tables import status_text
    from elexirion.console.start_time import shown

    if one.status != "scheduled" or one.start_at is None:
        return status_text(one.status)
    return status_text(f"scheduled for {shown(one.start_at)}")
