"""`elexirion replay`: a run as it was at any of its events, and at any chunk between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import CommandProblem, print_json
from elexirion.console.options import AsJson, RunId
from elexirion.console.session import with_client
from elexirion.console.unstarted import not_started

if TYPE_CHECKING:
    from elexirion.client import Client
    from elexirion.projections.replay import At, Moment, Recording

Position = Annotated[
    str | None,
    typer.Option("--at", metavar="N[.k]", help="After the N-th event, or after the k-th chunk that follows it."),
]


def replay(run_id: RunId, at: Position = None, as_json: AsJson = False) -> None:
    """Show what a run knew at a position of its log, what the event there changed, and the text so far.

    Without --at: the list of all positions. An event's position is its number among the records of the run that
    count; where text was streamed after it, the k-th chunk has the position N.k.

    Examples:

      elexirion replay run-1f0c…

      elexirion replay run-1f0c… --at 7

      elexirion replay run-1f0c… --at 7.3 --json
    """
    wanted = _position(at, as_json)
    recording = with_client(lambda client: _recording(client, run_id), as_json=as_json)
    if wanted is None:
        _list(run_id, recording, as_json)
    else:
        _show(_moment(recording, wanted, as_json), len(recording.events), as_json)


def _position(text: str | None, as_json: bool) -> At | None:
    from elexirion.console.exits import reported
    from elexirion.projections.replay import At

    with reported(as_json):
        try:
            return None if text is None else At.parse(text)
        except ValueError as error:
            raise CommandProblem("bad_position", f"--at: {error}", "List them: leave --at out.") from None


async def _recording(client: Client, run_id: str) -> Recording:
    from elexirion.projections.replay import recording_of

    log = await client.read(run_id)
    if log.state is None:
        raise not_started(log)
    return recording_of(log.logged, await client.text(log))


def _moment(recording: Recording, at: At, as_json: bool) -> Moment:
    from elexirion.console.exits import reported
    from elexirion.projections.replay import PositionError

    with reported(as_json):
        try:
            return recording.moment(at)
        except PositionError as error:
            more = {"positions": len(recording.events)}
            raise CommandProblem("no_such_position", str(error), "List them: leave --at out.", more=more) from None


def _list(run_id: str, recording: Recording, as_json: bool) -> None:
    from elexirion.console.moment_view import print_positions
    from elexirion.console.run_tables import on_stdout

    if not as_json:
        print_positions(recording, on_stdout())
        return
    positions = [
        event.document() | {"changed": [difference.path for difference in event.changes]} for event in recording.events
    ]
    print_json({"run_id": run_id, "positions": positions})


def _show(moment: Moment, positions: int, as_json: bool) -> None:
    from elexirion.console.moment_view import print_moment
    from elexirion.console.run_tables import on_stdout

    if as_json:
        print_json(moment.document() | {"positions": positions})
    else:
        print_moment(moment, positions, on_stdout())
