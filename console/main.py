"""The command line: `elexirion`, one verb a file."""

import os
import sys
from collections.abc import Callable, Mapping

import typer
from elexirion.console.commands.cancel import cancel
from elexirion.console.commands.check_log import check_log
from elexirion.console.commands.dev import dev
from elexirion.console.commands.explain import explain
from elexirion.console.commands.export import export
from elexirion.console.commands.fork import fork
from elexirion.console.commands.graph import graph
from elexirion.console.commands.health import health
from elexirion.console.commands.pause import pause
from elexirion.console.commands.replay import replay
from elexirion.console.commands.resume import resume
from elexirion.console.commands.retry import retry
from elexirion.console.commands.run import run
from elexirion.console.commands.runs import runs
from elexirion.console.commands.schema import schema
from elexirion.console.commands.show import show
from elexirion.console.commands.signal import signal
from elexirion.console.commands.topics import topics
from elexirion.console.commands.validate import validate
from elexirion.console.commands.watch import watch
from elexirion.console.commands.worker import worker

VERBS: tuple[Callable[..., None], ...] = (
    run, dev, worker, topics, validate, graph, schema, runs, show, watch, explain, replay, export, cancel, pause,
    resume, retry, fork, signal, check_log, health,
)  # fmt: skip


def command_line(group: str | None) -> typer.Typer:
    """The whole command line; of `broker` and `bench` only `group` is loaded, since each takes a second."""
    app = typer.Typer(
        name="elexirion",
        help="AI pipelines on Kafka: every step start, chunk, result and failure is an event.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for verb in VERBS:
        app.command()(verb)
    for name, (about, load) in GROUPS.items():
        app.add_typer(load() if group in (name, ALL_GROUPS) else _stand_in(about), name=name, help=about)
    return app


def main() -> None:
    """Entry point of the `elexirion` command."""
    first = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    completing = any(name.endswith("_COMPLETE") and name.startswith("_ELEXIRION") for name in os.environ)
    command_line(ALL_GROUPS if completing else first)(prog_name="elexirion")


def _broker() -> typer.Typer:
    from elexirion.console.background_worker import stop_workers
    from elexirion.console.broker.commands import broker_app
    from elexirion.console.broker.home import Home

    def stop_background_workers(home: Home) -> None:
        for stopped in stop_workers(home):
            typer.echo(f"Stopped worker {stopped.pid}.", err=True)

    return broker_app([stop_background_workers])


def _bench() -> typer.Typer:
    from elexirion.console.bench.command import app

    return app


def _dlq() -> typer.Typer:
    from elexirion.console.commands.dlq import app

    return app


def _schedule() -> typer.Typer:
    from elexirion.console.commands.schedule import app

    return app


def _stand_in(about: str) -> typer.Typer:
    """A group that is named in the help and not used."""
    empty = typer.Typer(help=about)
    empty.callback()(lambda: None)
    return empty


ALL_GROUPS = "*"
GROUPS: Mapping[str, tuple[str, Callable[[], typer.Typer]]] = {
    "broker": ("The embedded Kafka broker: real Apache Kafka, without Docker and without Java.", _broker),
    "schedule": ("Schedules: runs that start by themselves, at times of a cron expression.", _schedule),
    "dlq": ("Dead letters: records that could not be read.", _dlq),
    "bench": ("Measurements on the broker that is there.", _bench),
}


if __name__ == "__main__":
    main()
