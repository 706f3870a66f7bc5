"""A provider behind HTTP: whatever its wire format, a call is one POST and an answer read as it comes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime

import httpx
from elexirion.agents.providers.bounds import Bounds
from elexirion.agents.providers.conversation import raw_content
from elexirion.agents.providers.deadlines import Deadlines
from elexirion.agents.providers.port import Feature, ProviderCall, ProviderOutput, ProviderResult, TextChunk
from elexirion.agents.providers.prices import PriceTable
from elexirion.agents.providers.rate_headers import NO_RATE_LIMITS, rate_limits
from elexirion.agents.providers.transport import Post, Transport, drained, guarded
from elexirion.agents.providers.wire_format import AnswerReader, WireFormat
from elexirion.events.usage import NO_USAGE, Usage


class HttpProvider:
    """The provider of one lane. `connections` bounds its pool; its options are those of the wire format.

    `network` stands in for the network in tests.
    """

    def __init__(
        self,
        wire: WireFormat,
        prices: PriceTable,
        *,
        connections: int = 10,
        deadlines: Deadlines | None = None,
        bounds: Bounds | None = None,
        network: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = wire.name
        self._wire = wire
        self._prices = prices
        self._transport = Transport(connections, deadlines or Deadlines(), bounds, network)

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """Yield text chunks, then the result; raises ProviderFailed. See `port.Provider`."""
        answer = _Answer(self._wire.reader())
        return guarded(
            self._outputs(call, answer),
            provider=self.name,
            call=call,
            key=self._wire.key,
            usage=lambda: answer.reader.usage,
            rate_limits=lambda: answer.rate_limits,
        )

    def supports_feature(self, feature: Feature) -> bool:
        """Whether `feature` can be asked for."""
        return feature in self._wire.features

    def get_capabilities(self) -> frozenset[Feature]:
        """All features that can be asked for."""
        return self._wire.features

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _outputs(self, call: ProviderCall, answer: "_Answer") -> AsyncGenerator[ProviderOutput, None]:
        reader, wire = answer.reader, self._wire
        post = Post(wire.url(call), wire.headers(call), wire.body(call), call.timeout_s, answer.hear)
        async with aclosing(self._texts(post, call.stream, reader)) as texts:
            async for text in texts:
                yield TextChunk(text)
        # An answer that was cut off is told as such before anything else of it is looked at.
        stop_reason = reader.stop_reason()
        model = reader.model or call.model
        yield ProviderResult(
            text=reader.text,
            model=model,
            stop_reason=stop_reason,
            usage=reader.usage,
            cost_usd=self._cost_usd(model, reader.usage),
            function_calls=reader.function_calls(),
            raw=raw_content(self.name, reader.content()),
            rate_limits=answer.rate_limits,
        )

    def _cost_usd(self, model: str, usage: Usage) -> float | None:
        # No call is without tokens: where the server counted none, nobody knows what it cost.
        return None if usage == NO_USAGE else self._prices.cost_usd(model, usage, datetime.now(UTC).date())

    async def _texts(self, post: Post, stream: bool, reader: AnswerReader) -> AsyncGenerator[str, None]:
        if not stream:
            if text := reader.take_whole(await self._transport.document(post)):
                yield text
            return
        async with aclosing(self._transport.events(post)) as events:
            async for event in events:
                if text := reader.take(event.data):
                    yield text
                if reader.ended:
                    await drained(events)
                    return


class _Answer:
    """What one call has been told so far, in headers and body, whichever way it ends."""

    def __init__(self, reader: AnswerReader) -> None:
        self.reader = reader
        self.rate_limits = NO_RATE_LIMITS

    def hear(self, headers: Mapping[str, str]) -> None:
        """Note what the headers say."""
        self.rate_limits = rate_limits(headers, datetime.now(UTC))
