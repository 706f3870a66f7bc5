"""`elexirion runs`: list runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import print_json
from elexirion.console.options import AsJson
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client.run_list import RunSummary


def runs(
    status: Annotated[str | None, typer.Option(help="Only runs of this status, for example failed.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Shared sessions too: runs that never end.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first, from the log itself.

    Example: elexirion runs --status failed --json
    """
    from elexirion.client.run_list import list_runs

    listed = [one for one in with_client(list_runs, as_json=as_json) if everything or not one.is_session]
    found = [one for one in listed if status in (None, one.status)][:limit]
    if as_json:
        print_json({"runs": [one.document() for one in found]})
    else:
        _table(found)


def _table(found: list[RunSummary]) -> None:
    from elexirion.console.run_tables import cost, on_stdout, print_rows, seconds, status_text
    from rich.text import Text

    rows: list[list[str | Text]] = [
        [one.run_id, one.pipeline, status_text(one.status), f"{one.done}/{one.steps}",
         f"{one.started_at:%Y-%m-%d %H:%M:%S}", seconds(one.duration_s), cost(one.cost_usd)]
        for one in found
    ]  # fmt: skip
    print_rows(("run", "pipeline", "status", "steps", "started (UTC)", "time", "cost"), rows, on_stdout())
