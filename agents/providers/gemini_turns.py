"""A conversation as contents of the Gemini API.

Shapes: package google-genai 3.4, `types.py` (Content, FunctionResponse). An answer of the API's own goes back part by
part as it came, since its thought signatures hold for the very part they stand in.
"""

from typing import Any, assert_never

from elexirion.agents.providers.conversation import Message, content_of, turns_of
from elexirion.agents.providers.port import (
    FunctionCall,
    FunctionResult,
    FunctionTurn,
    ModelTurn,
    ProviderCall,
    Turn,
    UserTurn,
)

WIRE = "gemini"
# What Google's guide to thought signatures names for calls that another model made: they can have no signature.
_FOREIGN_SIGNATURE = "skip_thought_signature_validator"


def contents(call: ProviderCall) -> list[Message]:
    """The contents of `call`, one a turn."""
    said = [(_role(turn), _parts(turn)) for turn in turns_of(call)]
    return [{"role": role, "parts": parts} for role, parts in said if parts]


def _role(turn: Turn) -> str:
    return "model" if isinstance(turn, ModelTurn) else "user"


def _parts(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case UserTurn():
            return [{"text": turn.text}]
        case ModelTurn():
            written: list[dict[str, Any]] | None = content_of(turn, WIRE)
            return written or _rebuilt(turn)
        case FunctionTurn():
            return [{"functionResponse": _response(one)} for one in turn.results]
        case _:
            assert_never(turn)


def _rebuilt(turn: ModelTurn) -> list[dict[str, Any]]:
    """What another wire format answered, said in this one."""
    said: list[dict[str, Any]] = [{"text": turn.text}] if turn.text else []
    asked: list[dict[str, Any]] = [{"functionCall": _call(call)} for call in turn.function_calls]
    if asked:
        asked[0]["thoughtSignature"] = _FOREIGN_SIGNATURE
    return said + asked


def _call(call: FunctionCall) -> dict[str, Any]:
    return ({"id": call.id} if call.id else {}) | {"name": call.name, "args": call.arguments}


def _response(result: FunctionResult) -> dict[str, Any]:
    said = {"error" if result.is_error else "output": result.content}
    return ({"id": result.call_id} if result.call_id else {}) | {"name": result.name, "response": said}
