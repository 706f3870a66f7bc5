"""A message of the Anthropic Messages API, read whole or folded from its stream events.

Shapes: package anthropic 2.12, `types/raw_message_stream_event.py` and `types/message.py`.
"""

from typing import Annotated, Any, Literal

import orjson
from elexirion.agents.providers.api_words import identifier
from elexirion.agents.providers.arguments import read_arguments
from elexirion.agents.providers.error_body import read_error
from elexirion.agents.providers.failures import CallError, RefusalError
from elexirion.agents.providers.port import FunctionCall
from elexirion.events.usage import Usage
from pydantic import BaseModel, ConfigDict, Field

_Count = Annotated[int | None, Field(ge=0)]


class _Usage(BaseModel):
    input_tokens: _Count = None
    output_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    cache_creation_input_tokens: _Count = None


class _Block(BaseModel):
    """A block of content; kinds that are not text or a client tool (thinking, server tools) carry no answer.

    All of them go back unchanged when the conversation goes on, so fields unknown here are kept.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    citations: list[Any] | None = None
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class _StopDetails(BaseModel):
    category: str | None = None


class _Delta(BaseModel):
    """The delta of a content block, or the one of the message with its stop reason."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    citation: Any = None
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
        self._blocks: dict[int, _Block] = {}
        self._inputs: dict[int, str] = {}

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
            category = identifier(self._refusal or "") or "none given"
            raise CallError("content_filtered", f"the model refused to answer (category: {category})")
        return self._stop_reason

    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The tools the model asks for, in order; raises CallError where arguments were cut off or are no object."""
        tools = [block for block in self._filled() if block.type == "tool_use"]
        return tuple(FunctionCall(block.name, block.input, block.id) for block in tools)

    def content(self) -> list[dict[str, Any]]:
        """All blocks as they came, thinking and its signatures included; blank text is left out, as the API wants."""
        blocks = [block for block in self._filled() if block.type != "text" or block.text.strip()]
        return [block.model_dump(exclude_unset=True) for block in blocks]

    def _start(self, message: _Message) -> None:
        self.model = message.model
        self._count(message.usage)
        self._stop(message.stop_reason, message.stop_details)

    def _block(self, index: int, block: _Block) -> str:
        if index in self._blocks:
            raise CallError("bad_response", f"the answer began its block {index} twice")
        self._blocks[index] = block
        return self._said(block.text if block.type == "text" else "")

    def _delta(self, index: int, delta: _Delta) -> str:
        block = self._blocks.get(index)
        if block is None:
            raise CallError("bad_response", f"the answer goes on with a block {index} that it never began")
        match delta.type:
            case "text_delta":
                block.text += delta.text
                return self._said(delta.text)
            case "thinking_delta":
                block.thinking += delta.thinking
            case "signature_delta":
                block.signature = delta.signature
            case "citations_delta":
                block.citations = [*(block.citations or ()), delta.citation]
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + delta.partial_json
            case _:
                pass
        return ""

    def _filled(self) -> list[_Block]:
        """All blocks, with the inputs that were streamed in pieces."""
        cut = self._stop_reason == "max_tokens"
        for index, streamed in self._inputs.items():
            block = self._blocks[index]
            if streamed:
                block.input = read_arguments(streamed, block.name, cut=cut)
        return list(self._blocks.values())

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
