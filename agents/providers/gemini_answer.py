"""A GenerateContentResponse of the Gemini API, read whole or folded from the pieces of a stream.

Shapes and finish reasons: package google-genai 3.4, `types.py` (camelCase on the wire).
"""

from typing import Any

import orjson
from elexirion.agents.providers.api_words import identifier
from elexirion.agents.providers.error_body import read_error
from elexirion.agents.providers.failures import CallError, RefusalError
from elexirion.agents.providers.port import FunctionCall
from elexirion.events.failure import FailureKind
from elexirion.events.usage import Usage
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

_STOP_REASONS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens", "CONTINUATION": "max_tokens"}
_FAILED_FINISHES: dict[str, FailureKind] = {
    "SAFETY": "content_filtered",
    "RECITATION": "content_filtered",
    "LANGUAGE": "content_filtered",
    "BLOCKLIST": "content_filtered",
    "PROHIBITED_CONTENT": "content_filtered",
    "SPII": "content_filtered",
    "IMAGE_SAFETY": "content_filtered",
    "IMAGE_PROHIBITED_CONTENT": "content_filtered",
    "IMAGE_RECITATION": "content_filtered",
    "ESCALATION": "content_filtered",
    "MODEL_ARMOR": "content_filtered",
    "PUP_LIMITED_DISABLED": "auth",
    "MISSING_THOUGHT_SIGNATURE": "invalid_request",
    "MALFORMED_FUNCTION_CALL": "bad_response",
    "MALFORMED_RESPONSE": "bad_response",
    "UNEXPECTED_TOOL_CALL": "bad_response",
    "TOO_MANY_TOOL_CALLS": "bad_response",
    "OTHER": "bad_response",
    "FINISH_REASON_UNSPECIFIED": "bad_response",
}


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Kept(_Wire):
    """Goes back unchanged when the conversation goes on, so fields unknown here are kept."""

    model_config = ConfigDict(extra="allow")


class _FunctionCall(_Kept):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class _Part(_Kept):
    text: str = ""
    thought: bool = False
    function_call: _FunctionCall | None = None


class _Content(_Wire):
    parts: list[_Part] = []


class _Candidate(_Wire):
    content: _Content = _Content()
    finish_reason: str | None = None


class _PromptFeedback(_Wire):
    block_reason: str | None = None


class _UsageMetadata(_Wire):
    prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0

    def usage(self) -> Usage:
        """Tokens as we count them: the prompt's count includes cached ones, thoughts are billed as output."""
        fresh = self.prompt_token_count - self.cached_content_token_count + self.tool_use_prompt_token_count
        return Usage(
            input_tokens=max(0, fresh),
            output_tokens=self.candidates_token_count + self.thoughts_token_count,
            cache_read_tokens=self.cached_content_token_count,
        )


class _Answer(_Wire):
    candidates: list[_Candidate] = []
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _UsageMetadata | None = None
    model_version: str = ""


class PiecesReader:
    """What an answer has said so far; each piece is folded alike, of a stream or the only one.

    The format has no end marker but the finish reason, which usage may follow: `ended` stays false.
    """

    def __init__(self) -> None:
        self.model = ""
        self.usage = Usage()
        self.text = ""
        self.ended = False
        self._finish_reason: str | None = None
        self._parts: list[_Part] = []

    def take(self, data: str) -> str:
        """Fold the piece in the data of a stream event and return the text it adds."""
        return self.take_whole(orjson.loads(data))

    def take_whole(self, document: Any) -> str:
        """Fold a decoded piece and return its text. Raises RefusalError for an error, CallError for a block."""
        if isinstance(document, dict) and "error" in document:
            raise RefusalError(200, read_error(document))
        answer = _Answer.model_validate(document)
        self.model = answer.model_version or self.model
        if answer.usage_metadata is not None:
            self.usage = answer.usage_metadata.usage()
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            raise CallError(
                "content_filtered", f"the prompt was blocked ({identifier(answer.prompt_feedback.block_reason)})"
            )
        return "".join(self._candidate(candidate) for candidate in answer.candidates[:1])

    def stop_reason(self) -> str:
        """Why the model stopped; raises CallError if that is no success, or if the reason never came."""
        finish = self._finish_reason
        if finish is None:
            raise CallError("cut_stream", "the answer ended without a finish reason")
        if finish in _FAILED_FINISHES:
            raise CallError(_FAILED_FINISHES[finish], f"the model stopped with {finish}")
        if finish == "STOP" and self.function_calls():
            return "tool_use"
        return _STOP_REASONS.get(finish, finish.lower())

    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The functions the model asks for, in order."""
        calls = [part.function_call for part in self._parts if part.function_call is not None]
        return tuple(FunctionCall(call.name, call.args or {}, call.id or "") for call in calls)

    def content(self) -> list[dict[str, Any]]:
        """All parts as they came, thoughts and their signatures included; pieces of plain text are joined."""
        parts: list[dict[str, Any]] = []
        for part in (one.model_dump(by_alias=True, exclude_unset=True) for one in self._parts):
            if part.keys() != {"text"}:
                parts.append(part)
            elif parts and parts[-1].keys() == {"text"}:
                parts[-1] = {"text": parts[-1]["text"] + part["text"]}
            elif part["text"]:
                parts.append(part)
        return parts

    def _candidate(self, candidate: _Candidate) -> str:
        self._finish_reason = candidate.finish_reason or self._finish_reason
        self._parts += candidate.content.parts
        said = "".join(part.text for part in candidate.content.parts if not part.thought)
        self.text += said
        return said
