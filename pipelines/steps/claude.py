"""`claude`: one conversation with a Claude model; and what all step types share that ask one."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.options import ClaudeOptions
from elexirion.pipelines.presets import DEFAULT_PRESET, Preset, preset_of_environment
from elexirion.pipelines.retry import RetryPolicy, merged_retry_or_none
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import Use, uses_of_prompt


class ClaudeCall(Step, frozen=True):
    """What every step has that asks a Claude model: options, and a preset under them."""

    lane: ClassVar[Lane | None] = "claude"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("claude_options",)
    always_preset: ClassVar[bool] = False
    """Whether a preset holds also where neither the step nor `defaults` names one."""

    claude_options: ClaudeOptions | None = None
    """Options of the model and its tools, over those of `defaults`."""
    preset: Preset | None = None
    """Options under one name; `claude_options` and those of `defaults` win over them."""
    environment_aware: bool | None = None
    """Whether `environment.mode` names the preset where nothing else does; a matter of course for `claude_smart`."""

    def preset_in(self, defaults: Defaults, environment: Mapping[str, Any]) -> Preset | None:
        """The preset that holds: the step's own, that of `defaults`, that of `environment.mode`, development."""
        named = self.preset or defaults.claude_preset
        if named is not None or not (self.always_preset or self.environment_aware):
            return named
        return DEFAULT_PRESET if self.environment_aware is False else preset_of_environment(environment)

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

    def works_with_files(self, config: Mapping[str, Any]) -> bool:
        return bool(config["options"].get("allowed_tools"))

    def asking(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        """The config of a call of the model, still without what is said."""
        rendered = rendering.value(dict(options))
        system = [rendered.pop(key, None) for key in ("system_prompt", "append_system_prompt")]
        return {
            "system": "\n\n".join(text for text in system if text) or None,
            "model": rendered.pop("model", None),
            "options": rendered,
            "output_schema": self.output_schema,
            "streaming": self.streaming,
        }


class PromptedClaudeCall(ClaudeCall, frozen=True):
    """A step that says one prompt."""

    prompt: Prompt
    """What is asked: a text, or a list of segments that are joined by newlines."""

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from uses_of_prompt(self.prompt, ("prompt",))

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        return {"prompt": rendering.prompt(self.prompt), **self.asking(options, rendering)}


class ClaudeStep(PromptedClaudeCall, frozen=True):
    """Asks a Claude model; the result is its text."""

    result_doc: ClassVar[str] = (
        "The answer's text; the data in it where `output_format` is json and it is JSON; with an `output_schema` the "
        "data, which fits it. `usage`, `cost_usd`, `model` and `stop_reason` stand beside it."
    )

    type: Literal["claude"]


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
