"""Recordings that a worker answers from: read once from the log, or from an export, and kept for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from aiokafka.errors import KafkaError
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import broker_time, scan
from elexirion.agents.providers.recorded import RecordingUnreadableError
from elexirion.agents.settings import Settings
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.commands import Replay
from elexirion.events.envelope import Record
from elexirion.events.partitioner import partition_of
from elexirion.events.topics import Topics
from elexirion.projections.recording import Recording, recording_of
from elexirion.projections.run_fold import RunFold

REMEMBERED = 8
"""Recordings that a process keeps; the next one has the topics read again."""


class Recordings:
    """Gives recordings. A run that has not ended is read anew each time; of an ended one nothing more comes."""

    def __init__(self, address: KafkaAddress, settings: Settings) -> None:
        self._address = address
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._kept: OrderedDict[tuple[str | None, str | None], Recording] = OrderedDict()
        self._one_reading = asyncio.Lock()

    async def __call__(self, replay: Replay) -> Recording:
        """The recording; raises RecordingUnreadableError."""
        key = (replay.run_id, replay.file)
        async with self._one_reading:
            if key not in self._kept or not self._kept[key].ended:
                self._kept[key] = await self._read(replay)
            self._kept.move_to_end(key)
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return self._kept[key]

    async def _read(self, replay: Replay) -> Recording:
        if replay.file is not None:
            return await asyncio.to_thread(self._from_file, Path(replay.file))
        if replay.run_id is None:
            raise RecordingUnreadableError("`replay_from` names neither a run nor a file")
        try:
            return await self._from_log(replay.run_id)
        except (KafkaError, KafkaProblem) as error:
            raise RecordingUnreadableError(f"the recorded run {replay.run_id} cannot be read now: {error}") from error

    async def _from_log(self, run_id: str) -> Recording:
        counted = await self._counted(run_id)
        if not counted:
            raise RecordingUnreadableError(f"there is no run {run_id} in the log to answer from")
        partition = partition_of(run_id, self._settings.events_partitions)
        chunks = [record async for record, _ in self._records(self._topics.chunks, partition, run_id)]
        return recording_of(counted, chunks)

    async def _counted(self, run_id: str) -> list[Record]:
        fold, counted = RunFold(), []
        partition = partition_of(run_id, self._settings.events_partitions)
        async for record, at in self._records(self._topics.events, partition, run_id):
            if fold.take(record, at) is None and fold.state is not None:
                counted.append(record)
        return counted

    async def _records(self, topic: str, partition: int, run_id: str) -> AsyncIterator[tuple[Record, datetime]]:
        key = run_id.encode()
        async for message in scan(self._address, topic, [partition]):
            if message.key == key:
                try:
                    yield decode(message.value), broker_time(message)
                except UndecodableError:
                    continue

    def _from_file(self, path: Path) -> Recording:
        """An export with its chunks; raises RecordingUnreadableError."""
        found = path.resolve()
        roots = [Path.cwd().resolve(), *(root.resolve() for root in self._settings.file_roots)]
        if not self._settings.trust_run_folders and not any(found.is_relative_to(root) for root in roots):
            said = "it is outside the allowed folders; add one with ELEXIRION_FILE_ROOTS"
            raise RecordingUnreadableError(f"the export {path} cannot be read: {said}")
        try:
            return exported(found.read_bytes().splitlines())
        except (OSError, UndecodableError) as error:
            raise RecordingUnreadableError(f"the export {path} cannot be read: {error}") from error


def exported(lines: list[bytes]) -> Recording:
    """The recording that the lines of `elexirion export --chunks` make up; raises UndecodableError."""
    records = [decode(line) for line in lines if line.strip()]
    return recording_of(records, records)
