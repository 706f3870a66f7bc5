"""A client of the Kafka that is there: for commands that ask, and start nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from elexirion.console.exits import INTERRUPTED, reported

if TYPE_CHECKING:
    from elexirion.client import Client

Result = TypeVar("Result")


def with_client(work: Callable[[Client], Awaitable[Result]], *, as_json: bool) -> Result:
    """Run `work` with a connected client; ends the command with a message where there is no broker."""
    import typer
    from elexirion.agents.settings import load_settings
    from elexirion.client import Client
    from elexirion.console.broker.choose import find_running_broker
    from elexirion.console.broker.home import Home
    from elexirion.console.log_output import quiet_clients

    quiet_clients()

    async def inner() -> Result:
        settings = load_settings()
        choice = await asyncio.to_thread(find_running_broker, settings.kafka, Home.from_environment())
        async with Client(choice.bootstrap, settings=settings) as client:
            return await work(client)

    with reported(as_json):
        try:
            return asyncio.run(inner())
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
