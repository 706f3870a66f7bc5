"""data_transform: rows filtered, mapped, joined, grouped, sorted and summed up."""

from functools import partial
from typing import Any

from elexirion.agents.data import limited, request
from elexirion.agents.data.values import DataRefused
from elexirion.agents.settings import Settings
from elexirion.agents.steps.in_thread import Stop, in_thread
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.events.failure import Failure


def runner(settings: Settings) -> StepRunner:
    """The runner of `data_transform` steps; it needs no setting."""
    return run


async def run(work: Work, io: StepIO) -> Outcome:
    """Run the rendered config `{input, operations, output_format, names, now}`; the result is the value alone."""
    try:
        if request.needs_limits(work.config):
            return Outcome(await limited.answered(work.config))
        return Outcome(await in_thread(partial(_answered, work.config)))
    except DataRefused as error:
        raise StepError(Failure(kind="step_error", message=f"data_transform: {error}")) from None


def _answered(config: dict[str, Any], stop: Stop) -> Any:
    try:
        return request.answer(config, stop.check)
    except RecursionError:
        raise DataRefused("the data is nested too deeply") from None
