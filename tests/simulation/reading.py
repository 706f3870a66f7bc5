"""Reading what stands in the log of a world, cheaply: by its processes, and by who waits until its runs are over."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from aiokafka import TopicPartition
from elexirion.agents.orchestrator import command_record
from elexirion.agents.worker import deciding  # noqa: F401  # whatever is imported later would keep what a world patched
from elexirion.events import codec
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.envelope import Record
from elexirion.projections.partition import PartitionFold

from tests.simulation.memory_log import MemoryBroker, Message


@contextmanager
def read_once() -> Iterator[None]:
    """Records are values, so all processes of a world share what the first of them read; parsing costs much of it."""
    parse, read = codec.parse_json, codec.read_document
    documents: dict[bytes, Any] = {}
    records: dict[int, tuple[dict[str, Any], Record]] = {}

    def parse_once(value: bytes) -> Any:
        if value not in documents:
            documents[value] = parse(value)
        return documents[value]

    def read_document_once(document: dict[str, Any]) -> Record:
        # By identity, and kept with it: else another document might get the place, and the record, of one that is gone.
        if id(document) not in records:
            records[id(document)] = (document, read(document))
        return records[id(document)][1]

    with ExitStack() as stack:
        for module in (codec, command_record):
            stack.enter_context(mock.patch.object(module, "parse_json", parse_once))
            stack.enter_context(mock.patch.object(module, "read_document", read_document_once))
        yield


class OpenRuns:
    """Which runs of a topic of events have not ended, read on from where the last look stopped."""

    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self._broker, self._topic = broker, topic
        self._folds: list[PartitionFold] = []

    def among(self, run_ids: list[str]) -> list[str]:
        """Those that are not over, or not even begun."""
        self._read_on()
        return [id for id in run_ids if not any(id in fold.ended for fold in self._folds)]

    def any(self, run_ids: list[str]) -> bool:
        """Whether one of these, or of the runs that came of them, is not over."""
        return bool(self.among(run_ids)) or any(fold.runs for fold in self._folds)

    def begun(self) -> int:
        """How many runs have begun, whether they are over or not."""
        self._read_on()
        return sum(len(fold.runs) + len(fold.ended) for fold in self._folds)

    def _read_on(self) -> None:
        self._folds += [PartitionFold(new) for new in range(len(self._folds), self._broker.count(self._topic))]
        for fold in self._folds:
            log = self._broker.log(TopicPartition(self._topic, fold.partition))
            for message in log.messages[fold.next_offset :]:
                self._take(fold, message)

    def _take(self, fold: PartitionFold, message: Message) -> None:
        try:
            fold.apply(decode(message.value), message.offset, datetime.fromtimestamp(message.timestamp / 1000, UTC))
        except UndecodableError:
            fold.next_offset = message.offset + 1
