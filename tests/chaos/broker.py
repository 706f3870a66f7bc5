"""A Kafka of the test's own, which it may kill, freeze and start again: the embedded broker on one port for ever."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from elexirion.console.broker.configuration import Listener
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import start
from elexirion.console.broker.state import read_state

from tests.kafka_broker import embedded_home, free_port

ROLES = ("orchestrator", "lanes")


@dataclass(frozen=True, slots=True)
class OwnBroker:
    """The broker of a home of its own."""

    home: Home
    bootstrap: str
    ways: Mapping[str, Listener]
    """A way in for each role; who comes by it is told of no other, so a proxy there cannot be passed by."""

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        process = psutil.Process(self._pid())
        process.kill()
        process.wait(10)

    def start(self) -> None:
        """Start it again on its data; returns when it answers."""
        assert start(self.home, further=tuple(self.ways.values())).bootstrap == self.bootstrap

    def freeze(self) -> None:
        """It keeps its connections and says nothing on them."""
        psutil.Process(self._pid()).send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        psutil.Process(self._pid()).send_signal(signal.SIGCONT)

    def _pid(self) -> int:
        state = read_state(self.home)
        assert state and state.pid, "the broker was never started"
        return state.pid


@contextmanager
def own_broker() -> Iterator[OwnBroker]:
    """A running one that ends with this process, however that ends."""
    ways = {role: Listener(role.upper(), free_port(), free_port()) for role in ROLES}
    with embedded_home() as home:
        yield OwnBroker(home, start(home, port=free_port(), further=tuple(ways.values())).bootstrap, ways)
