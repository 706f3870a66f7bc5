"""`elexirion schedule`: runs that start by themselves, at the times of a cron expression."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from elexirion.console.exits import CommandProblem, note, print_json, reported
from elexirion.console.options import AsJson, RunPriority
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client
    from elexirion.client.run_log import RunLog
    from elexirion.client.schedules import Firing, ScheduleSummary
    from elexirion.events.priority import Priority
    from elexirion.events.schedule import Schedule

app = typer.Typer(help="Schedules: runs that start by themselves.", no_args_is_help=True)

WITHIN_S = 30.0
ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its id, as `elexirion schedule list` lists it.")]


@app.callback()
def schedule() -> None:
    """A schedule stands in the log as a run of its own; each of its times is decided once, whoever decides."""


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(help="Pipeline files; several chain, output into input.")],
    cron: Annotated[str, typer.Option(help="Minute, hour, day of month, month, day of week; seconds may lead.")],
    schedule_id: Annotated[str, typer.Option("--id", help="Its id; those of its runs begin with it.")],
    timezone: Annotated[str, typer.Option("--tz", help="The time zone of the expression.")] = "UTC",
    missed: Annotated[
        Literal["skip", "one", "all"],
        typer.Option(help="Times that nobody was there to see: none is made up for, the last one, or the last 100."),
    ] = "one",
    overlap: Annotated[
        Literal["allow", "skip"], typer.Option(help="Whether a run starts while another one of it is open.")
    ] = "allow",
    inputs: Annotated[list[str] | None, typer.Option("-i", "--input", metavar="NAME=VALUE", help="As of run.")] = None,
    offline: Annotated[bool, typer.Option(help="Answer every provider step without a network.")] = False,
    priority: RunPriority = None,
    as_json: AsJson = False,
) -> None:
    """Add a schedule and wait until the log has it. It stays until it is removed; a worker has to be up at its times.

    Examples:

      elexirion schedule add report.yaml --id nightly --cron "0 2 * * *" --tz Europe/Berlin

      elexirion schedule add check.yaml --id often --cron "*/5 * * * *" --overlap skip --missed skip -i depth=2
    """
    from elexirion.events.schedule import Schedule

    with reported(as_json):
        rule = Schedule(cron=cron, timezone=timezone, missed=missed, overlap=overlap)
        _require_possible(rule)
        added = _added(files, rule, schedule_id, inputs or [], offline, priority)
    _tell_added(added, as_json)


@app.command(name="list")
def list_all(
    everything: Annotated[bool, typer.Option("--all", help="Those that were removed as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """List schedules, from the log itself.

    Example: elexirion schedule list --json
    """
    from elexirion.client.schedules import list_schedules
    from elexirion.console.schedule_view import print_list

    listed = with_client(list_schedules, as_json=as_json)
    found = [one for one in listed if everything or one.status != "removed"]
    if as_json:
        print_json({"schedules": [one.document() for one in found]})
    else:
        print_list(found)


@app.command()
def show(
    schedule_id: ScheduleId,
    limit: Annotated[int, typer.Option(help="At most so many of its times, the newest first.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show a schedule: what it is, when it starts its next run, and what became of its last ones.

    Example: elexirion schedule show nightly
    """
    from elexirion.console.schedule_view import print_schedule

    one, firings = with_client(lambda client: _shown(client, schedule_id), as_json=as_json)
    newest = firings[::-1][:limit]
    if as_json:
        print_json({**one.document(), "firings": [firing.document() for firing in newest]})
    else:
        print_schedule(one, newest)


@app.command()
def pause(
    schedule_id: ScheduleId,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the log.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a schedule start no runs until it is resumed; times that pass by then are not made up for.

    Example: elexirion schedule pause nightly --reason "moving house"
    """

    async def work(client: Client) -> None:
        await client.run(schedule_id).pause(reason)

    _change(schedule_id, work, "paused", as_json)


@app.command()
def resume(schedule_id: ScheduleId, as_json: AsJson = False) -> None:
    """Let a paused schedule go on, from its next time.

    Example: elexirion schedule resume nightly
    """

    async def work(client: Client) -> None:
        await client.run(schedule_id).resume()

    _change(schedule_id, work, "active", as_json)


@app.command()
def remove(
    schedule_id: ScheduleId,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the log.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove a schedule. Runs that it started go on; its id stays taken.

    Example: elexirion schedule remove nightly
    """

    async def work(client: Client) -> None:
        await client.run(schedule_id).cancel(reason)

    _change(schedule_id, work, "removed", as_json)


def _change(schedule_id: str, work: Any, status: str, as_json: bool) -> None:
    async def change(client: Client) -> None:
        await _of_schedule(client, schedule_id)
        await work(client)

    with_client(change, as_json=as_json)
    if as_json:
        print_json({"schedule_id": schedule_id, "status": status})
    else:
        typer.echo(f"{schedule_id} {status}")


def _require_possible(rule: Schedule) -> None:
    from elexirion.events.envelope import utc_now
    from elexirion.projections.due_times import problem_of

    problem = problem_of(rule, utc_now())
    if problem is not None:
        raise CommandProblem("bad_schedule", problem, 'For example: --cron "0 9 * * MON-FRI" --tz Europe/Berlin')


def _added(
    files: list[Path], rule: Schedule, schedule_id: str, inputs: list[str], offline: bool, priority: Priority | None
) -> ScheduleSummary:
    from elexirion.agents.settings import load_settings
    from elexirion.client import Client
    from elexirion.client.schedules import summary_of
    from elexirion.console.commands.run import require_well_formed
    from elexirion.console.given_inputs import parse_inputs
    from elexirion.console.log_output import quiet_clients
    from elexirion.console.pipeline_files import lanes_of, read_runnable
    from elexirion.console.ready import make_ready

    require_well_formed(schedule_id, "--id")
    given = parse_inputs(inputs)
    lanes = lanes_of(read_runnable(files, given))
    quiet_clients()
    bootstrap = make_ready(load_settings(), lanes, offline=offline)

    async def publish() -> ScheduleSummary:
        async with Client(bootstrap) as client:
            handle = await client.start(
                files[0],
                inputs=given,
                offline=offline,
                then=files[1:],
                run_id=schedule_id,
                schedule=rule,
                priority=priority,
            )
            return summary_of(await handle.started(WITHIN_S))

    return asyncio.run(publish())


def _tell_added(added: ScheduleSummary, as_json: bool) -> None:
    from elexirion.console.start_time import shown

    if as_json:
        print_json(added.document())
        return
    typer.echo(added.schedule_id)
    if added.next_at is not None:
        note(f"Its first run starts at {shown(added.next_at)}; look at it: elexirion schedule show {added.schedule_id}")


async def _shown(client: Client, schedule_id: str) -> tuple[ScheduleSummary, list[Firing]]:
    from elexirion.client.schedules import firings_of, summary_of

    log = await _of_schedule(client, schedule_id)
    assert log.state is not None
    return summary_of(log.state), firings_of(log.entries)


async def _of_schedule(client: Client, schedule_id: str) -> RunLog:
    log = await client.read(schedule_id)  # an unknown one is told at once, with ids that look like it
    if log.state is None or log.state.schedule is None:
        raise CommandProblem("no_schedule", f"{schedule_id} is no schedule.", "List them: elexirion schedule list")
    return log
