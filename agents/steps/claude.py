"""claude: one question to a Claude model; the result is its text."""

from elexirion.agents.settings import Settings
from elexirion.agents.steps.model_call import ModelStep
from elexirion.agents.steps.port import StepRunner


def runner(settings: Settings) -> StepRunner:
    """The runner of `claude` steps."""
    return ModelStep("claude", settings.model_aliases)
