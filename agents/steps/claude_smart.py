"""claude_smart: a claude step; its preset was resolved when it was scheduled."""

from elexirion.agents.settings import Settings
from elexirion.agents.steps import claude
from elexirion.agents.steps.port import StepRunner


def runner(settings: Settings) -> StepRunner:
    """The runner of `claude_smart` steps."""
    return claude.runner(settings)
