"""The `output_schema` of step types whose own code knows nothing of it."""

from dataclasses import replace
from typing import Any

from elexirion.agents.steps import schema_answer
from elexirion.agents.steps.port import Outcome, StepError
from elexirion.agents.steps.schema_answer import Mismatch


def fitting(outcome: Outcome, schema: dict[str, Any] | None) -> Outcome:
    """The outcome with its result read and validated by the schema, where there is one.

    Raises StepError saying where it does not fit; what was spent on it is counted all the same.
    """
    if not schema:
        return outcome
    try:
        fitted = schema_answer.fitted_value(outcome.result, schema_answer.validator(schema))
        if isinstance(fitted, Mismatch):
            raise schema_answer.failure(fitted, what="result")
    except StepError as error:
        raise StepError(error.failure, outcome.usage, outcome.cost_usd) from error
    return replace(outcome, result=fitted)
