"""What the models of a run answered, read off its records and chunks, so that it can be answered again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.envelope import Record
from elexirion.events.identifiers import ExecutionId
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.step import StepChunk, StepScheduled, ToolReturned
from elexirion.events.values import Value


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text, `after_s` seconds after its call was sent."""

    after_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call that was answered, or failed. `pieces` is None where its text is not kept any more."""

    request_sha256: str
    answer: ProviderResponded
    pieces: tuple[Piece, ...] | None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces or ())


@dataclass(frozen=True, slots=True)
class Recording:
    """The exchanges of a run by request, its tools' answers by call id, and the input of each step by its path.

    `ended` says whether nothing can come to it any more.
    """

    exchanges: dict[str, tuple[Exchange, ...]] = field(default_factory=dict)
    tools: dict[str, ToolReturned] = field(default_factory=dict)
    inputs: dict[str, Value] = field(default_factory=dict)
    ended: bool = False

    def exchange(self, call_id: str, request_sha256: str) -> Exchange | None:
        """The answer to an equal request: that of the very same call, else one that ended well.

        The same call is that of the same execution: what failed once fails again, and so is tried again. Otherwise
        answers of the same step go first.
        """
        equal = self.exchanges.get(request_sha256, ())
        same = next((one for one in equal if _within(one.answer.call_id) == _within(call_id)), None)
        good = [one for one in equal if one.answer.failure is None]
        of_step = [one for one in good if _step(one.answer.call_id) == _step(call_id)]
        return same or next(iter(of_step or good or equal), None)


def recording_of(counted: Iterable[Record], chunks: Iterable[Record]) -> Recording:
    """The recording that the records that count, and the chunks beside them, make up."""
    texts = {
        (data.execution_id, data.n): (data.text, one.at) for one in chunks if isinstance(data := one.data, StepChunk)
    }
    asked: dict[str, tuple[ProviderRequested, datetime]] = {}
    exchanges: dict[str, tuple[Exchange, ...]] = {}
    tools: dict[str, ToolReturned] = {}
    inputs: dict[str, Value] = {}
    ended = False
    for record in counted:
        ended = ended or record.type in TERMINAL_NAMES
        match record.data:
            case StepScheduled() as data:
                inputs[data.step] = data.input
            case ProviderRequested() as data:
                asked[data.call_id] = (data, record.at)
            case ProviderResponded() as data if data.call_id in asked:
                request, sent_at = asked[data.call_id]
                exchange = Exchange(request.request_sha256, data, _pieces(data, texts, sent_at))
                exchanges[request.request_sha256] = (*exchanges.get(request.request_sha256, ()), exchange)
            case ToolReturned() as data:
                tools[data.call_id] = data
            case _:
                pass
    return Recording(exchanges, tools, inputs, ended)


def _pieces(
    answer: ProviderResponded, texts: dict[tuple[str, int], tuple[str, datetime]], sent_at: datetime
) -> tuple[Piece, ...] | None:
    first = answer.first_chunk or 1
    found = [texts.get((answer.execution_id, n)) for n in range(first, first + answer.chunks)]
    if None in found:
        return None
    return tuple(Piece(max(0.0, (at - sent_at).total_seconds()), text) for text, at in filter(None, found))


def _within(call_id: str) -> str:
    """A call without its run: `step#n/call`."""
    return call_id.partition("/")[2]


def _step(call_id: str) -> str:
    return ExecutionId.parse(call_id.rpartition("/")[0]).step
