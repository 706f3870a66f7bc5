"""`claude`: one conversation with a Claude model."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.options import ClaudeOptions
from elexirion.pipelines.retry import RetryPolicy, merged_retry_or_none
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import Use, uses_of_prompt


class ClaudeStep(Step, frozen=True):
    """Asks a Claude model; the result is its text."""

    lane: ClassVar[Lane | None] = "claude"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("claude_options",)

    type: Literal["claude"]
    prompt: Prompt
    claude_options: ClaudeOptions | None = None

    def own_timeout_s(self) -> float | None:
        own = super().own_timeout_s()
        if own is not None or self.claude_options is None or self.claude_options.timeout_ms is None:
            return own
        return self.claude_options.timeout_ms / 1000

    def own_retry(self) -> RetryPolicy | None:
        older = self.claude_options.retry_config if self.claude_options else None
        return merged_retry_or_none(self.retry, older.as_policy() if older else None)

    def effective_options(self, defaults: Defaults) -> dict[str, Any]:
        return claude_options(defaults, self.claude_options)

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from uses_of_prompt(self.prompt, ("prompt",))

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        rendered = rendering.value(dict(options))
        system = [rendered.pop(key, None) for key in ("system_prompt", "append_system_prompt")]
        return {
            "prompt": rendering.prompt(self.prompt),
            "system": "\n\n".join(text for text in system if text) or None,
            "model": rendered.pop("model", None),
            "options": rendered,
            "output_schema": self.output_schema,
            "streaming": self.streaming,
        }


def claude_options(defaults: Defaults, own: ClaudeOptions | None) -> dict[str, Any]:
    """The step's options over those of `defaults`, key by key; time and retry are kept elsewhere."""
    merged: dict[str, Any] = {}
    if defaults.claude_model is not None:
        merged["model"] = defaults.claude_model
    if defaults.claude_output_format is not None:
        merged["output_format"] = defaults.claude_output_format
    for options in (defaults.claude_options, own):
        if options is not None:
            merged.update(options.model_dump(mode="json", exclude_none=True))
    return {key: value for key, value in merged.items() if key not in ("timeout_ms", "retry_config")}
