"""A question to a language model, as the step types of all providers ask it: once, with tools, or by a schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elexirion.agents.providers.port import ModelTurn, ProviderResult, Turn, UserTurn
from elexirion.agents.steps import schema_answer
from elexirion.agents.steps.asking import Asking
from elexirion.agents.steps.port import Outcome, StepError, StepIO, Work
from elexirion.agents.steps.schema_answer import Mismatch
from elexirion.agents.steps.tool_loop import DEFAULT_MAX_TURNS, MAX_TURNS, Conversation, ToolLoop, separate
from elexirion.agents.steps.toolkit import Toolkit
from elexirion.agents.tools.tool import declared
from elexirion.pipelines.json_text import parsed


@dataclass(frozen=True, slots=True)
class ModelStep:
    """Runs the rendered config of a step that asks a model.

    Keys: `prompt`, `system`, `model`, `options`, `streaming`; `functions` (declarations, whose calls are the result);
    `turns` (the conversation so far, `{"user", "assistant"}` each); `output_schema`, with `repair: false` where a
    wrong answer is not asked for again, and `error_prefix` for the message of such a failure; `workspace` (see
    `Workspace.of`). Options it takes itself: `allowed_tools`, `disallowed_tools`, `max_turns`, `cwd`,
    `fallback_model`, `output_format`; the others go to the provider.
    """

    aliases: Mapping[str, str]
    toolkit: Toolkit | None = None

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """Give the model's text, its function calls, or its data where a schema asks for it. Raises StepError."""
        asking = Asking(self.aliases, work, io)
        try:
            return await self._answered(asking)
        except StepError as error:
            raise asking.counted(error) from error

    async def _answered(self, asking: Asking) -> Outcome:
        config = asking.work.config
        schema = schema_answer.validator(config["output_schema"]) if config.get("output_schema") else None
        said, functions = await self._conversation(asking)
        if schema is None:
            return _outcome(asking, said, _plain(config, said))
        fitted = schema_answer.fitted(said.text, schema)
        if isinstance(fitted, Mismatch) and config.get("repair") is not False and not said.exceeded:
            said = await _repaired(asking, said, fitted, functions)
            fitted = schema_answer.fitted(said.text, schema)
        if isinstance(fitted, Mismatch):
            raise schema_answer.failure(fitted, str(config.get("error_prefix") or ""))
        return _outcome(asking, said, fitted)

    async def _conversation(self, asking: Asking) -> tuple[Conversation, tuple[dict[str, Any], ...]]:
        """What was said, and the functions that were offered for it."""
        config = asking.work.config
        prompt, turns = str(config.get("prompt") or ""), _turns(config)
        options = config.get("options") or {}
        tools = self.toolkit.offered(options) if self.toolkit else {}
        if self.toolkit and tools:
            most = int(options.get("max_turns") or DEFAULT_MAX_TURNS)
            loop = ToolLoop(asking, tools, self.toolkit.workspace(config), most)
            return await loop.run(prompt, turns), tuple(declared(tool) for tool in tools.values())
        functions = tuple(config.get("functions") or ())
        result = await asking.ask(prompt, turns, functions)
        return Conversation((*turns, UserTurn(prompt)), result, result.text), functions


async def _repaired(
    asking: Asking, said: Conversation, mismatch: Mismatch, functions: tuple[dict[str, Any], ...]
) -> Conversation:
    """The answer to one more call, which is told what was wrong."""
    result = said.result
    await separate(asking, result)
    # Calls of functions would have to be answered first; a repair is about the text.
    turns = (*said.turns, ModelTurn(result.text, (), None if result.function_calls else result.raw))
    prompt = schema_answer.repair_prompt(mismatch)
    answer = await asking.ask(prompt, turns, functions)
    return Conversation((*turns, UserTurn(prompt)), answer, answer.text)


def _turns(config: Mapping[str, Any]) -> tuple[Turn, ...]:
    return tuple(
        turn
        for one in config.get("turns") or ()
        for turn in (UserTurn(str(one.get("user") or "")), ModelTurn(str(one.get("assistant") or "")))
    )


def _plain(config: Mapping[str, Any], said: Conversation) -> Any:
    """The result where no schema asks for one: function calls, JSON where that format is wanted, else the text."""
    if said.result.function_calls and not said.exceeded:
        return _function_calls(said.result)
    if (config.get("options") or {}).get("output_format") == "json":
        data = parsed(said.text)
        return said.text if data is None else data
    return said.text


def _function_calls(result: ProviderResult) -> dict[str, Any]:
    calls = [{"name": call.name, "arguments": call.arguments} for call in result.function_calls]
    return {"text": result.text, "function_calls": calls, **result.function_calls[0].arguments}


def _outcome(asking: Asking, said: Conversation, result: Any) -> Outcome:
    return Outcome(
        result=result, usage=asking.usage, cost_usd=asking.cost_usd, model=said.result.model,
        stop_reason=MAX_TURNS if said.exceeded else said.result.stop_reason,
        fallback=MAX_TURNS if said.exceeded else asking.fallback,
    )  # fmt: skip
