"""`elexirion run`: publish a StartRun and follow it to its end."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from elexirion.console.exits import INTERRUPTED, RUN_FAILED, CommandProblem, note, print_json, reported
from elexirion.console.options import AsJson, RunPriority

STARTED_WITHIN_S = 30.0

if TYPE_CHECKING:
    from datetime import datetime

    from elexirion.client import Client, RunHandle, RunResult
    from elexirion.console.replay_differences import Difference
    from elexirion.events.commands import Replay
    from elexirion.events.priority import Priority
    from elexirion.pipelines.loader import Loaded

Files = Annotated[list[Path], typer.Argument(help="Pipeline files; several chain, output into input.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("-i", "--input", metavar="NAME=VALUE", help="An input: JSON, text, or @file for a file's text."),
]


def run(
    files: Files,
    inputs: Inputs = None,
    offline: Annotated[bool, typer.Option(help="Answer every provider step without a network.")] = False,
    detach: Annotated[bool, typer.Option(help="Only publish the command; print the run's id.")] = False,
    run_id: Annotated[str | None, typer.Option(help="Id of the run; unset: a fresh one.")] = None,
    replay_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Answer the calls of models from this recorded run, or from its export (FILE.jsonl)."
        ),
    ] = None,
    replay_timing: Annotated[
        Literal["recorded", "compressed"], typer.Option(help="How fast recorded answers come: as they did, or at once.")
    ] = "recorded",
    priority: RunPriority = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin at this time, with its zone: 2026-12-01T09:00Z.")
    ] = None,
    in_: Annotated[str | None, typer.Option("--in", metavar="SPAN", help="Begin after a while: 30s, 10m, 2h.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be called, with an estimate of tokens and cost.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline: stream its text, then print results, cost and time.

    Starts a broker and a worker in the background where there is none, and says so. Ctrl-C cancels the run.
    With --at or --in the run is published now, its id is printed, and it begins by itself when its time has come.

    Examples:

      elexirion run examples/demo.yaml --offline

      elexirion run outline.yaml story.yaml -i topic=rivers --json

      elexirion run examples/demo.yaml --dry-run

      elexirion run examples/demo.yaml --offline --at 2026-12-01T09:00Z

      elexirion run examples/demo.yaml --replay-from run-1f0c… --replay-timing compressed
    """
    from elexirion.console.given_inputs import parse_inputs
    from elexirion.console.log_output import quiet_clients
    from elexirion.console.pipeline_files import lanes_of, read_runnable
    from elexirion.console.start_time import start_time

    with reported(as_json):
        require_well_formed(run_id, "--run-id")
        replay = _replay(replay_from, replay_timing, offline)
        start_at = start_time(at, in_)
        given = parse_inputs(inputs or ())
        pipelines = read_runnable(files, given)
        if dry_run:
            _tell_plan(files, pipelines, given, offline, as_json)
            return
        lanes = lanes_of(pipelines)
        quiet_clients()
        from elexirion.agents.settings import load_settings
        from elexirion.console.ready import make_ready

        bootstrap = make_ready(load_settings(), lanes, offline=offline or replay is not None)
        code = _interruptible(bootstrap, files, given, offline, replay, detach, run_id, start_at, priority, as_json)
    raise typer.Exit(code)


def _replay(source: str | None, timing: Literal["recorded", "compressed"], offline: bool) -> Replay | None:
    """What `--replay-from` names: a run, or a file that ends in `.jsonl`."""
    from elexirion.events.commands import Replay

    if source is None:
        return None
    if offline:
        hint = "A recorded run is answered without a network as well: leave --offline out."
        raise CommandProblem("usage", "--replay-from and --offline both say who answers.", hint)
    if not source.endswith(".jsonl"):
        return Replay(run_id=source, timing=timing)
    if not Path(source).is_file():
        hint = f"Write it: elexirion export RUN --chunks -o {source}"
        raise CommandProblem("no_such_file", f"there is no file {source} to answer from.", hint)
    return Replay(file=str(Path(source).resolve()), timing=timing)


def _tell_plan(files: list[Path], pipelines: list[Loaded], given: dict[str, Any], offline: bool, as_json: bool) -> None:
    from elexirion.agents.settings import load_settings
    from elexirion.console.dry_run import dry_run, print_plan

    document = dry_run(files, pipelines, given, load_settings(), offline=offline)
    if as_json:
        print_json(document)
    else:
        print_plan(document)


def require_well_formed(run_id: str | None, option: str) -> None:
    """Whether the id that an option gave may be that of a run."""
    from elexirion.events.identifiers import RUN_ID_PATTERN

    if run_id is not None and not re.fullmatch(RUN_ID_PATTERN, run_id):
        raise CommandProblem(
            "bad_run_id",
            f"{option} {run_id!r}: a run id begins with a letter or digit and goes on with letters, digits "
            "and ._~- (at most 128 characters).",
            "Leave it out for a fresh one.",
        )


def _interruptible(
    bootstrap: str, files: list[Path], given: dict[str, Any], offline: bool, replay: Replay | None, detach: bool,
    run_id: str | None, start_at: datetime | None, priority: Priority | None, as_json: bool,
) -> int:  # fmt: skip
    from elexirion.client import Client
    from elexirion.console.replay_differences import differences_of
    from elexirion.events.envelope import utc_now

    async def follow() -> int:
        async with Client(bootstrap) as client:
            if replay is not None and replay.run_id is not None:
                await client.read(replay.run_id)  # raises where there is no such run
            handle = await client.start(
                files[0], inputs=given, offline=offline, replay_from=replay, then=files[1:], run_id=run_id,
                start_at=start_at, priority=priority,
            )  # fmt: skip
            if detach:
                _published(handle.run_id, as_json)
                return 0
            if start_at is not None and start_at > utc_now():
                _scheduled((await handle.started(STARTED_WITHIN_S)).run_id, start_at, as_json)
                return 0
            results = await _chain(client, handle, as_json)
            differences = await differences_of(client, results, replay) if replay else []
            return _ended(results, differences, as_json, chained=len(files) > 1)

    try:
        return asyncio.run(follow())
    except _Interrupted:
        return INTERRUPTED


class _Interrupted(Exception):  # noqa: N818  # what happened, not an error
    """Ctrl-C; the run that was under way is cancelled."""


async def _chain(client: Client, handle: RunHandle, as_json: bool) -> list[RunResult]:
    results = [await _one(client, handle, as_json)]
    while (following := results[-1].next_run_id) and results[-1].completed:
        handle = await client.following(following, results[-1].started_at)
        results.append(await _one(client, handle, as_json))
    return results


async def _one(client: Client, handle: RunHandle, as_json: bool) -> RunResult:
    from elexirion.console.follow_run import follow_to_end

    try:
        return await follow_to_end(client, handle, show=not as_json)
    except asyncio.CancelledError:
        await _cancel(handle)
        raise _Interrupted from None


def _ended(results: list[RunResult], differences: list[Difference], as_json: bool, *, chained: bool) -> int:
    if as_json:
        document = results[-1].document()
        if chained or len(results) > 1:
            document["runs"] = [result.document() for result in results]
        if differences:
            document["not_recorded"] = [one.document() for one in differences]
        print_json(document)
    else:
        for one in differences:
            typer.echo(f"\n{one}", err=True)
    return 0 if results[-1].completed and not differences else RUN_FAILED


def _published(run_id: str, as_json: bool) -> None:
    if as_json:
        print_json({"run_id": run_id, "status": "published"})
    else:
        typer.echo(run_id)
        note(f"Follow it: elexirion watch {run_id}")


def _scheduled(run_id: str, start_at: datetime, as_json: bool) -> None:
    from elexirion.console.start_time import shown

    if as_json:
        print_json({"run_id": run_id, "status": "scheduled", "start_at": start_at.isoformat()})
    else:
        typer.echo(run_id)
        note(f"Scheduled for {shown(start_at)}; follow it: elexirion watch {run_id}")


async def _cancel(handle: RunHandle) -> None:
    note(f"Interrupted: cancelling {handle.run_id} (it can be looked at with: elexirion show {handle.run_id})")
    try:
        await handle.cancel("interrupted by its user", timeout=10)
    except Exception as error:  # noqa: BLE001  # the user wants to leave; say what is left behind
        note(f"The run may go on: {error}")
