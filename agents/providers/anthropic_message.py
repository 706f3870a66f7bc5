"""A message of the Anthropic Messages API, read whole or folded from its stream events.

Shapes: package anthropic 2.12, `types/raw_message_stream_event.py` and `types/message.py`.
"""

from typing import Any, Literal

import orjson
from elexirion.agents.providers.error_body import read_error
from elexirion.agents.providers.failures import CallError, RefusalError
from elexirion.agents.providers.port import FunctionCall
from elexirion.events.usage import Usage
from pydantic import BaseModel


class _Usage(BaseModel):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Block(BaseModel):
    """A block of content; kinds that are not text or a client tool (thinking, server tools) carry no answer."""

    type: str
    text: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class _StopDetails(BaseModel):
    category: str | None = None


class _Delta(BaseModel):
    """The delta of a content block, or the one of the message with its stop reason."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Message(BaseModel):
    type: Literal["message"]
    model: str
    content: list[_Block]
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _Usage


class _Event(BaseModel):
    type: str
    message: _Message | None = None
    index: int = 0
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


class MessageReader:
    """What an answer has said so far; `take` folds one stream event, `take_whole` a message in one piece."""

    def __init__(self) -> None:
        self.model = ""
        self.usage = Usage()
        self.text = ""
        self.ended = False
        self._stop_reason: str | None = None
        self._refusal: str | None = None
        self._tools: dict[int, tuple[_Block, str]] = {}

    def take(self, data: str) -> str:
        """Fold the event in `data` and return the text it adds. Raises RefusalError for an error event."""
        document = orjson.loads(data)
        event = _Event.model_validate(document)
        match event.type:
            case "error":
                raise RefusalError(200, read_error(document))
            case "message_start" if event.message is not None:
                self._start(event.message)
            case "content_block_start" if event.content_block is not None:
                return self._block(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None:
                return self._delta(event.index, event.delta)
            case "message_delta" if event.delta is not None:
                self._count(event.usage)
                self._stop(event.delta.stop_reason, event.delta.stop_details)
            case "message_stop":
                self.ended = True
        return ""

    def take_whole(self, document: Any) -> str:
        """Fold a message that came in one piece and return its text."""
        message = _Message.model_validate(document)
        self._start(message)
        for index, block in enumerate(message.content):
            self._block(index, block)
        self.ended = True
        return self.text

    def stop_reason(self) -> str:
        """Why the model stopped; raises CallError if it refused, or if the end never came."""
        if not self.ended or self._stop_reason is None:
            raise CallError("cut_stream", "the answer ended without message_stop and a stop reason")
        if self._stop_reason == "refusal":
            raise CallError(
                "content_filtered", f"the model refused to answer (category: {self._refusal or 'none given'})"
            )
        return self._stop_reason

    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The tools the model asks for, in order; raises JSONDecodeError where arguments were cut off."""
        return tuple(
            FunctionCall(block.name, orjson.loads(streamed) if streamed else block.input)
            for block, streamed in self._tools.values()
        )

    def _start(self, message: _Message) -> None:
        self.model = message.model
        self._count(message.usage)
        self._stop(message.stop_reason, message.stop_details)

    def _block(self, index: int, block: _Block) -> str:
        if block.type == "tool_use":
            self._tools[index] = (block, "")
        return self._said(block.text if block.type == "text" else "")

    def _delta(self, index: int, delta: _Delta) -> str:
        if delta.type == "input_json_delta" and index in self._tools:
            block, streamed = self._tools[index]
            self._tools[index] = (block, streamed + delta.partial_json)
        return self._said(delta.text if delta.type == "text_delta" else "")

    def _said(self, text: str) -> str:
        self.text += text
        return text

    def _stop(self, reason: str | None, details: _StopDetails | None) -> None:
        self._stop_reason = reason or self._stop_reason
        self._refusal = details.category if details is not None else self._refusal

    def _count(self, usage: _Usage | None) -> None:
        # Counts are cumulative: a later one replaces an earlier one, a missing one leaves it.
        if usage is None:
            return
        counted = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_creation_input_tokens,
        }
        self.usage = self.usage.model_copy(update={name: n for name, n in counted.items() if n is not None})
