"""`elexirion health`: what works and what does not, seen from here or by a worker itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import DONE, CommandProblem, print_json, reported
from elexirion.console.options import AsJson

if TYPE_CHECKING:
    from elexirion.agents.health.report import Check
    from elexirion.agents.settings import Settings

UNHEALTHY = 1
ANSWER_WITHIN_S = 10.0
COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red", "not_configured": "dim"}


def health(
    worker: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this worker's HTTP endpoint instead of looking from here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check Kafka, providers, circuits, memory, tasks, disk and the lag; exit code 0 where all is healthy, 1 otherwise.

    A provider without a key is `not_configured`, which degrades nothing.

    Examples:

      elexirion health --json

      elexirion health --worker http://127.0.0.1:9464
    """
    from elexirion.console.log_output import quiet_clients

    quiet_clients()
    with reported(as_json):
        document = _asked(worker) if worker else asyncio.run(_examined())
    if as_json:
        print_json(document)
    else:
        _print(document)
    well = document["status"] == "healthy" and document.get("ready", True)
    raise typer.Exit(DONE if well else UNHEALTHY)


async def _examined() -> dict[str, Any]:
    from elexirion.agents.health.report import examine
    from elexirion.agents.settings import load_settings

    settings = load_settings()
    return (await examine(_checks(settings), settings.health_timeout_s)).document()


def _checks(settings: Settings) -> dict[str, Check]:
    from elexirion.agents.health.checks import checks_from_outside
    from elexirion.agents.health.report import Finding
    from elexirion.agents.kafka.connection import KafkaAddress
    from elexirion.console.broker.home import Home
    from elexirion.console.broker.lifecycle import status
    from elexirion.console.broker.state import Running

    home = Home.from_environment()
    settings = settings.model_copy(update={"home": home.root})
    running = None if settings.kafka else status(home)
    bootstrap = running.bootstrap if isinstance(running, Running) else settings.kafka
    if bootstrap:
        return checks_from_outside(settings, KafkaAddress(bootstrap, "elexirion-health"))

    async def nobody() -> Finding:
        return Finding("unhealthy", f"no broker runs for {home.root}, and ELEXIRION_KAFKA is not set")

    return checks_from_outside(settings, KafkaAddress("")) | dict.fromkeys(("kafka", "log_lag", "circuits"), nobody)


def _asked(worker: str) -> dict[str, Any]:
    """The report of a worker; one that is not ready answers 503 with its report."""
    import json
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    url = f"{worker.rstrip('/')}/readyz"
    if not url.startswith(("http://", "https://")):
        raise CommandProblem("usage", f"not an http address: {worker}", "For example: http://127.0.0.1:9464")
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=ANSWER_WITHIN_S) as answer:
            document = json.load(answer)
    except HTTPError as error:
        document = _body(error)
    except (OSError, ValueError) as error:
        raise CommandProblem(
            "worker_unreachable", f"no worker answers at {url} ({error}).",
            "Start it with ELEXIRION_HTTP_PORT; its log says the address.", UNHEALTHY,
        ) from error  # fmt: skip
    if not isinstance(document, dict) or "checks" not in document:
        raise CommandProblem("worker_unreachable", f"{url} is not a worker's endpoint.", code=UNHEALTHY)
    return document


def _body(error: Any) -> Any:
    import json

    try:
        return json.loads(error.read())
    except ValueError:
        return None


def _print(document: dict[str, Any]) -> None:
    from elexirion.agents.health.report import ALIASES
    from elexirion.console.run_tables import on_stdout, print_rows
    from rich.text import Text

    console = on_stdout()
    rows = (
        [name, Text(check["status"], style=COLOURS.get(check["status"], "")), f"{check['duration_ms']:.0f} ms",
         check["detail"]]
        for name, check in document["checks"].items() if name not in ALIASES
    )  # fmt: skip
    print_rows(("check", "status", "took", "detail"), rows, console)
    console.print(f"\n{document['status']} at {document['timestamp']}")
    if document.get("reason"):
        console.print(f"not ready: {document['reason']}", markup=False)
