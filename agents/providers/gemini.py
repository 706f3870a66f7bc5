"""Provider `gemini`: generateContent of Google's Gemini API, streamed by SSE or in one piece.

Source of the format: package google-genai 3.4, whose default path version is `v1`; a base URL that ends in a
version (`…/v1beta`) chooses another.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from elexirion.agents.providers.deadlines import Deadlines
from elexirion.agents.providers.gemini_answer import AnswerReader
from elexirion.agents.providers.port import Feature, ProviderCall, ProviderOutput, ProviderResult, TextChunk
from elexirion.agents.providers.prices import PriceTable
from elexirion.agents.providers.transport import Post, Transport, guarded

DEFAULT_API_VERSION = "v1"
FEATURES: frozenset[Feature] = frozenset(
    {"streaming", "tools", "structured_output", "functions", "system_prompt", "usage"}
)


class GeminiProvider:
    """Gemini models. Takes the options `thinking` (a thinkingConfig) and `stop_sequences`.

    The key travels as `x-goog-api-key`: the API also takes it in the URL, but URLs end up in logs.
    """

    name = "gemini"

    def __init__(
        self,
        key: str,
        base_url: str,
        prices: PriceTable,
        *,
        connections: int = 15,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._key = key.strip()
        self._base_url = base_url.rstrip("/")
        if not re.search(r"/v\d\w*$", self._base_url):
            self._base_url += f"/{DEFAULT_API_VERSION}"
        self._prices = prices
        self._transport = Transport(connections, deadlines or Deadlines())

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """Yield text chunks, then the result; raises ProviderFailed. See `port.Provider`."""
        reader = AnswerReader()
        outputs = self._outputs(call, reader)
        return guarded(outputs, provider=self.name, call=call, key=self._key, usage=lambda: reader.usage)

    def supports_feature(self, feature: Feature) -> bool:
        """Whether `feature` can be asked for."""
        return feature in FEATURES

    def get_capabilities(self) -> frozenset[Feature]:
        """All features that can be asked for."""
        return FEATURES

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _outputs(self, call: ProviderCall, reader: AnswerReader) -> AsyncGenerator[ProviderOutput, None]:
        headers = {"x-goog-api-key": self._key, "idempotency-key": call.call_id}
        post = Post(self._call_url(call), headers, request_body(call), call.timeout_s)
        async with aclosing(self._texts(post, call.stream, reader)) as texts:
            async for text in texts:
                yield TextChunk(text)
        model = reader.model or call.model
        yield ProviderResult(
            text=reader.text,
            model=model,
            stop_reason=reader.stop_reason(),
            usage=reader.usage,
            cost_usd=self._prices.cost_usd(model, reader.usage, datetime.now(UTC).date()),
            function_calls=reader.function_calls(),
        )

    async def _texts(self, post: Post, stream: bool, reader: AnswerReader) -> AsyncGenerator[str, None]:
        if not stream:
            if text := reader.take(await self._transport.document(post)):
                yield text
            return
        async with aclosing(self._transport.events(post)) as events:
            async for event in events:
                if text := reader.take_data(event.data):
                    yield text

    def _call_url(self, call: ProviderCall) -> str:
        model = quote(call.model.removeprefix("models/"), safe="")
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return f"{self._base_url}/models/{model}:{method}"


def request_body(call: ProviderCall) -> dict[str, Any]:
    """The body of generateContent and streamGenerateContent for `call`."""
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": call.prompt}]}],
        "systemInstruction": {"parts": [{"text": call.system}]} if call.system else None,
        "generationConfig": _generation_config(call),
        "tools": [{"functionDeclarations": [_declaration(f) for f in call.functions]}] if call.functions else None,
    }
    return {name: value for name, value in body.items() if value not in (None, {})}


def _generation_config(call: ProviderCall) -> dict[str, Any]:
    config: dict[str, Any] = {
        "maxOutputTokens": call.max_tokens,
        "temperature": call.temperature,
        "topP": call.top_p,
        "topK": call.top_k,
        "stopSequences": call.options.get("stop_sequences"),
        "thinkingConfig": call.options.get("thinking"),
    }
    if call.schema is not None:
        name = "responseSchema" if _is_openapi(call.schema) else "responseJsonSchema"
        config |= {"responseMimeType": "application/json", name: call.schema}
    return {name: value for name, value in config.items() if value is not None}


def _declaration(function: dict[str, Any]) -> dict[str, Any]:
    parameters = function.get("parameters")
    name = "parameters" if parameters and _is_openapi(parameters) else "parametersJsonSchema"
    declaration = {"name": function["name"], "description": function.get("description"), name: parameters}
    return {name: value for name, value in declaration.items() if value}


def _is_openapi(schema: dict[str, Any]) -> bool:
    """Whether types are spelled in the API's own OpenAPI dialect (`OBJECT`), which has fields of its own."""
    kind = schema.get("type")
    return isinstance(kind, str) and kind.isupper()
