"""openai: one question to a model behind an OpenAI-compatible API; the result is its text."""

from collections.abc import Mapping
from dataclasses import dataclass

from elexirion.agents.providers.models import resolve_model
from elexirion.agents.settings import Settings
from elexirion.agents.steps.model_call import ModelStep
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.events.failure import Failure


def runner(settings: Settings) -> StepRunner:
    """The runner of `openai` steps."""
    return OpenAIStep(ModelStep(settings.model_aliases), settings.model_aliases)


@dataclass(frozen=True, slots=True)
class OpenAIStep:
    """Asks with `ask` once it is known which model is meant: no server has the same models as another."""

    ask: StepRunner
    aliases: Mapping[str, str]

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """The model's answer; raises StepError, also where nobody names a model."""
        try:
            resolve_model(work.lane, work.config.get("model"), self.aliases)
        except ValueError as error:
            raise StepError(Failure(kind="invalid_request", message=str(error))) from error
        return await self.ask(work, io)
