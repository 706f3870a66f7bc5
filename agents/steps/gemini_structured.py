"""gemini_structured and gemini_instructor: data from a Gemini model, by a schema; without one, any JSON object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from elexirion.agents.settings import Settings
from elexirion.agents.steps.asking import Asking
from elexirion.agents.steps.model_call import ModelStep
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.pipelines.json_text import parsed

PREFIX = "Gemini structured output failed: "
ANY_OBJECT: dict[str, Any] = {"type": "object"}


def runner(settings: Settings) -> StepRunner:
    """The runner of `gemini_structured` and `gemini_instructor` steps."""
    return StructuredStep(ModelStep(settings.model_aliases), settings.model_aliases)


@dataclass(frozen=True, slots=True)
class StructuredStep:
    """Runs the config of a `gemini` step; `ask` validates and repairs where it has an `output_schema`."""

    ask: StepRunner
    aliases: Mapping[str, str]

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """The data; raises StepError, whose message says that it was structured output that failed."""
        try:
            return await (self.ask(work, io) if work.config.get("output_schema") else self._any_object(work, io))
        except StepError as error:
            failure = error.failure.model_copy(update={"message": PREFIX + error.failure.message})
            raise StepError(failure, error.usage, error.cost_usd) from error

    async def _any_object(self, work: Work, io: StepIO) -> Outcome:
        """An object where the model writes one; any other text as `{content}`, since nobody said what is expected."""
        asked = replace(work, config={**work.config, "output_schema": ANY_OBJECT})
        asking = Asking(self.aliases, asked, io)
        answer = await asking.ask(str(work.config.get("prompt") or ""))
        data = parsed(answer.text)
        return Outcome(
            result=data if isinstance(data, dict | list) else {"content": answer.text}, usage=asking.usage,
            cost_usd=asking.cost_usd, model=answer.model, stop_reason=answer.stop_reason,
        )  # fmt: skip
