"""Provider `openai`: POST …/chat/completions, the format that OpenAI defined and many servers speak.

A model server on this machine counts as well as OpenAI's own API: where the calls go is a setting of the operator
(`openai_base_url`) and never part of a pipeline. Source of the format: OpenAI's API reference, chat completions.
"""

from typing import Any
from urllib.parse import urlsplit

from elexirion.agents.providers.openai_answer import CompletionReader
from elexirion.agents.providers.openai_turns import WIRE, messages
from elexirion.agents.providers.port import ALL_FEATURES, ProviderCall
from elexirion.agents.providers.strict_schema import strict_schema
from elexirion.agents.providers.wire_format import Probe

OPENAI_HOST = "api.openai.com"


class OpenAIWire:
    """Models behind the chat completions format. Takes the options `stop_sequences`, `seed`, `reasoning_effort`,
    `frequency_penalty`, `presence_penalty` and `function_use`.

    With `function_use: required` the model has to call one of the functions it is offered. `base_url` may leave its
    path `/v1` out. Without a key none is sent, which suits a server that asks for none.
    """

    name = WIRE
    features = ALL_FEATURES

    def __init__(self, key: str, base_url: str) -> None:
        self.key = key.strip()
        base_url = base_url.rstrip("/")
        self._official = is_openai(base_url)
        self._base_url = base_url if _path(base_url) else f"{base_url}/v1"

    def url(self, call: ProviderCall) -> str:
        """The same for every call."""
        return f"{self._base_url}/chat/completions"

    def headers(self, call: ProviderCall) -> dict[str, str]:
        """Key and call id."""
        return {"idempotency-key": call.call_id, **self._key_header()}

    def probe(self) -> Probe:
        """GET …/models, the whole list: the format has no shorter one."""
        return Probe(f"{self._base_url}/models", self._key_header())

    def body(self, call: ProviderCall) -> dict[str, Any]:
        """The body of a chat completion; the token limit is named as the server knows it."""
        return request_body(call, "max_completion_tokens" if self._official else "max_tokens")

    def reader(self) -> CompletionReader:
        """A reader of one answer."""
        return CompletionReader()

    def _key_header(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


def is_openai(base_url: str) -> bool:
    """Whether the address is OpenAI's own API, which wants a key and the newer name of the token limit."""
    try:
        return urlsplit(base_url).hostname == OPENAI_HOST
    except ValueError:
        return False


def request_body(call: ProviderCall, token_limit: str = "max_tokens") -> dict[str, Any]:
    """The body of POST …/chat/completions for `call`; `token_limit` is the field of the longest answer.

    Servers older than `max_completion_tokens` know only `max_tokens`, which OpenAI's newer models refuse.
    """
    body: dict[str, Any] = {
        "model": call.model,
        "messages": messages(call),
        "stream": call.stream or None,
        "stream_options": {"include_usage": True} if call.stream else None,
        token_limit: call.max_tokens,
        "temperature": call.temperature,
        "top_p": call.top_p,
        "top_k": call.top_k,
        "stop": call.options.get("stop_sequences"),
        "seed": call.options.get("seed"),
        "reasoning_effort": call.options.get("reasoning_effort"),
        "frequency_penalty": call.options.get("frequency_penalty"),
        "presence_penalty": call.options.get("presence_penalty"),
        "tools": [_tool(function) for function in call.functions],
        "tool_choice": "required" if call.functions and call.options.get("function_use") == "required" else None,
        "response_format": _response_format(call.schema) if call.schema is not None else None,
    }
    return {name: value for name, value in body.items() if value not in (None, [])}


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    declared = {
        "name": function["name"],
        "description": function.get("description"),
        "parameters": function.get("parameters") or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": {name: value for name, value in declared.items() if value is not None}}


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """Strict where the schema is closed and all of it required, as strict answers must be; else a wish."""
    strict = strict_schema(schema)
    if strict is None or not _all_required(strict):
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": strict, "strict": True}}


def _all_required(schema: Any) -> bool:
    match schema:
        case {"properties": dict(properties)}:
            named = set(schema.get("required") or ())
            return named == properties.keys() and all(_all_required(one) for one in schema.values())
        case dict():
            return all(_all_required(one) for one in schema.values())
        case list():
            return all(_all_required(one) for one in schema)
        case _:
            return True


def _path(base_url: str) -> str:
    try:
        return urlsplit(base_url).path
    except ValueError:
        return ""
