"""Every step type by the name that pipeline files use: a new type is one line here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union

from elexirion.pipelines.steps.claude import ClaudeStep
from elexirion.pipelines.steps.gemini import GeminiStep
from elexirion.pipelines.steps.set_variable import SetVariableStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.steps.test_echo import TestEchoStep
from pydantic import Field

STEP_TYPES: Mapping[str, type[Step]] = {
    "claude": ClaudeStep,
    "gemini": GeminiStep,
    "set_variable": SetVariableStep,
    "test_echo": TestEchoStep,
}

# Types of the language that this version does not run yet; a line moves up when its model is there.
NOT_YET = frozenset(
    [
        "approval",
        "claude_batch",
        "claude_extract",
        "claude_robust",
        "claude_session",
        "claude_smart",
        "codebase_query",
        "data_transform",
        "delay",
        "file_ops",
        "for_loop",
        "gemini_function",
        "gemini_instructor",
        "gemini_structured",
        "http",
        "openai",
        "parallel_claude",
        "pipeline",
        "switch",
        "while_loop",
    ]
)

if TYPE_CHECKING:
    AnyStep = Step
else:
    _models: Any = tuple(dict.fromkeys(STEP_TYPES.values()))
    AnyStep = Annotated[Union[_models], Field(discriminator="type")]  # noqa: UP007 - a union of a tuple
