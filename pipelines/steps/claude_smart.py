"""`claude_smart`: one conversation with a Claude model, with the options of a preset."""

from typing import ClassVar, Literal

from elexirion.pipelines.steps.claude import PromptedClaudeCall


class ClaudeSmartStep(PromptedClaudeCall, frozen=True):
    """Asks a Claude model with a preset: of the step, of `defaults`, of `environment.mode`, or development."""

    always_preset: ClassVar[bool] = True
    result_doc: ClassVar[str] = "As that of `claude`."

    type: Literal["claude_smart"]
