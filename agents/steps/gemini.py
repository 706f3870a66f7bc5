"""gemini: one question to a Gemini model; the result is its text, or the functions it calls."""

from elexirion.agents.settings import Settings
from elexirion.agents.steps.model_call import ModelStep
from elexirion.agents.steps.port import StepRunner


def runner(settings: Settings) -> StepRunner:
    """The runner of `gemini` steps."""
    return ModelStep(settings.model_aliases)
