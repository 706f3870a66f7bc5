"""A conversation as messages of the chat completions format.

The system prompt is the first message; each result of a function is a message of its own, which names its call.
"""

from typing import Any, assert_never

import orjson
from elexirion.agents.providers.conversation import Message, content_of, identified, turns_of
from elexirion.agents.providers.port import FunctionTurn, ModelTurn, ProviderCall, Turn, UserTurn

WIRE = "openai"


def messages(call: ProviderCall) -> list[Message]:
    """The messages of `call`, the system prompt first."""
    system = [{"role": "system", "content": call.system}] if call.system else []
    return [*system, *(message for turn in identified(turns_of(call)) for message in _messages(turn))]


def _messages(turn: Turn) -> list[Message]:
    match turn:
        case UserTurn():
            return [{"role": "user", "content": turn.text}]
        case ModelTurn():
            written: Message | None = content_of(turn, WIRE)
            return [written or _rebuilt(turn)]
        case FunctionTurn():
            return [{"role": "tool", "tool_call_id": one.call_id, "content": one.content} for one in turn.results]
        case _:
            assert_never(turn)


def _rebuilt(turn: ModelTurn) -> Message:
    """What another wire format answered, said in this one."""
    calls: list[dict[str, Any]] = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _json(call.arguments)}}
        for call in turn.function_calls
    ]
    return {"role": "assistant", "content": turn.text or None} | ({"tool_calls": calls} if calls else {})


def _json(arguments: dict[str, Any]) -> str:
    return orjson.dumps(arguments).decode()
