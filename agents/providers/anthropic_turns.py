"""A conversation as messages of the Anthropic Messages API.

Shapes: package anthropic 2.12, `types/message_param.py`. The API wants the results of tools first in the message
after the one that asked for them, refuses empty text, and refuses changed thinking blocks: an answer of its own
goes back as it came.
"""

from itertools import groupby
from typing import Any, assert_never

from elexirion.agents.providers.conversation import Message, content_of, identified, turns_of
from elexirion.agents.providers.port import FunctionResult, FunctionTurn, ModelTurn, ProviderCall, Turn, UserTurn

WIRE = "claude"


def messages(call: ProviderCall) -> list[Message]:
    """The messages of `call`, user and assistant in turns."""
    said = [(_role(turn), _blocks(turn)) for turn in identified(turns_of(call))]
    return [
        {"role": role, "content": [block for _, blocks in same for block in blocks]}
        for role, same in groupby((one for one in said if one[1]), key=lambda one: one[0])
    ]


def _role(turn: Turn) -> str:
    return "assistant" if isinstance(turn, ModelTurn) else "user"


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case UserTurn():
            return [_text(turn.text)]
        case ModelTurn():
            written: list[dict[str, Any]] | None = content_of(turn, WIRE)
            return written or _rebuilt(turn)
        case FunctionTurn():
            return [_result(one) for one in turn.results]
        case _:
            assert_never(turn)


def _rebuilt(turn: ModelTurn) -> list[dict[str, Any]]:
    """What another wire format answered, said in this one."""
    said = [_text(turn.text)] if turn.text else []
    asked = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in turn.function_calls
    ]
    return said + asked


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _result(result: FunctionResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id, "content": result.content}
    return block | ({"is_error": True} if result.is_error else {})
