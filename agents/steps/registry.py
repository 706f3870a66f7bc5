"""Which code runs a step type: one line each; names as pipeline files spell them."""

from collections.abc import Callable

from elexirion.agents.settings import Settings
from elexirion.agents.steps import claude, gemini, test_echo
from elexirion.agents.steps.port import StepRunner

RUNNERS: dict[str, Callable[[Settings], StepRunner]] = {
    "claude": claude.runner,
    "gemini": gemini.runner,
    "test_echo": test_echo.runner,
}


def runners(settings: Settings) -> dict[str, StepRunner]:
    """A runner of each step type."""
    return {name: make(settings) for name, make in RUNNERS.items()}
