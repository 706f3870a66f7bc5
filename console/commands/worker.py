"""`elexirion worker`: a worker in the foreground."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from elexirion.console.exits import USAGE, CommandProblem, note, reported

ROLES = ("orchestrator", "lanes")


def worker(
    lanes: Annotated[str | None, typer.Option(help="Lanes to serve, comma-separated; unset: all.")] = None,
    roles: Annotated[str | None, typer.Option(help="orchestrator, lanes, or both (the default).")] = None,
    supervise: Annotated[
        bool, typer.Option("--supervise", help="Start it again when it dies; give up after more than 5 in a minute.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the background workers of `run`.")] = False,
    name: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve runs: decide, execute steps, stream their text. SIGTERM or Ctrl-C drains, a second one ends at once.

    Needs a Kafka: ELEXIRION_KAFKA, or the embedded broker that runs already.

    Examples:

      elexirion worker

      elexirion worker --roles lanes --lanes claude,gemini

      elexirion worker --supervise
    """
    from elexirion.console.log_output import set_up_logging

    with reported(as_json=False):
        if stop:
            _stop()
            return
        set_up_logging()
        wanted = _chosen(roles, ROLES, "role")
        from elexirion.events.topics import LANES

        served = _chosen(lanes, LANES, "lane")
        if supervise:
            _supervise(wanted, served)
        _serve(frozenset(wanted), served)


def _serve(roles: frozenset[str], lanes: tuple[str, ...]) -> None:
    import uvloop
    from elexirion.agents.settings import load_settings
    from elexirion.agents.worker.process import run_worker
    from elexirion.console.broker.choose import find_running_broker
    from elexirion.console.broker.home import Home

    settings = load_settings()
    choice = find_running_broker(settings.kafka, Home.from_environment())
    uvloop.run(run_worker(settings, choice.bootstrap, roles, lanes))  # type: ignore[arg-type]  # checked above


def _supervise(roles: tuple[str, ...], lanes: tuple[str, ...]) -> NoReturn:
    import asyncio

    from elexirion.agents.settings import load_settings
    from elexirion.console.worker_parent import WorkerParent

    choices = ("--roles", ",".join(roles), "--lanes", ",".join(lanes))
    command = (sys.executable, "-m", "elexirion.console.main", "worker", *choices)
    raise typer.Exit(asyncio.run(WorkerParent(command, load_settings().worker_id).run()))


def _stop() -> None:
    from elexirion.console.background_worker import stop_workers
    from elexirion.console.broker.home import Home

    stopped = stop_workers(Home.from_environment())
    for one in stopped:
        typer.echo(f"Stopped worker {one.pid}.")
    if not stopped:
        note("No background worker runs.")


def _chosen(given: str | None, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    if given is None:
        return known
    chosen = tuple(part.strip() for part in given.split(",") if part.strip())
    wrong = [part for part in chosen if part not in known]
    if wrong or not chosen:
        said = ", ".join(wrong) or "nothing"
        raise CommandProblem("usage", f"unknown {what}: {said}.", f"Choose from: {', '.join(known)}.", USAGE)
    return chosen
