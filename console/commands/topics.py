"""`elexirion topics`: create what is missing, describe all."""

from __future__ import annotations

import asyncio
from typing import Any

from elexirion.console.exits import print_json, reported
from elexirion.console.options import AsJson


def topics(as_json: AsJson = False) -> None:
    """Create the topics that are missing and describe all of them.

    Example: ELEXIRION_KAFKA=kafka:9092 elexirion topics
    """
    from elexirion.console.log_output import quiet_clients

    with reported(as_json):
        quiet_clients()
        rows = asyncio.run(_rows())
        if as_json:
            print_json({"topics": rows})
        else:
            _table(rows)


async def _rows() -> list[dict[str, Any]]:
    from elexirion.agents.kafka.connection import KafkaAddress
    from elexirion.agents.kafka.topic_admin import ensure_topics
    from elexirion.agents.settings import load_settings
    from elexirion.console.broker.choose import find_running_broker
    from elexirion.console.broker.home import Home

    settings = load_settings()
    choice = await asyncio.to_thread(find_running_broker, settings.kafka, Home.from_environment())
    found = await ensure_topics(KafkaAddress(choice.bootstrap), settings)
    return [
        {"name": one.spec.name, "partitions": one.partitions, "key": one.spec.key, "holds": one.spec.holds,
         "config": one.spec.config}
        for one in found
    ]  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> None:
    from elexirion.console.run_tables import on_stdout, print_rows

    cells = ([row["name"], str(row["partitions"]), row["key"], row["holds"]] for row in rows)
    print_rows(("topic", "partitions", "key", "holds"), cells, on_stdout())
