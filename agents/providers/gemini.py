"""Provider `gemini`: generateContent of Google's Gemini API, streamed by SSE or in one piece.

Source of the format: package google-genai 3.4, whose default path version is `v1`; a base URL that ends in a
version (`…/v1beta`) chooses another.
"""

import re
from typing import Any
from urllib.parse import quote

from elexirion.agents.providers.gemini_answer import PiecesReader
from elexirion.agents.providers.gemini_turns import WIRE, contents
from elexirion.agents.providers.port import ALL_FEATURES, ProviderCall
from elexirion.agents.providers.wire_format import Probe

DEFAULT_API_VERSION = "v1"


class GeminiWire:
    """Gemini models. Takes the options `thinking` (a thinkingConfig), `stop_sequences` and `function_use`.

    With `function_use: required` the model has to call one of the functions it is offered; `expected` is a hint that
    this API has no word for. The key travels as `x-goog-api-key`: the API also takes it in the URL, but URLs end up
    in logs.
    """

    name = WIRE
    features = ALL_FEATURES

    def __init__(self, key: str, base_url: str) -> None:
        self.key = key.strip()
        self._base_url = base_url.rstrip("/")
        if not re.search(r"/v\d\w*$", self._base_url):
            self._base_url += f"/{DEFAULT_API_VERSION}"

    def url(self, call: ProviderCall) -> str:
        """The method of the model that is asked."""
        model = quote(call.model.removeprefix("models/"), safe="")
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return f"{self._base_url}/models/{model}:{method}"

    def headers(self, call: ProviderCall) -> dict[str, str]:
        """Key and call id."""
        return {"x-goog-api-key": self.key, "idempotency-key": call.call_id}

    def probe(self) -> Probe:
        """GET …/models, one of them."""
        return Probe(f"{self._base_url}/models?pageSize=1", {"x-goog-api-key": self.key})

    def body(self, call: ProviderCall) -> dict[str, Any]:
        """The body of generateContent and streamGenerateContent."""
        return request_body(call)

    def reader(self) -> PiecesReader:
        """A reader of one answer."""
        return PiecesReader()


def request_body(call: ProviderCall) -> dict[str, Any]:
    """The body of generateContent and streamGenerateContent for `call`."""
    body: dict[str, Any] = {
        "contents": contents(call),
        "systemInstruction": {"parts": [{"text": call.system}]} if call.system else None,
        "generationConfig": _generation_config(call),
        "tools": [{"functionDeclarations": [_declaration(f) for f in call.functions]}] if call.functions else None,
        "toolConfig": _tool_config(call),
    }
    return {name: value for name, value in body.items() if value not in (None, {})}


def _tool_config(call: ProviderCall) -> dict[str, Any] | None:
    demanded = call.functions and call.options.get("function_use") == "required"
    return {"functionCallingConfig": {"mode": "ANY"}} if demanded else None


def _generation_config(call: ProviderCall) -> dict[str, Any]:
    config: dict[str, Any] = {
        "maxOutputTokens": call.max_tokens,
        "temperature": call.temperature,
        "topP": call.top_p,
        "topK": call.top_k,
        "stopSequences": call.options.get("stop_sequences"),
        "thinkingConfig": call.options.get("thinking"),
    }
    if call.schema == {"type": "object"}:  # the API refuses an object without properties
        config |= {"responseMimeType": "application/json"}
    elif call.schema is not None:
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
