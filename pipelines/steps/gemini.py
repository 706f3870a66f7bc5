"""`gemini`: one answer of a Gemini model."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.model import Text
from elexirion.pipelines.options import TokenBudget
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import FunctionUse, Use, uses_of_prompt


class GeminiStep(Step, frozen=True):
    """Asks a Gemini model; the result is its text."""

    lane: ClassVar[Lane | None] = "gemini"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("model",)

    type: Literal["gemini"]
    prompt: Prompt
    model: Text | None = None
    token_budget: TokenBudget | None = None
    functions: tuple[str, ...] = ()
    """Functions of `gemini_functions` that the model may call."""

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
        for index, function in enumerate(self.functions):
            yield FunctionUse(("functions", index), function)

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        rendered = rendering.value(dict(options))
        functions = [{"name": name, **rendering.gemini_functions[name]} for name in self.functions]
        return {
            "prompt": rendering.prompt(self.prompt),
            "system": None,
            "model": rendered.pop("model", None),
            "options": rendered,
            "functions": functions,
            "output_schema": self.output_schema,
            "streaming": self.streaming,
        }
