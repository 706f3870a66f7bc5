"""`openai`: one answer of a model behind an OpenAI-compatible API."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.model import Model, Number, Positive, Text
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import Use, uses_of_prompt
from pydantic import Field


class OpenAIOptions(Model, frozen=True):
    """`options` of an `openai` step; a key that is not given is not sent. Servers may not know all of them."""

    temperature: Number | None = Field(default=None, ge=0, le=2)
    """Higher values vary the answer more."""
    max_tokens: Positive | None = None
    """Longest answer, in tokens."""
    top_p: Number | None = Field(default=None, ge=0, le=1)
    """Share of probability from which words are chosen."""
    top_k: Positive | None = None
    """Not known to OpenAI's own API, but to many servers."""
    stop_sequences: tuple[str, ...] | None = None
    """Texts at which the answer ends."""
    seed: int | None = None
    """Makes answers repeatable where the server can."""
    reasoning_effort: Text | None = None
    """How much a reasoning model thinks, such as low, medium or high."""
    frequency_penalty: Number | None = Field(default=None, ge=-2, le=2)
    """Above 0, words that were used often become less likely."""
    presence_penalty: Number | None = Field(default=None, ge=-2, le=2)
    """Above 0, words that were used at all become less likely."""


class OpenAIStep(Step, frozen=True):
    """Asks a model of an OpenAI-compatible API; the result is its text.

    Where the API is says the setting `openai_base_url`, never the pipeline. A server on this machine is as good.
    """

    lane: ClassVar[Lane | None] = "openai"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("model", "system_prompt", "options")
    result_doc: ClassVar[str] = "The answer's text; with an `output_schema` the data, which fits it."

    type: Literal["openai"]
    prompt: Prompt
    """What is asked: a text, or a list of segments that are joined by newlines."""
    model: Text | None = None
    """A model of the server; without it the one that the setting `model_aliases` has under `openai`."""
    system_prompt: str | None = None
    """What the model is told before the prompt."""
    options: OpenAIOptions | None = None
    """Options of the call."""
    temperature: Number | None = Field(default=None, ge=0, le=2)
    """The same as in `options`, before which it goes."""
    max_tokens: Positive | None = None
    """The same as in `options`, before which it goes."""

    def effective_options(self, defaults: Defaults) -> dict[str, Any]:
        merged = self.options.model_dump(mode="json", exclude_none=True) if self.options else {}
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens, "model": self.model}
        return merged | {key: value for key, value in own.items() if value is not None}

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from uses_of_prompt(self.prompt, ("prompt",))

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        rendered = rendering.value(dict(options))
        return {
            "prompt": rendering.prompt(self.prompt),
            "system": rendering.value(self.system_prompt),
            "model": rendered.pop("model", None),
            "options": rendered,
            "output_schema": self.output_schema,
            "streaming": self.streaming,
        }
