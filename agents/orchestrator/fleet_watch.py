"""Following the `workers` topic: the fleet as it is now, on a lease clock."""

import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import open_reader
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.worker import WorkerHeartbeat, WorkerLeft
from elexirion.projections import fleet as fold
from elexirion.projections.fleet import Fleet

log = structlog.get_logger(__name__)

FORGET_AFTER_S = 300.0


class FleetWatch:
    """Reads heartbeats; `heard` is told of each fresh one, `ticked` of each step of the lease clock."""

    def __init__(
        self,
        address: KafkaAddress,
        topic: str,
        own_incarnation: str,
        gap_s: float,
        heard: Callable[[WorkerHeartbeat], None],
        ticked: Callable[[], None],
    ) -> None:
        self.fleet = Fleet()
        self._address = address
        self._tp = TopicPartition(topic, 0)
        self._own = own_incarnation
        self._gap_s = gap_s
        self._heard = heard
        self._ticked = ticked
        self._own_read_at: float | None = None
        self._shared: set[str] = set()
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Read what is there; all of it is old and no sign of life."""
        self._consumer = await open_reader(self._address, self._tp.topic, [0])
        begin = (await self._consumer.beginning_offsets([self._tp]))[self._tp]
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        self._consumer.seek(self._tp, begin)
        while await self._consumer.position(self._tp) < end:
            for messages in (await self._consumer.getmany(timeout_ms=1000)).values():
                for message in messages:
                    self._take(message.value, old=True)

    async def stop(self) -> None:
        """Close the reader."""
        if self._consumer:
            await self._consumer.stop()

    async def run(self) -> None:
        """Follow until cancelled."""
        assert self._consumer is not None
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=1000)
            except KafkaError as error:
                log.warning("heartbeats cannot be read", error=repr(error))
                continue
            for messages in batches.values():
                for message in messages:
                    self._take(message.value, old=False)

    def expect(self, incarnation: str) -> None:
        """An open execution names the incarnation."""
        self.fleet = fold.expect(self.fleet, incarnation)

    def declined(self, incarnation: str) -> None:
        """It gave back what it was to run."""
        self.fleet = fold.declined(self.fleet, incarnation)

    def _take(self, value: bytes | None, *, old: bool) -> None:
        try:
            data = decode(value).data
        except UndecodableError as error:
            log.warning("a record on the workers topic cannot be read", reason=str(error))
            return
        if isinstance(data, WorkerLeft):
            self.fleet = fold.left(self.fleet, data)
        elif isinstance(data, WorkerHeartbeat):
            self._beat(data, old=old)

    def _beat(self, data: WorkerHeartbeat, *, old: bool) -> None:
        own = data.incarnation == self._own and not old
        if own:
            self._advance()
        before = self.fleet
        if not old and fold.shares_its_worker(before, data):
            self._warn_once(data.worker_id)
        self.fleet = fold.heartbeat(self.fleet, data, old=old)
        if not old and self.fleet is not before:
            self._heard(data)
        if own:
            self._ticked()

    def _warn_once(self, worker_id: str) -> None:
        if worker_id not in self._shared:
            self._shared.add(worker_id)
            log.error(
                "two processes run under one worker id, and take partitions from each other",
                worker=worker_id, todo="give each of them an ELEXIRION_WORKER_ID of its own",
            )  # fmt: skip

    def _advance(self) -> None:
        now = time.monotonic()
        if self._own_read_at is not None:
            self.fleet = fold.advance(self.fleet, now - self._own_read_at, self._gap_s)
        self._own_read_at = now

    def forget(self, needed: frozenset[str]) -> None:
        """Drop incarnations long gone."""
        self.fleet = replace(fold.forget(self.fleet, needed | {self._own}, FORGET_AFTER_S))
