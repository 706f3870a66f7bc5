"""Provider of `--replay-from`: gives the answers of a recorded run to equal requests, and none to any other.

Nothing leaves the process. What failed when it was recorded fails again. The usage is that of the recorded call, the
cost 0.0: nobody is paid again.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from elexirion.agents.providers.port import (
    ALL_FEATURES,
    Feature,
    FunctionCall,
    ProviderCall,
    ProviderFailed,
    ProviderOutput,
    ProviderResult,
    TextChunk,
)
from elexirion.agents.providers.request_hash import request_sha256
from elexirion.events.commands import Replay
from elexirion.events.failure import Failure
from elexirion.events.values import Value
from elexirion.projections.input_diff import differing
from elexirion.projections.recording import Exchange, Recording

NAME = "recorded"

Recordings = Callable[[Replay], Awaitable[Recording]]
"""Reads the recording that is asked for; raises RecordingUnreadableError."""
Load = Callable[[Value], Awaitable[Any]]


class RecordingUnreadableError(Exception):
    """There is no such recording, or it cannot be read; says which and why."""


class RecordedProvider:
    """Answers the calls of one execution of a step. `input` is the step's rendered input, as it is now."""

    name = NAME

    def __init__(self, replay: Replay, recordings: Recordings, load: Load, step: str, input: Value) -> None:
        self._replay = replay
        self._recordings = recordings
        self._load = load
        self._step = step
        self._input = input
        self._played: dict[str, str] = {}

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """Yield the recorded chunks, then the recorded result; raises ProviderFailed. See `port.Provider`."""
        return self._outputs(call)

    def supports_feature(self, feature: Feature) -> bool:
        """Whatever was recorded."""
        return feature in ALL_FEATURES

    def get_capabilities(self) -> frozenset[Feature]:
        """Whatever was recorded."""
        return ALL_FEATURES

    async def aclose(self) -> None:
        """Nothing to release."""

    def replayed_from(self, call_id: str) -> str | None:
        """The recorded call whose answer the call got."""
        return self._played.get(call_id)

    async def tool_answer(self, tool_call_id: str) -> tuple[Any, bool] | None:
        """What the recorded tool gave back, and whether that was an error; None where no answer was recorded."""
        call_id, _, number = tool_call_id.rpartition("/")
        recorded = (await self._recording()).tools.get(f"{self._played.get(call_id)}/{number}")
        return None if recorded is None else (await self._load(recorded.result), recorded.is_error)

    async def _outputs(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        exchange = await self._exchange(call)
        self._played[call.call_id] = exchange.answer.call_id
        began = asyncio.get_running_loop().time()
        for piece in exchange.pieces or ():
            if self._replay.timing == "recorded":
                await asyncio.sleep(max(0.0, began + piece.after_s - asyncio.get_running_loop().time()))
            yield TextChunk(piece.text)
        answer = exchange.answer
        if answer.failure is not None:
            raise ProviderFailed(answer.failure, answer.usage)
        yield ProviderResult(
            text=exchange.text, model=answer.model, stop_reason=answer.stop_reason or "", usage=answer.usage,
            cost_usd=0.0, function_calls=await self._function_calls(exchange),
        )  # fmt: skip

    async def _exchange(self, call: ProviderCall) -> Exchange:
        recording = await self._recording()
        found = recording.exchange(call.call_id, request_sha256(call))
        if found is None:
            raise _not_recorded(await self._why(recording, call))
        if found.pieces is None:
            raise _not_recorded(f"the text of the recorded call {found.answer.call_id} is not kept any more")
        return found

    async def _recording(self) -> Recording:
        try:
            return await self._recordings(self._replay)
        except RecordingUnreadableError as error:
            raise _not_recorded(str(error)) from error

    async def _why(self, recording: Recording, call: ProviderCall) -> str:
        """What is different from the recorded run, by name: a message holds no prompt."""
        recorded, which = recording.inputs.get(self._step), call.call_id.rpartition("/")[2]
        if recorded is None:
            return f"the recorded run asked no model in the step {self._step}"
        places = differing(await self._load(recorded), await self._load(self._input))
        if places:
            return f"call {which} asks what was not recorded: {', '.join(places)} differs"
        return (
            f"call {which} asks what was not recorded, though the step is the same: what was said before it differs, "
            "or the recorded call had no answer"
        )

    async def _function_calls(self, exchange: Exchange) -> tuple[FunctionCall, ...]:
        if exchange.answer.function_calls is None:
            return ()
        return tuple(FunctionCall(**one) for one in await self._load(exchange.answer.function_calls))


def _not_recorded(message: str) -> ProviderFailed:
    return ProviderFailed(Failure(kind="not_recorded", message=message, provider=NAME))
