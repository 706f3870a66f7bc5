"""Who is told of what an orchestrator reads: every record of its partitions with the fold's verdict, in log order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import structlog
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record

if TYPE_CHECKING:  # a process that decides for nobody need not know how that is done
    from elexirion.agents.orchestrator.follow import Followed
    from elexirion.agents.orchestrator.partitions import Owned

log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """Is told of everything that is read, replayed records (`owned.caught_up` is false then) and refused ones too."""

    def took(self, owned: Owned, followed: Followed | DeadLetter) -> None:
        """One record was folded; called in the event loop, so it must be quick."""
        ...


class Listener(Protocol):
    """Code of yours in this process: told of each record that counts, once its partition is read to the end."""

    def on_record(self, record: Record) -> None:
        """A record was accepted; called in the event loop, so it must be quick. What it raises is logged."""
        ...


class FollowedLog:
    """The log as one orchestrator follows it; `owned` is the partitions it decides for, as they change."""

    def __init__(self, owned: Mapping[int, Owned]) -> None:
        self.owned = owned
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Tell the watcher from now on; before the orchestrator runs, so that it misses nothing."""
        self._watchers.append(watcher)

    def listen(self, listener: Listener) -> None:
        """Tell the listener of each new record that counts."""
        self.watch(_Live(listener))

    def tell(self, owned: Owned, followed: Followed | DeadLetter) -> None:
        """One record was folded. Nobody who is told can disturb the log."""
        if isinstance(followed, DeadLetter):
            owned.tally.unreadable()
        else:
            owned.tally.take(followed.record, followed.verdict, followed.before)
        for watcher in self._watchers:
            try:
                watcher.took(owned, followed)
            except Exception as error:  # noqa: BLE001  # code of others
                log.error("a listener failed", listener=repr(watcher), error=repr(error))


class _Live:
    """Passes on what is accepted and new."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __repr__(self) -> str:
        return repr(self._listener)

    def took(self, owned: Owned, followed: Followed | DeadLetter) -> None:
        """Pass it on."""
        if owned.caught_up and not isinstance(followed, DeadLetter) and followed.accepted:
            self._listener.on_record(followed.record)
