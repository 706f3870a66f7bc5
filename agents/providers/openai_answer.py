"""An answer of the chat completions format, read whole or folded from the chunks of a stream.

Servers that speak the format differ where its description is vague: chunks without choices, tool calls without an
index or all with the same one, tool calls under the finish reason `stop`, no usage at all. All of that is read.
"""

from typing import Any

import orjson
from elexirion.agents.providers.arguments import read_arguments
from elexirion.agents.providers.error_body import read_error
from elexirion.agents.providers.failures import CallError, RefusalError
from elexirion.agents.providers.port import FunctionCall
from elexirion.events.usage import Usage
from pydantic import BaseModel, ConfigDict

END = "[DONE]"
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "tool_call": "tool_use",
    "function_call": "tool_use",
}


class _Function(BaseModel):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(BaseModel):
    """A call or a piece of one; fields unknown here go back with it, since some servers sign their calls."""

    model_config = ConfigDict(extra="allow")

    index: int | None = None
    id: str | None = None
    function: _Function = _Function()


class _Said(BaseModel):
    """A message, or the part of one that a chunk adds."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _PromptDetails(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None

    def usage(self) -> Usage:
        """Tokens as we count them: the prompt's count includes cached ones; reasoning is part of the output."""
        cached = (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0
        return Usage(
            input_tokens=max(0, self.prompt_tokens - cached),
            output_tokens=self.completion_tokens,
            cache_read_tokens=cached,
        )


class _Answer(BaseModel):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


class CompletionReader:
    """What an answer has said so far; a chunk and a whole answer are folded alike."""

    def __init__(self) -> None:
        self.model = ""
        self.usage = Usage()
        self.text = ""
        self.ended = False
        self._finish_reason: str | None = None
        self._refused = False
        self._calls: list[_ToolCall] = []
        self._thoughts: dict[str, str] = {}

    def take(self, data: str) -> str:
        """Fold the data of a stream event and return the text it adds; `[DONE]` is the end."""
        if data.strip() == END:
            self.ended = True
            return ""
        return self.take_whole(orjson.loads(data))

    def take_whole(self, document: Any) -> str:
        """Fold a decoded chunk or answer and return its text. Raises RefusalError for an error in it."""
        if isinstance(document, dict) and (document.get("error") or document.get("object") == "error"):
            raise RefusalError(200, read_error(document))
        answer = _Answer.model_validate(document)
        self.model = answer.model or self.model
        if answer.usage is not None:
            self.usage = answer.usage.usage()
        return "".join(self._choice(choice) for choice in (answer.choices or [])[:1])

    def stop_reason(self) -> str:
        """Why the model stopped; raises CallError if it refused, was stopped by a filter, or never ended."""
        finish = self._finish_reason
        if finish is None:
            raise CallError("cut_stream", "the answer ended without a finish reason")
        if self._refused or finish == "content_filter":
            raise CallError("content_filtered", "the model refused to answer, or a filter stopped it")
        if finish == "stop" and self._calls:
            return "tool_use"
        return _STOP_REASONS.get(finish, finish.lower())

    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The functions the model asks for, in order; raises CallError where arguments are no object."""
        return tuple(self._called(call) for call in self._calls)

    def content(self) -> dict[str, Any]:
        """The message as the format wants it back, with the thoughts that some servers ask for."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, **self._thoughts}
        calls = [{"type": "function", **call.model_dump(exclude={"index"}, exclude_none=True)} for call in self._calls]
        return message | ({"tool_calls": calls} if calls else {})

    def _choice(self, choice: _Choice) -> str:
        self._finish_reason = choice.finish_reason or self._finish_reason
        said = choice.delta or choice.message
        if said is None:
            return ""
        self._refused = self._refused or bool(said.refusal)
        for name in ("reasoning_content", "reasoning"):
            if thought := getattr(said, name):
                self._thoughts[name] = self._thoughts.get(name, "") + thought
        for piece in said.tool_calls or ():
            self._call(piece)
        self.text += said.content or ""
        return said.content or ""

    def _call(self, piece: _ToolCall) -> None:
        """A piece belongs to the last call of its index, or to a new one if it brings another id."""
        same = [call for call in self._calls if piece.index is None or call.index == piece.index]
        begun = same[-1] if same else None
        if begun is None or (piece.id and begun.id and piece.id != begun.id):
            self._calls.append(piece.model_copy(deep=True))
            return
        begun.id = begun.id or piece.id
        begun.function.name = begun.function.name or piece.function.name
        begun.function.arguments = (begun.function.arguments or "") + (piece.function.arguments or "")

    def _called(self, call: _ToolCall) -> FunctionCall:
        name = call.function.name or ""
        cut = self._finish_reason == "length"
        return FunctionCall(name, read_arguments(call.function.arguments or "", name, cut=cut), call.id or "")
