"""Which code runs a step type: one line each; names as pipeline files spell them."""

from collections.abc import Callable

from elexirion.agents.settings import Settings
from elexirion.agents.steps import (
    claude,
    claude_extract,
    claude_robust,
    claude_session,
    claude_smart,
    codebase_query,
    data_transform,
    file_ops,
    gemini,
    gemini_function,
    gemini_structured,
    http,
    openai,
    test_echo,
)
from elexirion.agents.steps.port import StepRunner

RUNNERS: dict[str, Callable[[Settings], StepRunner]] = {
    "claude": claude.runner,
    "claude_extract": claude_extract.runner,
    "claude_robust": claude_robust.runner,
    "claude_session": claude_session.runner,
    "claude_smart": claude_smart.runner,
    "codebase_query": codebase_query.runner,
    "data_transform": data_transform.runner,
    "file_ops": file_ops.runner,
    "gemini": gemini.runner,
    "gemini_function": gemini_function.runner,
    "gemini_instructor": gemini_structured.runner,
    "gemini_structured": gemini_structured.runner,
    "http": http.runner,
    "openai": openai.runner,
    "test_echo": test_echo.runner,
}


def runners(settings: Settings) -> dict[str, StepRunner]:
    """A runner of each step type."""
    return {name: make(settings) for name, make in RUNNERS.items()}
