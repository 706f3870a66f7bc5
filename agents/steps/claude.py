"""claude: a question to a Claude model, which may use tools; the result is its text."""

from elexirion.agents.settings import Settings
from elexirion.agents.steps.model_call import ModelStep
from elexirion.agents.steps.port import StepRunner
from elexirion.agents.steps.toolkit import Toolkit


def runner(settings: Settings) -> StepRunner:
    """The runner of `claude` steps."""
    return model_step(settings)


def model_step(settings: Settings) -> ModelStep:
    """A question to Claude, for the step types that ask one or several."""
    return ModelStep(settings.model_aliases, Toolkit.of(settings))
