"""claude_extract: a claude step whose result is what its `extraction_config` takes out of the answer."""

from dataclasses import dataclass, replace
from typing import Any

import orjson
from elexirion.agents.settings import Settings
from elexirion.agents.steps import claude, schema_answer
from elexirion.agents.steps.extraction import Extraction, NothingSaid, extracted
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.agents.steps.schema_answer import Mismatch
from elexirion.agents.steps.spent import Spent
from elexirion.events.failure import Failure


def runner(settings: Settings) -> StepRunner:
    """The runner of `claude_extract` steps."""
    return ExtractStep(claude.runner(settings))


@dataclass(frozen=True, slots=True)
class ExtractStep:
    """Runs the config of a claude step with `extraction`, the fields of `Extraction`; `ask` runs the claude step."""

    ask: StepRunner

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """The extracted value; raises StepError where nothing was said, or where it does not fit the schema."""
        wanted = Extraction(**work.config["extraction"])
        outcome = await self.ask(work, io)
        try:
            return replace(outcome, result=_value(outcome, wanted))
        except StepError as error:
            raise Spent().plus(outcome).on_error(error) from error


def _value(outcome: Outcome, wanted: Extraction) -> Any:
    about = {"model": outcome.model, "stop_reason": outcome.stop_reason}
    try:
        value = extracted(outcome.result, wanted, about)
    except NothingSaid:
        raise StepError(Failure(kind="step_error", message="the model's answer is empty")) from None
    if wanted.schema is not None and wanted.format not in ("json", "structured"):
        _check(value, wanted)
    return value


def _check(value: Any, wanted: Extraction) -> None:
    """Whether a text fits; data was held against the schema when it was answered."""
    text = value["content"] if isinstance(value, dict) else value
    assert wanted.schema is not None
    fitted = schema_answer.fitted(orjson.dumps(text).decode(), schema_answer.validator(wanted.schema))
    if isinstance(fitted, Mismatch):
        raise schema_answer.failure(fitted, f"extraction_config ({wanted.format}): ")
