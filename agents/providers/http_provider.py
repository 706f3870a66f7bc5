"""A provider behind HTTP: whatever its wire format, a call is one POST and an answer read as it comes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from elexirion.agents.providers.conversation import raw_content
from elexirion.agents.providers.deadlines import Deadlines
from elexirion.agents.providers.port import Feature, ProviderCall, ProviderOutput, ProviderResult, TextChunk
from elexirion.agents.providers.prices import PriceTable
from elexirion.agents.providers.transport import Post, Transport, drained, guarded
from elexirion.agents.providers.wire_format import AnswerReader, WireFormat
from elexirion.events.usage import NO_USAGE, Usage


class HttpProvider:
    """The provider of one lane. `connections` bounds its pool; its options are those of the wire format."""

    def __init__(
        self, wire: WireFormat, prices: PriceTable, *, connections: int = 10, deadlines: Deadlines | None = None
    ) -> None:
        self.name = wire.name
        self._wire = wire
        self._prices = prices
        self._transport = Transport(connections, deadlines or Deadlines())

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """Yield text chunks, then the result; raises ProviderFailed. See `port.Provider`."""
        reader = self._wire.reader()
        outputs = self._outputs(call, reader)
        return guarded(outputs, provider=self.name, call=call, key=self._wire.key, usage=lambda: reader.usage)

    def supports_feature(self, feature: Feature) -> bool:
        """Whether `feature` can be asked for."""
        return feature in self._wire.features

    def get_capabilities(self) -> frozenset[Feature]:
        """All features that can be asked for."""
        return self._wire.features

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _outputs(self, call: ProviderCall, reader: AnswerReader) -> AsyncGenerator[ProviderOutput, None]:
        post = Post(self._wire.url(call), self._wire.headers(call), self._wire.body(call), call.timeout_s)
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
