"""When the log is read on: after the decisions to which its last records led are acknowledged, where that is soon.

A fetch that waits at the broker ends with the first record that is appended, which is nearly always a decision of our
own. That is folded by its acknowledgement already (docs/adr/0008-read-back-by-acknowledgement.md), so the answer tells
nothing, and it takes broker and orchestrator longer than to decide (docs/adr/0026-reading-on.md). Therefore nothing is
asked for until then, and what was folded meanwhile is passed over.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition
from elexirion.agents.orchestrator.unread import Unread

WITHIN_S = 0.005
"""A broker at hand acknowledges within a millisecond. Where it takes longer, reading must not wait for it."""
ROUNDS = 4
"""So often the loop goes round until what was sent is on the wire, as aiokafka's sender is several tasks."""


class ReadingOn:
    """Lets a consumer rest between two of its batches, and knows from where on it reads."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._resting: list[TopicPartition] = []
        self._next: dict[TopicPartition, int] = {}

    def placed(self, tp: TopicPartition, offset: int) -> None:
        """The consumer was put there."""
        self._next[tp] = offset

    def took(self, batches: Mapping[TopicPartition, list[Any]]) -> None:
        """The consumer gave these messages."""
        for tp, messages in batches.items():
            self._next[tp] = messages[-1].offset + 1

    def rest(self, tps: Iterable[TopicPartition]) -> None:
        """Ask for no more of these; to be called before the loop runs anything else, or it is asked for already."""
        for tp in tps:
            self._consumer.pause(tp)
            self._resting.append(tp)

    def go_on(self, folded: Mapping[TopicPartition, int]) -> None:
        """Read on; `folded` are the offsets up to which all is known, where it is."""
        resting, self._resting = self._resting, []
        for tp in resting:
            known = folded.get(tp, 0)
            if known > self._next.get(tp, known):
                self._consumer.seek(tp, known)
                self._next[tp] = known
            self._consumer.resume(tp)

    def forget(self) -> None:
        """The consumer was given other partitions, or the same ones anew: none of them rests."""
        self._resting = []
        self._next = {}


async def settled(unread: Unread) -> None:
    """Wait until those who were woken have decided, their decisions are folded and the commands to workers are out."""
    await asyncio.sleep(0)
    await unread.none(WITHIN_S)
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
