"""The `bench` commands."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from elexirion.console.bench.steps import Workload

app = typer.Typer(help="Measure this machine: what a step costs, beside what a Kafka hop costs.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Benchmarks; each compares with the floor of the machine in one and the same run."""


@app.command()
def steps(
    sequential: Annotated[int, typer.Option(help="Runs one after another, for the latency.", min=20)] = 200,
    in_flight: Annotated[int, typer.Option(help="Runs at once, for the throughput.", min=1)] = 100,
    total: Annotated[int, typer.Option(help="Runs in all, for the throughput.", min=1)] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Ten test_echo steps a run, through `steps.local` to a Faust agent in another process.

    Example: elexirion bench steps --json
    """
    from elexirion.console.bench.steps import Workload

    workload = Workload(sequential, in_flight, total)
    import uvloop

    uvloop.run(_steps(workload, as_json))


@app.command()
def idle(
    seconds: Annotated[float, typer.Option(help="How long nothing runs, in seconds.", min=1)] = 120,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """A worker without runs: its CPU in percent of one core, and how long a run takes that comes by then.

    Example: elexirion bench idle --seconds 60 --json
    """
    import uvloop

    uvloop.run(_idle(seconds, as_json))


async def _idle(seconds: float, as_json: bool) -> None:
    from elexirion.agents.settings import load_settings
    from elexirion.console.bench.idle import bench_idle
    from elexirion.console.broker.choose import find_broker
    from elexirion.console.broker.home import Home
    from elexirion.console.log_output import quiet_clients

    quiet_clients()
    settings = load_settings()
    choice = await asyncio.to_thread(find_broker, settings.kafka, Home.from_environment())
    result = await bench_idle(settings, choice.bootstrap, seconds, lambda text: print(text, file=sys.stderr))
    _print(result.as_dict(), "elexirion bench idle", as_json)


async def _steps(workload: "Workload", as_json: bool) -> None:
    from elexirion.agents.settings import load_settings
    from elexirion.console.bench.steps import bench_steps
    from elexirion.console.broker.choose import find_broker
    from elexirion.console.broker.home import Home
    from elexirion.console.log_output import quiet_clients

    quiet_clients()
    settings = load_settings()
    choice = await asyncio.to_thread(find_broker, settings.kafka, Home.from_environment())
    result = await bench_steps(settings, choice.bootstrap, workload, lambda text: print(text, file=sys.stderr))
    _print(result.as_dict(), "elexirion bench steps", as_json)


def _print(result: dict[str, float], title: str, as_json: bool) -> None:
    if as_json:
        import orjson

        print(orjson.dumps(result).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("measure", "value", title=title)
    for name, value in result.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)
