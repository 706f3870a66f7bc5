"""How the broker is configured: one Kafka node in KRaft mode that only this machine can reach.

Names and meanings of the properties: https://kafka.apache.org/documentation/#configuration
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"

LIMITS = {
    # Topics are created with a recorded partition count; a created-by-accident one would have another.
    "auto.create.topics.enable": "false",
    # One worker is the usual case here: it need not wait 3 s for others to join its group.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # Records are at most 1 MiB with their envelope; batches and compression add to that.
    "message.max.bytes": "2097152",
    "replica.fetch.max.bytes": "2097152",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}
"""What our clients rely on, whichever way a broker for them is started."""

_SMALL = {
    "num.partitions": "1",
    # After a crash the controller, which is the same process, holds the node's old life for live until this
    # is over: the default made a restart take 9 s longer.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "8",
    # The default of 128 MiB would be half of the heap; this is enough for 600,000 keys a pass.
    "log.cleaner.dedupe.buffer.size": "16777216",
    # A topic without a retention of its own keeps its records for a week.
    "log.retention.hours": "168",
}


@dataclass(frozen=True, slots=True)
class Listener:
    """A further way in, at `port`; who comes by it is told to find the node at the port `advertised`."""

    name: str
    port: int
    advertised: int


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the node listens: `clients` for everyone, `controller` for itself, and `further` ways in."""

    clients: int
    controller: int
    further: tuple[Listener, ...] = ()

    def ways_in(self) -> tuple[Listener, ...]:
        """All of its clients."""
        return (Listener("PLAINTEXT", self.clients, self.clients), *self.further)


def server_properties(ports: Ports, data: Path) -> str:
    """The text of `server.properties` for a node that runs beside its folder `data`."""
    ways = ports.ways_in()
    listeners = [*(f"{way.name}://{HOST}:{way.port}" for way in ways), f"CONTROLLER://{HOST}:{ports.controller}"]
    node = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{ports.controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(f"{way.name}://{HOST}:{way.advertised}" for way in ways),
        "listener.security.protocol.map": ",".join(
            f"{name}:PLAINTEXT" for name in (*(w.name for w in ways), "CONTROLLER")
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        # Relative to the process' folder: a path may hold commas and letters that this file's format
        # (Java properties, Latin-1, commas separate folders) cannot.
        "log.dirs": data.name,
    }
    return "".join(f"{key}={value}\n" for key, value in {**node, **LIMITS, **_SMALL}.items())


def java_command(java: Path, jars: Sequence[Path], heap: str) -> tuple[str, ...]:
    """The Java call up to the main class. The flags trade peak speed for a quick start and little memory."""
    return (
        str(java),
        f"-Xmx{heap}",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        # Kafka prints each of its 300 settings at every start and for every new topic.
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
        "-cp",
        ":".join(str(jar) for jar in jars),
    )
