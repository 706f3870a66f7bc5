"""Every step type by the name that pipeline files use: a new type is one line here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union

from elexirion.pipelines.steps.approval import ApprovalStep
from elexirion.pipelines.steps.claude import ClaudeStep
from elexirion.pipelines.steps.claude_batch import ClaudeBatchStep
from elexirion.pipelines.steps.claude_extract import ClaudeExtractStep
from elexirion.pipelines.steps.claude_robust import ClaudeRobustStep
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep
from elexirion.pipelines.steps.claude_smart import ClaudeSmartStep
from elexirion.pipelines.steps.codebase_query import CodebaseQueryStep
from elexirion.pipelines.steps.data_transform import DataTransformStep
from elexirion.pipelines.steps.delay import DelayStep
from elexirion.pipelines.steps.file_ops import FileOpsStep
from elexirion.pipelines.steps.for_loop import ForLoopStep
from elexirion.pipelines.steps.gemini import GeminiStep
from elexirion.pipelines.steps.gemini_function import GeminiFunctionStep
from elexirion.pipelines.steps.gemini_structured import GeminiStructuredStep
from elexirion.pipelines.steps.http import HttpStep
from elexirion.pipelines.steps.openai import OpenAIStep
from elexirion.pipelines.steps.parallel_claude import ParallelClaudeStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.set_variable import SetVariableStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.steps.switch import SwitchStep
from elexirion.pipelines.steps.test_echo import TestEchoStep
from elexirion.pipelines.steps.while_loop import WhileLoopStep
from pydantic import Field

STEP_TYPES: Mapping[str, type[Step]] = {
    "approval": ApprovalStep,
    "claude": ClaudeStep,
    "claude_batch": ClaudeBatchStep,
    "claude_extract": ClaudeExtractStep,
    "claude_robust": ClaudeRobustStep,
    "claude_session": ClaudeSessionStep,
    "claude_smart": ClaudeSmartStep,
    "codebase_query": CodebaseQueryStep,
    "data_transform": DataTransformStep,
    "delay": DelayStep,
    "file_ops": FileOpsStep,
    "for_loop": ForLoopStep,
    "gemini": GeminiStep,
    "gemini_function": GeminiFunctionStep,
    "gemini_instructor": GeminiStructuredStep,
    "gemini_structured": GeminiStructuredStep,
    "http": HttpStep,
    "openai": OpenAIStep,
    "parallel_claude": ParallelClaudeStep,
    "pipeline": PipelineStep,
    "set_variable": SetVariableStep,
    "switch": SwitchStep,
    "test_echo": TestEchoStep,
    "while_loop": WhileLoopStep,
}

if TYPE_CHECKING:
    AnyStep = Step
else:
    _models: Any = tuple(dict.fromkeys(STEP_TYPES.values()))
    AnyStep = Annotated[Union[_models], Field(discriminator="type")]  # noqa: UP007 - a union of a tuple
    # Steps that hold steps name this union, which is known from here on; the rest is for `schema` to add.
    for _model in _models:
        _model.model_rebuild(raise_errors=False, _types_namespace={"AnyStep": AnyStep})
