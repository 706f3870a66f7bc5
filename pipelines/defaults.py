"""What a workflow gives to all of its steps."""

from elexirion.pipelines.model import Model, Number, Text
from elexirion.pipelines.options import CacheOptions, ClaudeOptions, ClaudeOutputFormat, TokenBudget
from elexirion.pipelines.presets import Preset
from elexirion.pipelines.retry import RetryPolicy
from pydantic import Field


class Defaults(Model, frozen=True):
    """`defaults` of the workflow: each applies to every step that does not say otherwise."""

    claude_options: ClaudeOptions | None = None
    claude_model: Text | None = None
    claude_output_format: ClaudeOutputFormat | None = None
    claude_preset: Preset | None = None
    """Preset of every step that asks a Claude model and names none itself."""
    gemini_model: Text | None = None
    gemini_token_budget: TokenBudget | None = None
    output_dir: Text | None = None
    """Folder of `output_to_file`; stands before the workflow's own `output_dir`."""
    timeout_seconds: Number | None = Field(default=None, gt=0)
    """Longest time of one attempt of a step that has a time limit."""
    retry: RetryPolicy | None = None
    continue_on_error: bool | None = None
    cache: bool | CacheOptions | None = None
