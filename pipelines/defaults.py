"""What a workflow gives to all of its steps."""

from elexirion.pipelines.model import Model, Number, Text
from elexirion.pipelines.options import CacheOptions, ClaudeOptions, ClaudeOutputFormat, TokenBudget
from elexirion.pipelines.presets import Preset
from elexirion.pipelines.retry import RetryPolicy
from pydantic import Field


class Defaults(Model, frozen=True):
    """`defaults` of the workflow: each applies to every step that does not say otherwise."""

    claude_options: ClaudeOptions | None = None
    """Options of all steps that ask a Claude model, key by key."""
    claude_model: Text | None = None
    """Model of all steps that ask a Claude model."""
    claude_output_format: ClaudeOutputFormat | None = None
    """Output format of all steps that ask a Claude model."""
    claude_preset: Preset | None = None
    """Preset of every step that asks a Claude model and names none itself."""
    gemini_model: Text | None = None
    """Model of all steps that ask a Gemini model."""
    gemini_token_budget: TokenBudget | None = None
    """Limits of all answers of Gemini models, key by key."""
    output_dir: Text | None = None
    """Folder of `output_to_file`; stands before the workflow's own `output_dir`."""
    timeout_seconds: Number | None = Field(default=None, gt=0)
    """Longest time of one attempt of a step that has a time limit."""
    retry: RetryPolicy | None = None
    """How often and how fast a failed attempt is repeated."""
    continue_on_error: bool | None = None
    """Whether runs go on when a step fails."""
    cache: bool | CacheOptions | None = None
    """Whether equal calls take stored results."""
