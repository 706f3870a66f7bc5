"""What the wire formats share in telling a conversation: who wrote a raw content, which result answers which call."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias, assert_never

from elexirion.agents.providers.port import FunctionCall, FunctionTurn, ModelTurn, ProviderCall, Turn, UserTurn

Message: TypeAlias = dict[str, Any]


def raw_content(wire: str, content: Any) -> dict[str, Any]:
    """`content` as `ProviderResult.raw` holds it: marked with the wire format that alone can read it."""
    return {"wire": wire, "content": content}


def content_of(turn: ModelTurn, wire: str) -> Any:
    """The content of `turn` as `wire` once wrote it; None where it has none, or where another format wrote it."""
    match turn.raw:
        case {"wire": str(writer), "content": content} if writer == wire and content:
            return content
        case _:
            return None


def turns_of(call: ProviderCall) -> Iterator[Turn]:
    """All turns with the prompt as the last one, without those that say nothing.

    A prompt is said even if it is empty where nothing else is.
    """
    for turn in call.turns:
        match turn:
            case UserTurn(text=""):
                continue
            case ModelTurn(text="", function_calls=(), raw=None):
                continue
            case UserTurn() | ModelTurn() | FunctionTurn():
                yield turn
            case _:
                assert_never(turn)
    if call.prompt or not call.turns:
        yield UserTurn(call.prompt)


def identified(turns: Iterator[Turn]) -> Iterator[Turn]:
    """The turns with an id at every call and result, for formats that cannot do without.

    Results without one answer the calls before them in order.
    """
    asked: tuple[FunctionCall, ...] = ()
    for number, turn in enumerate(turns, start=1):
        match turn:
            case ModelTurn():
                asked = tuple(
                    replace(call, id=call.id or f"call_{number}_{place}")
                    for place, call in enumerate(turn.function_calls, start=1)
                )
                yield replace(turn, function_calls=asked)
            case FunctionTurn():
                ids = [call.id for call in asked] + [""] * len(turn.results)
                yield FunctionTurn(
                    tuple(replace(one, call_id=one.call_id or ids[place]) for place, one in enumerate(turn.results))
                )
            case _:
                yield turn


def said_in(call: ProviderCall) -> Iterator[str]:
    """Every text of the conversation in order, the prompt last."""
    for turn in call.turns:
        match turn:
            case UserTurn() | ModelTurn():
                yield turn.text
            case FunctionTurn():
                yield from (result.content for result in turn.results)
            case _:
                assert_never(turn)
    yield call.prompt
