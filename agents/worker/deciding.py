"""The role of an orchestrator in a worker process: its parts, started and stopped in order.

A module of its own, imported by processes of that role alone: one that serves lanes starts a quarter sooner without
the language and the decisions, which is time that runs wait for after each kill.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import PartitionReader
from elexirion.agents.orchestrator.forwarder import Forwarder
from elexirion.agents.orchestrator.plans import Plans
from elexirion.agents.orchestrator.service import Orchestrator
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.provider_control.control import control_rules
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.agents.provider_control.owner import ProvidersOwner
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.followed_log import FollowedLog
from elexirion.agents.telemetry.traced_appender import TracedAppender
from elexirion.events.envelope import Record
from elexirion.events.values import Value


@dataclass(frozen=True, slots=True)
class Means:
    """What an orchestrator uses of its process; `watched` is given the log that it follows before it follows it."""

    settings: Settings
    address: KafkaAddress
    appender: TracedAppender
    incarnation: str
    evaluator: BoundedEvaluator
    providers: FollowedProviders
    load: Callable[[Value], Awaitable[Any]]
    store: Callable[[str, object], Awaitable[Value]]
    accept: Callable[[Record], None]
    cancel: Callable[[str], None]
    watched: Callable[[FollowedLog], Awaitable[None]]


async def start_deciding(stack: AsyncExitStack, means: Means) -> tuple[Orchestrator, list["asyncio.Task[None]"]]:
    """Start all parts; what stops them is left on the stack. A task that ends by itself has crashed."""
    await means.evaluator.start()
    stack.push_async_callback(means.evaluator.stop)
    orchestrator = _orchestrator(stack, means)
    await means.watched(orchestrator.followed)
    settings = means.settings
    forwarder = Forwarder(means.address, means.appender, settings.group_session_timeout_s, settings.record_limit_bytes)
    await asyncio.gather(orchestrator.start(), forwarder.start())
    owner = ProvidersOwner(
        means.providers, control_rules(settings), means.incarnation, lambda: 0 in orchestrator.followed.owned
    )
    tasks = [
        asyncio.create_task(owner.run(), name="owner of providers"),
        asyncio.create_task(orchestrator.run(), name="orchestrator"),
        asyncio.create_task(forwarder.run(), name="forwarder"),
    ]
    stack.push_async_callback(orchestrator.stop)
    stack.push_async_callback(forwarder.stop)
    return orchestrator, tasks


def _orchestrator(stack: AsyncExitStack, means: Means) -> Orchestrator:
    sessions = SessionLog(
        PartitionReader(means.address, means.appender.topics.events), means.settings.events_partitions
    )
    stack.push_async_callback(sessions.stop)
    plans = Plans(means.settings, means.evaluator, means.load, means.store, sessions)
    return Orchestrator(
        means.settings, means.address, means.appender, means.incarnation, plans, plans,
        means.accept, means.cancel, means.load, sessions,
    )  # fmt: skip
