"""Provider `claude`: Anthropic's Messages API (POST /v1/messages), streamed by SSE or in one piece.

Source of the format: package anthropic 2.12 and Anthropic's guide to API version 2026-10-21. Two things there
shape this file. Version 2026-10-21 refuses sampling parameters, so a call that sets one goes out under the version
before. Current models refuse forced tool use, so an answer by a schema is asked for with `output_config.format`.
"""

from typing import Any, Literal

import orjson
from elexirion.agents.providers.anthropic_message import MessageReader
from elexirion.agents.providers.anthropic_turns import WIRE, messages
from elexirion.agents.providers.port import ALL_FEATURES, ProviderCall
from elexirion.agents.providers.strict_schema import strict_schema
from elexirion.agents.providers.wire_format import Probe

API_VERSION = "2026-10-21"
SAMPLING_API_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 32_000

AuthForm = Literal["x-api-key", "bearer"]


class AnthropicWire:
    """Claude models. Takes the options `effort`, `thinking` and `stop_sequences` as the API defines them.

    The key travels as `x-api-key`, or as `Authorization: Bearer` with `auth="bearer"`; the API accepts both.
    """

    name = WIRE
    features = ALL_FEATURES

    def __init__(self, key: str, base_url: str, *, auth: AuthForm = "x-api-key") -> None:
        self.key = key.strip()
        self._base_url = base_url.rstrip("/").removesuffix("/v1")
        self._auth: AuthForm = auth

    def url(self, call: ProviderCall) -> str:
        """The same for every call."""
        return f"{self._base_url}/v1/messages"

    def headers(self, call: ProviderCall) -> dict[str, str]:
        """Key, call id, and the version of the API that takes the call."""
        sampled = (call.temperature, call.top_p, call.top_k) != (None, None, None)
        return {
            "anthropic-version": SAMPLING_API_VERSION if sampled else API_VERSION,
            "idempotency-key": call.call_id,
            **self._key_header(),
        }

    def probe(self) -> Probe:
        """GET /v1/models, one of them."""
        return Probe(f"{self._base_url}/v1/models?limit=1", {"anthropic-version": API_VERSION, **self._key_header()})

    def body(self, call: ProviderCall) -> dict[str, Any]:
        """The body of POST /v1/messages; tools are `functions`."""
        return request_body(call)

    def reader(self) -> MessageReader:
        """A reader of one message."""
        return MessageReader()

    def _key_header(self) -> dict[str, str]:
        return {"x-api-key": self.key} if self._auth == "x-api-key" else {"authorization": f"Bearer {self.key}"}


def request_body(call: ProviderCall) -> dict[str, Any]:
    """The body of POST /v1/messages for `call`."""
    schema = strict_schema(call.schema) if call.schema is not None else None
    output_config = {"effort": call.options.get("effort")} | (
        {"format": {"type": "json_schema", "schema": schema}} if schema is not None else {}
    )
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": call.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": messages(call),
        "system": _system(call, loose=call.schema is not None and schema is None),
        "stream": call.stream or None,
        "temperature": call.temperature,
        "top_p": call.top_p,
        "top_k": call.top_k,
        "tools": [_tool(function) for function in call.functions],
        "output_config": {name: value for name, value in output_config.items() if value is not None},
        "thinking": call.options.get("thinking"),
        "stop_sequences": call.options.get("stop_sequences"),
    }
    return {name: value for name, value in body.items() if value not in (None, {}, [])}


def _system(call: ProviderCall, *, loose: bool) -> str | None:
    """The system prompt; a schema that cannot constrain the answer is at least told to the model."""
    if not loose:
        return call.system
    wish = "Answer with one JSON value and nothing else. It matches this JSON Schema:\n"
    told = wish + orjson.dumps(call.schema).decode()
    return f"{call.system}\n\n{told}" if call.system else told


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    tool = {
        "name": function["name"],
        "description": function.get("description"),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }
    return {name: value for name, value in tool.items() if value is not None}
