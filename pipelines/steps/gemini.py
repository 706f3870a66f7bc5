"""`gemini`: one answer of a Gemini model; and what all step types share that ask one."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.model import Text
from elexirion.pipelines.options import TokenBudget
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import FunctionUse, Use, uses_of_prompt


class GeminiCall(Step, frozen=True):
    """What every step has that asks a Gemini model: a prompt, the model and its limits."""

    lane: ClassVar[Lane | None] = "gemini"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("model",)

    prompt: Prompt
    """What is asked: a text, or a list of segments that are joined by newlines."""
    model: Text | None = None
    """A Gemini model; without it that of `defaults`."""
    token_budget: TokenBudget | None = None
    """Limits of the answer, over those of `defaults`."""

    def effective_options(self, defaults: Defaults) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for budget in (defaults.gemini_token_budget, self.token_budget):
            if budget is not None:
                merged.update(budget.model_dump(mode="json", exclude_none=True))
        model = self.model or defaults.gemini_model
        return merged if model is None else {**merged, "model": model}

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from uses_of_prompt(self.prompt, ("prompt",))

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        rendered = rendering.value(dict(options))
        return {
            "prompt": rendering.prompt(self.prompt),
            "system": None,
            "model": rendered.pop("model", None),
            "options": rendered,
            "functions": [],
            "output_schema": self.output_schema,
            "streaming": self.streaming,
        }


class GeminiStep(GeminiCall, frozen=True):
    """Asks a Gemini model; the result is its text, or the arguments with which it calls one of the functions."""

    result_doc: ClassVar[str] = (
        "The answer's text; with an `output_schema` the data. Where the model calls functions: `text`, "
        "`function_calls` of `name` and `arguments`, and the arguments of the first call as fields."
    )

    type: Literal["gemini"]
    functions: tuple[str, ...] = ()
    """Functions of `gemini_functions` that the model may call."""

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from function_uses(self.functions)

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        config = super().config(options, rendering)
        return with_functions(config, self.functions, rendering, "expected") if self.functions else config


def function_uses(functions: tuple[str, ...]) -> Iterator[Use]:
    """The declarations that have to be there."""
    for index, function in enumerate(functions):
        yield FunctionUse(("functions", index), function)


def with_functions(
    config: dict[str, Any], functions: tuple[str, ...], rendering: Rendering, use: Literal["expected", "required"]
) -> dict[str, Any]:
    """The config with the declarations of these functions, and how much a call to one is wanted."""
    declared = [{"name": name, **rendering.gemini_functions[name]} for name in functions]
    return {**config, "functions": declared, "options": {**config["options"], "function_use": use}}
