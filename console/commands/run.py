"""`elexirion run`: publish a StartRun and follow it to its end."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import INTERRUPTED, RUN_FAILED, CommandProblem, note, print_json, reported
from elexirion.console.options import AsJson

if TYPE_CHECKING:
    from elexirion.client import Client, RunHandle, RunResult
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be called, with an estimate of tokens and cost.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline: stream its text, then print results, cost and time.

    Starts a broker and a worker in the background where there is none, and says so. Ctrl-C cancels the run.

    Examples:

      elexirion run examples/demo.yaml --offline

      elexirion run outline.yaml story.yaml -i topic=rivers --json

      elexirion run examples/demo.yaml --dry-run
    """
    from elexirion.console.given_inputs import parse_inputs
    from elexirion.console.log_output import quiet_clients
    from elexirion.console.pipeline_files import lanes_of, read_runnable

    with reported(as_json):
        _require_well_formed(run_id)
        given = parse_inputs(inputs or ())
        pipelines = read_runnable(files, given)
        if dry_run:
            _tell_plan(files, pipelines, given, offline, as_json)
            return
        lanes = lanes_of(pipelines)
        quiet_clients()
        from elexirion.agents.settings import load_settings
        from elexirion.console.ready import make_ready

        bootstrap = make_ready(load_settings(), lanes, offline=offline)
        code = _interruptible(bootstrap, files, given, offline, detach, run_id, as_json)
    raise typer.Exit(code)


def _tell_plan(files: list[Path], pipelines: list[Loaded], given: dict[str, Any], offline: bool, as_json: bool) -> None:
    from elexirion.agents.settings import load_settings
    from elexirion.console.dry_run import dry_run, print_plan

    document = dry_run(files, pipelines, given, load_settings(), offline=offline)
    if as_json:
        print_json(document)
    else:
        print_plan(document)


def _require_well_formed(run_id: str | None) -> None:
    from elexirion.events.identifiers import RUN_ID_PATTERN

    if run_id is not None and not re.fullmatch(RUN_ID_PATTERN, run_id):
        raise CommandProblem(
            "bad_run_id",
            f"--run-id {run_id!r}: a run id begins with a letter or digit and goes on with letters, digits "
            "and ._~- (at most 128 characters).",
            "Leave it out for a fresh one.",
        )


def _interruptible(
    bootstrap: str, files: list[Path], given: dict[str, Any], offline: bool, detach: bool, run_id: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    from elexirion.client import Client

    async def follow() -> int:
        async with Client(bootstrap) as client:
            handle = await client.start(files[0], inputs=given, offline=offline, then=files[1:], run_id=run_id)
            if detach:
                _published(handle.run_id, as_json)
                return 0
            return _ended(await _chain(client, handle, as_json), as_json, chained=len(files) > 1)

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


def _ended(results: list[RunResult], as_json: bool, *, chained: bool) -> int:
    if as_json:
        document = results[-1].document()
        if chained or len(results) > 1:
            document["runs"] = [result.document() for result in results]
        print_json(document)
    return 0 if results[-1].completed else RUN_FAILED


def _published(run_id: str, as_json: bool) -> None:
    if as_json:
        print_json({"run_id": run_id, "status": "published"})
    else:
        typer.echo(run_id)
        note(f"Follow it: elexirion watch {run_id}")


async def _cancel(handle: RunHandle) -> None:
    note(f"Interrupted: cancelling {handle.run_id} (it can be looked at with: elexirion show {handle.run_id})")
    try:
        await handle.cancel("interrupted by its user", timeout=10)
    except Exception as error:  # noqa: BLE001  # the user wants to leave; say what is left behind
        note(f"The run may go on: {error}")
