"""One call of a language model, as the step types claude and gemini make it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elexirion.agents.providers.models import resolve_model
from elexirion.agents.providers.port import ProviderCall, ProviderResult
from elexirion.agents.steps.port import Outcome, StepError, StepIO, Work
from elexirion.events.failure import Failure
from elexirion.pipelines.json_text import parsed
from jsonschema import Draft202012Validator, SchemaError

CALL_OPTIONS = ("max_tokens", "temperature", "top_p", "top_k")
DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class ModelStep:
    """Runs the rendered config `{prompt, system, model, options, functions, output_schema, streaming}`."""

    lane: str
    aliases: Mapping[str, str]

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """Call the model once and give its text, its function calls, or its data where a schema asks for it."""
        result = await io.call(self._call(work, io.next_call_id()))
        return Outcome(
            result=_result(work, result), usage=result.usage, cost_usd=result.cost_usd, model=result.model,
            stop_reason=result.stop_reason,
        )  # fmt: skip

    def _call(self, work: Work, call_id: str) -> ProviderCall:
        config, options = work.config, dict(work.config.get("options") or {})
        if "max_output_tokens" in options:
            options["max_tokens"] = options.pop("max_output_tokens")
        known = {key: options.pop(key) for key in CALL_OPTIONS if options.get(key) is not None}
        return ProviderCall(
            call_id=call_id, model=resolve_model(self.lane, config.get("model"), self.aliases),
            prompt=str(config.get("prompt") or ""), system=config.get("system"),
            schema=config.get("output_schema"),
            functions=tuple(config.get("functions") or ()), stream=config.get("streaming") is not False,
            timeout_s=work.timeout_s or DEFAULT_TIMEOUT_S, options=options, **known,
        )  # fmt: skip


def _result(work: Work, result: ProviderResult) -> Any:
    schema = work.config.get("output_schema")
    if schema:
        return _validated(schema, result)
    if result.function_calls:
        calls = [{"name": call.name, "arguments": call.arguments} for call in result.function_calls]
        return {"text": result.text, "function_calls": calls, **calls[0]["arguments"]}  # type: ignore[dict-item]  # arguments is an object
    return result.text


def _validated(schema: dict[str, Any], result: ProviderResult) -> Any:
    data = parsed(result.text)
    try:
        errors = sorted(Draft202012Validator(schema).iter_errors(data), key=lambda error: list(error.path))
    except SchemaError as error:
        raise _mismatch(result, f"output_schema is not a JSON Schema: {error.message}") from error
    if errors:
        said = "; ".join(f"at {error.json_path}: {error.validator} {error.validator_value!r}" for error in errors[:3])
        raise _mismatch(result, f"the answer does not fit output_schema: {said}")
    return data


def _mismatch(result: ProviderResult, message: str) -> StepError:
    return StepError(Failure(kind="schema_mismatch", message=message), result.usage, result.cost_usd)
