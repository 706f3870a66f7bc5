"""What a scripted model says, and what is read of the calls and reports of a step."""

from typing import Any

from elexirion.events.step import StepCompleted

from tests.e2e.language.runner import Ended
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer


def said(*pieces: str, **keys: Any) -> Answer:
    """An answer in these chunks."""
    return Answer(chunks=pieces, **keys)


def completed(ended: Ended, step: str) -> StepCompleted:
    """The report that ended a step."""
    return next(data for data in ended.of(StepCompleted) if f"/{step}#" in data.execution_id)


def by_step(stub: StubServer) -> dict[str, StubCall]:
    """The last call of each step."""
    return {str(call.asked.call_id).split("/", 1)[1].rpartition("#")[0]: call for call in stub.calls()}
