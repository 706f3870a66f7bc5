"""`gemini_function`: a Gemini model calls one of the functions it is given."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from elexirion.pipelines.steps.gemini import GeminiCall, function_uses, with_functions
from elexirion.pipelines.steps.step import Rendering
from elexirion.pipelines.uses import Use
from pydantic import Field


class GeminiFunctionStep(GeminiCall, frozen=True):
    """Has a Gemini model call a function; the result is the call, and what the function gave back.

    A function answers only where the operator registered one of its name (setting `functions`); without one the call
    alone is the result. The arguments of the first call are fields of the result.
    """

    result_doc: ClassVar[str] = (
        "`text`, `function_calls` of `name`, `arguments` and `result` or `error`, and the arguments of the first call"
        " as fields."
    )

    type: Literal["gemini_function"]
    functions: Annotated[tuple[str, ...], Field(min_length=1)]
    """Functions of `gemini_functions`, of which the model has to call one."""

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from function_uses(self.functions)

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        config = with_functions(super().config(options, rendering), self.functions, rendering, "required")
        # A schema is about the whole result: the provider would hold the text alone to it.
        return {key: value for key, value in config.items() if key != "output_schema"}
