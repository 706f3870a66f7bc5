"""Options of the providers, as steps and `defaults` give them."""

from typing import Annotated, Any, Literal

from elexirion.pipelines.model import Model, Number, Positive, Text
from elexirion.pipelines.retry import RetryConfig
from pydantic import BeforeValidator, Field


def _with_underscore(value: Any) -> Any:
    return value.replace("-", "_") if isinstance(value, str) else value


ClaudeOutputFormat = Annotated[
    Literal["text", "json", "stream_json"],
    BeforeValidator(_with_underscore, json_schema_input_type=Literal["text", "json", "stream_json", "stream-json"]),
]


class ClaudeOptions(Model, frozen=True):
    """`claude_options` of a step or of `defaults`; a key that is not given has no effect."""

    model: Text | None = None
    """A model's name, or one of the aliases haiku, sonnet and opus."""
    max_turns: Positive | None = None
    """Turns of the conversation with tools before the step ends."""
    system_prompt: str | None = None
    """What the model is told before the prompt."""
    append_system_prompt: str | None = None
    """Text added below the system prompt."""
    allowed_tools: tuple[str, ...] | None = None
    """Tools that the model may use; `*` stands for all, an empty list for none."""
    disallowed_tools: tuple[str, ...] | None = None
    """Tools that the model may not use, whatever is allowed."""
    output_format: ClaudeOutputFormat | None = None
    """`json` makes a result of the answer's data; the other two give its text."""
    timeout_ms: Positive | None = None
    """Longest time of one attempt, in milliseconds."""
    fallback_model: Text | None = None
    """Model that is asked when the first one is not available."""
    temperature: Number | None = Field(default=None, ge=0, le=1)
    """Higher values vary the answer more."""
    max_tokens: Positive | None = None
    """Longest answer, in tokens."""
    top_p: Number | None = Field(default=None, ge=0, le=1)
    """Share of probability from which words are chosen."""
    top_k: Positive | None = None
    """How many words are chosen from."""
    stop_sequences: tuple[str, ...] | None = None
    """Texts at which the answer ends."""
    cwd: Text | None = None
    """Folder below the workspace in which the tools work."""
    session_id: Text | None = None
    """Name of a conversation."""
    retry_config: RetryConfig | None = None
    """An older spelling of the step's `retry`."""


class TokenBudget(Model, frozen=True):
    """`token_budget` of Gemini steps and `gemini_token_budget` of `defaults`."""

    max_output_tokens: Positive | None = None
    """Longest answer, in tokens."""
    temperature: Number | None = Field(default=None, ge=0, le=2)
    """Higher values vary the answer more."""
    top_p: Number | None = Field(default=None, ge=0, le=1)
    """Share of probability from which words are chosen."""
    top_k: Positive | None = None
    """How many words are chosen from."""


class CacheOptions(Model, frozen=True):
    """`cache` with an age of its own."""

    ttl_seconds: Positive = 3600
    """Age at which a stored result is stale."""
