"""What a running step does is recorded as it happens."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber, RequestTimedOutError
from elexirion.agents.providers.port import (
    Feature,
    ProviderCall,
    ProviderFailed,
    ProviderOutput,
    ProviderResult,
    TextChunk,
)
from elexirion.agents.steps.port import StepError
from elexirion.agents.worker.step_io import CHUNK_WINDOW, ExecutionIO
from elexirion.events.failure import Failure
from elexirion.events.usage import Usage
from elexirion.events.values import Inline

from tests.agents.working import Broker, execute, reports_over, until

RESULT = ProviderResult("hello world", "model-1", "end_turn", Usage(input_tokens=1, output_tokens=2), 0.5)


class Model:
    """A provider that says these items; `log_at_call` is what stood in the log when it was called."""

    name = "claude"

    def __init__(self, broker: Broker, *items: ProviderOutput | ProviderFailed) -> None:
        self.broker = broker
        self.items = items
        self.log_at_call: list[str] | None = None

    async def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        self.log_at_call = self.broker.types()
        for item in self.items:
            if isinstance(item, ProviderFailed):
                raise item
            yield item

    def supports_feature(self, feature: Feature) -> bool:
        return False

    def get_capabilities(self) -> frozenset[Feature]:
        return frozenset()

    async def aclose(self) -> None:
        return


async def keep(run_id: str, value: object) -> Inline:
    return Inline(value=value)


def io_of(broker: Broker, model: Model | None = None) -> ExecutionIO:
    cause = execute(lane="claude")
    return ExecutionIO(cause, cause.data, reports_over(broker), model, keep)  # type: ignore[arg-type]  # an ExecuteStep


def asked(io: ExecutionIO) -> ProviderCall:
    return ProviderCall(call_id=io.next_call_id(), model="model-1", prompt="secret prompt")


async def test_a_request_stands_in_the_log_before_the_call_is_made() -> None:
    broker = Broker()
    model = Model(broker, TextChunk("hello "), TextChunk("world"), RESULT)
    io = io_of(broker, model)
    assert await io.call(asked(io)) == RESULT
    assert model.log_at_call == ["ProviderRequested"]
    assert broker.types() == ["ProviderRequested", "StepChunk", "StepChunk", "ProviderResponded"]
    assert "secret prompt" not in str(broker.of("ProviderRequested")[0].raw)


async def test_a_call_waits_for_the_acknowledgement_of_its_request() -> None:
    broker = Broker(silent=True)
    model = Model(broker, RESULT)
    io = io_of(broker, model)
    call = asyncio.create_task(io.call(asked(io)))
    await until(lambda: broker.unanswered)
    assert model.log_at_call is None
    broker.answer()
    assert await call == RESULT


async def test_a_request_that_cannot_be_recorded_is_not_made() -> None:
    broker = Broker(lambda record: OutOfOrderSequenceNumber())
    model = Model(broker, RESULT)
    io = io_of(broker, model)
    with pytest.raises(StepError, match="the call was not made"):
        await io.call(asked(io))
    assert model.log_at_call is None


async def test_a_call_waits_for_a_broker_that_is_away_and_fails_nothing() -> None:
    refusals = iter([RequestTimedOutError(), RequestTimedOutError()])
    broker = Broker(lambda record: next(refusals, None))
    model = Model(broker, RESULT)
    io = io_of(broker, model)
    assert await io.call(asked(io)) == RESULT
    assert broker.types() == ["ProviderRequested"] * 3 + ["ProviderResponded"]
    assert len({record.id for record in broker.of("ProviderRequested")}) == 1


async def test_a_chunk_waits_for_a_broker_that_is_away() -> None:
    refusals = iter([RequestTimedOutError()])
    broker = Broker(at_once=lambda record: next(refusals, None))
    io = io_of(broker)
    await io.chunk("text")
    await io.settle()
    assert [chunk.raw["n"] for chunk in broker.sent] == [1]


async def test_chunks_are_numbered_counted_and_hashed() -> None:
    broker = Broker()
    io = io_of(broker)
    assert io.text_sha256 is None
    for text in ("grüße ", "", "世界"):
        await io.chunk(text)
    await io.settle()
    assert [(chunk.raw["n"], chunk.raw["text"]) for chunk in broker.sent] == [
        (1, "grüße "),
        (2, ""),
        (3, "世界"),
    ]
    assert [chunk.id for chunk in broker.sent] == [f"run-1/s#1/chunk/{n}" for n in (1, 2, 3)]
    assert io.chunks == 3
    assert io.text_sha256 == hashlib.sha256("grüße 世界".encode()).hexdigest()


async def test_a_chunk_that_was_not_written_fails_the_step() -> None:
    io = io_of(Broker(lambda record: RequestTimedOutError()))
    await io.chunk("lost")
    with pytest.raises(StepError, match="a chunk was not written"):
        await io.settle()


async def test_a_stream_waits_for_a_broker_that_is_slower() -> None:
    broker = Broker(silent=True)
    io = io_of(broker)

    async def stream() -> None:
        for _ in range(CHUNK_WINDOW + 1):
            await io.chunk("x")

    streaming = asyncio.create_task(stream())
    await until(lambda: len(broker.sent) == CHUNK_WINDOW)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(broker.sent) == CHUNK_WINDOW
    broker.answer()
    await streaming
    assert io.chunks == CHUNK_WINDOW + 1


async def test_a_failed_call_is_recorded_with_what_it_spent() -> None:
    spent = Usage(input_tokens=7)
    failure = Failure(kind="rate_limited", message="slow down", retry_after_s=3.0)
    broker = Broker()
    io = io_of(broker, Model(broker, TextChunk("he"), ProviderFailed(failure, spent)))
    with pytest.raises(StepError) as raised:
        await io.call(asked(io))
    assert (raised.value.failure, raised.value.usage, raised.value.cost_usd) == (failure, spent, None)
    said = broker.of("ProviderResponded")[0].raw
    assert (said["failure"]["kind"], said["usage"]["input_tokens"]) == ("rate_limited", 7)


async def test_a_stream_that_ends_without_a_result_is_a_cut_one() -> None:
    broker = Broker()
    io = io_of(broker, Model(broker, TextChunk("he")))
    with pytest.raises(StepError) as raised:
        await io.call(asked(io))
    assert raised.value.failure.kind == "cut_stream"


async def test_every_call_of_an_execution_has_its_own_id() -> None:
    broker = Broker()
    io = io_of(broker, Model(broker, RESULT))
    await io.call(asked(io))
    await io.call(asked(io))
    assert [record.raw["call_id"] for record in broker.of("ProviderRequested")] == [
        "run-1/s#1/1",
        "run-1/s#1/2",
    ]
    assert len({record.id for record in broker.sent}) == 4


async def test_a_lane_without_a_provider_says_so() -> None:
    io = io_of(Broker())
    with pytest.raises(StepError, match="lane claude has no provider"):
        await io.call(asked(io))
