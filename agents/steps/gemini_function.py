"""gemini_function: a Gemini model calls functions; registered ones answer. The result is the call and its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elexirion.agents.functions import Answer, Function, answered, load_functions
from elexirion.agents.providers.port import FunctionCall, ProviderResult
from elexirion.agents.settings import Settings
from elexirion.agents.steps.asking import Asking
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work


def runner(settings: Settings) -> StepRunner:
    """The runner of `gemini_function` steps; raises FunctionsError where the setting `functions` is wrong."""
    return FunctionStep(settings.model_aliases, load_functions(settings.functions))


@dataclass(frozen=True, slots=True)
class FunctionStep:
    """Runs the config of a `gemini` step with `functions`; `registered` are those that can answer."""

    aliases: Mapping[str, str]
    registered: Mapping[str, Function]

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """`{text, function_calls: [{name, arguments, result or error}]}` and the first call's arguments as fields.

        Each call is an event, and so is each answer. A call that no function answers has neither result nor error.
        Raises StepError.
        """
        asking = Asking(self.aliases, work, io)
        try:
            said = await asking.ask(str(work.config.get("prompt") or ""), (), _declared(work))
            calls = [await self._answered(asking, n, call) for n, call in enumerate(said.function_calls, start=1)]
        except StepError as error:
            raise asking.counted(error) from error
        return Outcome(
            result=_result(said, calls), usage=asking.usage, cost_usd=asking.cost_usd, model=said.model,
            stop_reason=said.stop_reason,
        )  # fmt: skip

    async def _answered(self, asking: Asking, number: int, call: FunctionCall) -> dict[str, Any]:
        call_id, told = asking.tool_call_id(number), {"name": call.name, "arguments": call.arguments}
        declared = {function["name"]: function.get("parameters") for function in _declared(asking.work)}
        await asking.io.tool_called(call_id, call.name, call.arguments)
        function = self.registered.get(call.name) if call.name in declared else None
        if function is None:
            return told
        async with asking.before_the_end():
            recorded = await asking.io.tool_answer(call_id)
            answer = Answer(*recorded) if recorded else await answered(function, call.arguments, declared[call.name])
        await asking.io.tool_returned(call_id, call.name, answer.value, is_error=answer.is_error)
        return {**told, "error" if answer.is_error else "result": answer.value}


def _declared(work: Work) -> tuple[dict[str, Any], ...]:
    return tuple(work.config.get("functions") or ())


def _result(said: ProviderResult, calls: list[dict[str, Any]]) -> dict[str, Any]:
    fields = calls[0]["arguments"] if calls else {}
    return {"text": said.text, "function_calls": calls, **fields}
