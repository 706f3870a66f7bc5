"""How the tests of step types run one execution: the real worker and the real provider, which asks the stub."""

from dataclasses import dataclass
from typing import Any

from elexirion.agents.providers.anthropic import AnthropicWire
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.prices import load_prices
from elexirion.agents.settings import Settings
from elexirion.agents.steps.claude import model_step
from elexirion.events.record_model import RecordModel
from elexirion.events.step import StepChunk, StepCompleted, StepFailed
from elexirion.events.values import Inline, Value

from tests.agents.working import Broker, execute, executor_of, until
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction


@dataclass(frozen=True, slots=True)
class Ended:
    """What one execution sent."""

    broker: Broker

    @property
    def completed(self) -> StepCompleted:
        data = self.broker.sent[-1].data
        assert isinstance(data, StepCompleted), data
        return data

    @property
    def failed(self) -> StepFailed:
        data = self.broker.sent[-1].data
        assert isinstance(data, StepFailed), data
        return data

    @property
    def result(self) -> Any:
        return plain(self.completed.result)

    @property
    def text(self) -> str:
        """All that was streamed."""
        return "".join(record.data.text for record in self.broker.sent if isinstance(record.data, StepChunk))

    def of(self, *types: type[RecordModel]) -> list[Any]:
        """The events of these types, in order."""
        return [record.data for record in self.broker.sent if isinstance(record.data, types)]


def plain(value: Value) -> Any:
    """A value that stands in its record."""
    assert isinstance(value, Inline)
    return value.value


async def ended(stub: StubServer, config: dict[str, Any], timeout_s: float | None = 30, **settings: Any) -> Ended:
    """Run a claude step with this rendered config to its end."""
    provider = HttpProvider(AnthropicWire("key", stub.url), load_prices())
    broker = Broker()
    runner = model_step(Settings(**{"trust_run_folders": True, **settings}))
    executor = executor_of(broker, runner, provider=provider)
    executor.accept(execute(lane="claude", timeout_s=timeout_s, input=Inline(value={"prompt": "rivers", **config})))
    await until(lambda: not executor.held_ids(), within_s=30)
    await provider.aclose()
    return Ended(broker)


def script(stub: StubServer, *answers: Answer) -> None:
    """The answers to the calls, one after another."""
    stub.script(*(Rule(nth=1, answer=answer) for answer in answers))


def asks(*functions: tuple[str, dict[str, Any]], text: str = "", **fields: Any) -> Answer:
    """An answer that asks for tools, with the text before them."""
    tools = tuple(ScriptedFunction(name=name, arguments=arguments) for name, arguments in functions)
    return Answer(chunks=(text,) if text else (), functions=tools, **fields)


def says(text: str, **fields: Any) -> Answer:
    """An answer of text."""
    return Answer(chunks=(text,), **fields)
