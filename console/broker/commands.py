"""`elexirion broker start | stop | status | wipe`: the embedded broker by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, assert_never

import typer
from elexirion.console.broker import lifecycle
from elexirion.console.broker.errors import BrokerError
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import Stopped
from elexirion.console.broker.progress import Doing, Fetched, Note, OnProgress, Progress
from elexirion.console.broker.settings import BrokerSettings
from elexirion.console.broker.state import NotRunning, Running, Silent, StalePid, Status
from pydantic import ValidationError
from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

USAGE = 2
UNREACHABLE = 3

BeforeStop = Callable[[Home], None]
"""Called before the broker is stopped: what works on this broker ends first."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, for machines.")]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="TCP port on 127.0.0.1. Default: 19092, or a free one."),
]

_out = Console()
_err = Console(stderr=True)


def broker_app(before_stop: Sequence[BeforeStop] = ()) -> typer.Typer:
    """The sub-application; `before_stop` runs, in order, at the beginning of `stop`."""
    app = typer.Typer(
        name="broker",
        no_args_is_help=True,
        help="The embedded Kafka broker: real Apache Kafka, without Docker and without an installed Java.",
    )
    app.command("start")(start)
    app.command("status")(status)
    app.command("wipe")(wipe)

    @app.command("stop")
    def stop(as_json: AsJson = False) -> None:
        """Stop the broker; its data stays. It is no error when none runs.

        Example: elexirion broker stop
        """
        home = Home.from_environment()
        with _reported(as_json):
            for first in before_stop:
                first(home)
            with _progress(as_json) as tell:
                tell(Doing("Stopping the broker"))
                ended = lifecycle.stop(home)
        _print_stop(ended, as_json)

    return app


def start(port: Port = None, as_json: AsJson = False) -> None:
    """Start the broker, or find the running one. The first start fetches about 45 MB.

    Data is kept over restarts, below ELEXIRION_HOME. The broker stays up until `elexirion broker stop`.

    Examples: elexirion broker start · elexirion broker start --port 9092
    """
    home = Home.from_environment()
    with _reported(as_json), _progress(as_json) as tell:
        running = lifecycle.start(home, port=port, on_progress=tell)
    if as_json:
        _print_json(_as_document(running, home) | {"started": running.started})
        return
    verb = "started" if running.started else "already running"
    _say(f"Broker {verb} at {running.bootstrap} (process {running.pid}, data in {home.broker}).")
    _say("It stays up until: elexirion broker stop")


def status(as_json: AsJson = False) -> None:
    """Say whether the broker runs and where. Exit code 0 when it answers, 3 when not.

    Example: elexirion broker status --json
    """
    home = Home.from_environment()
    with _reported(as_json):
        found = lifecycle.status(home)
    if as_json:
        _print_json(_as_document(found, home))
    else:
        _say(_as_sentence(found, home))
    if not isinstance(found, Running):
        raise typer.Exit(UNREACHABLE)


def wipe(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False, as_json: AsJson = False
) -> None:
    """Remove all of the broker's data: every run's events. Refused while it runs.

    Example: elexirion broker stop && elexirion broker wipe --yes
    """
    home = Home.from_environment()
    if not yes:
        _confirm_wipe(home, as_json)
    with _reported(as_json):
        lifecycle.wipe(home)
    if as_json:
        _print_json({"status": "wiped", "home": str(home.root)})
    else:
        _say(f"Removed {home.broker}.")


def _confirm_wipe(home: Home, as_json: bool) -> None:
    if as_json:
        raise typer.BadParameter("wipe --json cannot ask: say --yes as well")
    if not typer.confirm(f"Remove every record of the broker in {home.broker}?"):
        _err.print("Nothing was removed.")
        raise typer.Exit(USAGE)


def _print_stop(ended: Stopped | NotRunning, as_json: bool) -> None:
    match ended:
        case Stopped(pid=pid, forced=forced):
            document: dict[str, Any] = {"status": "stopped", "pid": pid, "forced": forced}
            text = f"Broker stopped (process {pid}{', killed: it did not end by itself' if forced else ''})."
        case NotRunning():
            document, text = {"status": "not_running"}, "No broker is running."
        case other:
            assert_never(other)
    if as_json:
        _print_json(document)
    else:
        _say(text)


def _as_document(found: Status, home: Home) -> dict[str, Any]:
    where = {"home": str(home.root), "log": str(home.broker_log)}
    match found:
        case Running():
            known = {"status": "running", "bootstrap": found.bootstrap, "pid": found.pid, "port": found.port}
        case Silent():
            known = {"status": "silent", "pid": found.pid, "port": found.port}
        case NotRunning():
            known = {"status": "not_running", "port": found.port}
        case StalePid():
            known = {"status": "stale", "pid": found.pid, "port": found.port, "reason": found.reason}
        case other:
            assert_never(other)
    return known | where


def _as_sentence(found: Status, home: Home) -> str:
    match found:
        case Running():
            return f"Running at {found.bootstrap} (process {found.pid}, data in {home.broker})."
        case Silent():
            return (
                f"Process {found.pid} lives but does not answer on port {found.port}: "
                f"it is starting or stuck (log: {home.broker_log})."
            )
        case NotRunning():
            return "Not running. Start it with: elexirion broker start"
        case StalePid():
            return f"Not running: process {found.pid} is gone ({found.reason}). Its log: {home.broker_log}"
        case other:
            assert_never(other)


@contextmanager
def _reported(as_json: bool) -> Iterator[None]:
    try:
        yield
    except BrokerError as error:
        report(error, as_json)
    except ValidationError as wrong:
        # Only settings are validated here; each carries the name of its variable.
        raise typer.BadParameter(_wrong_settings(wrong)) from wrong


def _wrong_settings(wrong: ValidationError) -> str:
    prefix = BrokerSettings.model_config.get("env_prefix", "")
    return "; ".join(
        f"{prefix}{'.'.join(map(str, error['loc']))}".upper() + f"={error['input']!r}: {error['msg']}"
        for error in wrong.errors()
    )


def report(error: BrokerError, as_json: bool) -> NoReturn:
    """Print the error for a person or a machine and exit with 3."""
    if as_json:
        _print_json({"error": {"kind": error.kind, "message": error.message, "hint": error.hint}})
    else:
        _err.print("Error:", style="bold red", end=" ")
        _err.print(f"{error.message}\n{error.hint}", soft_wrap=True, markup=False, highlight=False)
    raise typer.Exit(UNREACHABLE)


@contextmanager
def _progress(as_json: bool) -> Iterator[OnProgress]:
    if as_json:
        yield lambda _: None
        return
    with _err.status("") as spinner:
        yield lambda progress: _show(progress, spinner)


def _show(progress: Progress, spinner: Spinner) -> None:
    match progress:
        case Note(text=text):
            _err.print(text, soft_wrap=True, markup=False, highlight=False)
        case Doing(text=text):
            spinner.update(Text(f"{text} …"))
        case Fetched(done=done, total=total, bytes=size):
            spinner.update(f"Fetching Apache Kafka: {done} of {total} jars, {size / 1e6:.0f} MB …")
        case other:
            assert_never(other)


def _say(text: str) -> None:
    _out.print(text, soft_wrap=True, markup=False, highlight=False)


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document))


app = broker_app()
