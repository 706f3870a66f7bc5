"""How the tests of Claude step types run one execution: the real worker, and a model that answers as it is told."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from elexirion.agents.providers.port import (
    Feature,
    ProviderCall,
    ProviderFailed,
    ProviderOutput,
    ProviderResult,
    TextChunk,
)
from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepRunner
from elexirion.agents.steps.registry import RUNNERS
from elexirion.events.failure import Failure, FailureKind
from elexirion.events.usage import Usage
from elexirion.events.values import Inline

from tests.agents.steps.running import Ended
from tests.agents.working import Broker, execute, executor_of, until

USAGE = Usage(input_tokens=3, output_tokens=2)
PRICE_USD = 0.25


@dataclass
class Model:
    """A provider that gives these answers one after another, and keeps what it was asked."""

    answers: list[str | ProviderFailed]
    calls: list[ProviderCall] = field(default_factory=list)
    price_usd: float | None = PRICE_USD
    name: str = "claude"

    async def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        self.calls.append(call)
        answer = self.answers[len(self.calls) - 1]
        if isinstance(answer, ProviderFailed):
            raise answer
        if answer:
            yield TextChunk(answer)
        yield ProviderResult(answer, "model-1", "end_turn", USAGE, self.price_usd)

    def supports_feature(self, feature: Feature) -> bool:
        return True

    def get_capabilities(self) -> frozenset[Feature]:
        return frozenset()

    async def aclose(self) -> None:
        return


def model(*answers: str | ProviderFailed) -> Model:
    """A model with these answers."""
    return Model(list(answers))


def failing(kind: FailureKind = "overloaded", usage: Usage | None = None) -> ProviderFailed:
    """A call that fails."""
    return ProviderFailed(Failure(kind=kind, message=f"it was {kind}"), usage)


def runner_of(step_type: str) -> StepRunner:
    """The runner of a step type, as a worker makes it."""
    return RUNNERS[step_type](Settings())


async def run(
    runner: StepRunner, provider: Any, config: dict[str, Any], *, attempt: int = 1, timeout_s: float | None = 30
) -> Ended:
    """One execution to its end."""
    broker = Broker()
    executor = executor_of(broker, runner, provider=provider)
    data = {"system": None, "model": None, "options": {}, "output_schema": None, "streaming": True, **config}
    executor.accept(execute(lane="claude", attempt=attempt, timeout_s=timeout_s, input=Inline(value=data)))
    await until(lambda: not executor.held_ids(), within_s=30)
    return Ended(broker)
