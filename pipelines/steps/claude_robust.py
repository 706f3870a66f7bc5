"""`claude_robust`: one conversation with a Claude model, repeated where it fails, with a fallback at the end."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from elexirion.pipelines.retry import RetryConfig, RetryPolicy, merged_retry
from elexirion.pipelines.steps.claude import PromptedClaudeCall
from elexirion.pipelines.steps.step import Rendering
from pydantic import BeforeValidator

MAX_RETRIES = 3
_OTHER_NAMES = {"use_cached_response": "cached_response"}

FallbackAction = Annotated[
    Literal["graceful_degradation", "cached_response", "simplified_prompt", "emergency_response"],
    BeforeValidator(
        lambda value: _OTHER_NAMES.get(value, value) if isinstance(value, str) else value,
        json_schema_input_type=Literal[
            "graceful_degradation", "cached_response", "use_cached_response", "simplified_prompt", "emergency_response"
        ],
    ),
]


class RobustRetryConfig(RetryConfig, frozen=True):
    """`retry_config` of the step: its `retry` in other words, and what stands in when it is spent."""

    fallback_action: FallbackAction | None = None
    """The same as `fallback_action` of the step."""


class ClaudeRobustStep(PromptedClaudeCall, frozen=True):
    """Asks a Claude model up to `max_retries` (3) times more; then `fallback_action` gives the result, marked as such.

    Without a `fallback_action` the step fails when its retries are spent.
    """

    result_doc: ClassVar[str] = (
        "As that of `claude`. What stood in for an answer is told by the step's event, and by the run's result under "
        "`fallback`."
    )

    type: Literal["claude_robust"]
    retry_config: RobustRetryConfig = RobustRetryConfig()
    """The step's `retry` in the words of this type."""
    fallback_action: FallbackAction | None = None
    """What stands in for the answer; may also be written in `retry_config`.

    `cached_response` (also `use_cached_response`) gives the worker's last answer to the same request,
    `simplified_prompt` asks once more and for less, the other two give a prepared text that says so.
    """

    def own_retry(self) -> RetryPolicy:
        by_default = RetryPolicy(max_attempts=MAX_RETRIES + 1)
        return merged_retry(self.retry, self.retry_config.as_policy(), super().own_retry(), by_default)

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        retry = self.own_retry()
        return {
            **super().config(options, rendering),
            "fallback_action": self.fallback_action or self.retry_config.fallback_action,
            "retry": {"max_attempts": retry.max_attempts, "retry_on": list(retry.retry_on or ())},
            "fallback": [str(candidate) for candidate in self.candidates()],
        }
