"""The loop of a model and its tools: it asks for tools, gets their answers, and asks on until it answers by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from elexirion.agents.providers.port import (
    FunctionCall,
    FunctionResult,
    FunctionTurn,
    ModelTurn,
    ProviderResult,
    Turn,
    UserTurn,
)
from elexirion.agents.steps.asking import Asking
from elexirion.agents.tools.registry import named
from elexirion.agents.tools.tool import Tool, ToolFailed, declared
from elexirion.agents.worker.workspace import Workspace

DEFAULT_MAX_TURNS = 20
EXCEEDED = "Claude exceeded max_turns, using fallback"
MAX_TURNS = "max_turns"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said until the model's last answer, which is `result`; `turns` stop before that answer.

    `exceeded` tells that the model still wanted tools when its turns were used up; `text` is then all it said.
    """

    turns: tuple[Turn, ...]
    result: ProviderResult
    text: str
    exceeded: bool = False


@dataclass(frozen=True, slots=True)
class ToolLoop:
    """Offers `tools`, which work in `workspace`, for at most `max_turns` calls of the model."""

    asking: Asking
    tools: Mapping[str, Tool]
    workspace: Workspace
    max_turns: int = DEFAULT_MAX_TURNS

    async def run(self, prompt: str, turns: tuple[Turn, ...]) -> Conversation:
        """Ask until an answer asks for no tool, or until the turns are used up. Raises StepError."""
        functions = tuple(declared(tool) for tool in self.tools.values())
        result = await self.asking.ask(prompt, turns, functions)
        turns, texts = (*turns, UserTurn(prompt)), [result.text]
        for _ in range(1, self.max_turns):
            if not result.function_calls:
                break
            answers = FunctionTurn(await self._answers(result))
            turns = (*turns, ModelTurn(result.text, result.function_calls, result.raw), answers)
            await separate(self.asking, result)
            result = await self.asking.ask("", turns, functions)
            texts.append(result.text)
        if not result.function_calls:
            return Conversation(turns, result, result.text)
        said = "\n\n".join(text for text in texts if text.strip())
        await self.asking.io.fell_back(EXCEEDED, "the text so far" if said else "a message")
        return Conversation(turns, result, said or EXCEEDED, exceeded=True)

    async def _answers(self, result: ProviderResult) -> tuple[FunctionResult, ...]:
        """One after another, in the order in which the model asked: a later one may need what an earlier one did."""
        answers: list[FunctionResult] = []
        for number, call in enumerate(result.function_calls, start=1):
            async with self.asking.before_the_end():
                answers.append(await self._answer(call, number))
        return tuple(answers)

    async def _answer(self, call: FunctionCall, number: int) -> FunctionResult:
        io, tool_call = self.asking.io, self.asking.tool_call_id(number)
        await io.tool_called(tool_call, call.name, call.arguments)
        text, is_error = await io.tool_answer(tool_call) or await self._used(call)
        await io.tool_returned(tool_call, call.name, text, is_error=is_error)
        return FunctionResult(call.id, call.name, text, is_error)

    async def _used(self, call: FunctionCall) -> tuple[str, bool]:
        tool = self.tools.get(named(self.tools, call.name) or "")
        if tool is None:
            return f"there is no tool `{call.name}` here; there are {', '.join(self.tools)}", True
        try:
            return await tool.run(call.arguments, self.workspace), False
        except ToolFailed as failed:
            return str(failed), True
        except Exception as error:  # noqa: BLE001  # the model may go on without it, and the text may hold a secret
            _log.error("tool_raised", tool=tool.name, error=type(error).__name__)
            return f"the tool failed by itself ({type(error).__name__}); the step goes on without its answer", True


async def separate(asking: Asking, result: ProviderResult) -> None:
    """Part the streamed text of an answer from that of the next one."""
    if result.text and not result.text.endswith("\n"):
        await asking.io.chunk("\n\n")
