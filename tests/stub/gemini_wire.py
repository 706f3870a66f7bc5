"""Gemini's generateContent and streamGenerateContent as the stub serves them (package google-genai 3.4)."""

from itertools import groupby
from typing import Any

from starlette.requests import Request

from tests.stub.call import Call, InvalidCallError
from tests.stub.script import Answer
from tests.stub.wire import Piece, event

# The stub's own, and the one for calls that another model made.
SIGNATURES = ("c3R1Yg==", "skip_thought_signature_validator")
_ERROR_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GeminiWire:
    """POST /v1/models/{model}:generateContent and :streamGenerateContent?alt=sse, and the same below /v1beta."""

    def read(self, request: Request, body: dict[str, Any]) -> Call:
        auth = _auth(request)
        if not body.get("contents"):
            raise InvalidCallError(
                400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified"
            )
        contents: list[dict[str, Any]] = body["contents"]
        _check_results(contents)
        config = body.get("generationConfig") or {}
        declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
        return Call(
            provider="gemini",
            model=request.path_params["model"],
            prompt="\n".join(_text(content) for content in contents),
            system=_text(body.get("systemInstruction") or {}),
            stream=request.path_params["method"] == "streamGenerateContent",
            auth=auth,
            call_id=request.headers.get("idempotency-key"),
            version=request.path_params["version"],
            schema=config.get("responseJsonSchema") or config.get("responseSchema"),
            functions=tuple({**one, "parameters": _parameters(one)} for one in declared),
            messages=tuple(contents),
            answered=any("functionResponse" in part for content in contents for part in content["parts"]),
            options={name: value for name, value in config.items() if not name.startswith("response")},
        )

    def stream(self, call: Call, answer: Answer) -> list[Piece]:
        parts = [(0, _thought(answer.thinking))] if answer.thinking else []
        parts += [(number, {"text": text}) for number, text in enumerate(answer.chunks or (), start=1)]
        parts += [(0, part) for part in _calls(call, answer)]
        parts = parts or [(0, {"text": ""})]
        last = len(parts) - 1
        return [
            Piece(event(_response(call, answer, [part], ended=index == last), answer.line_end), number)
            for index, (number, part) in enumerate(parts)
        ]

    def whole(self, call: Call, answer: Answer) -> dict[str, Any]:
        parts = [_thought(answer.thinking)] if answer.thinking else []
        parts += [{"text": "".join(answer.chunks)}] if answer.chunks else []
        parts += _calls(call, answer)
        return _response(call, answer, parts, ended=True)

    def error(self, status: int, name: str, message: str) -> dict[str, Any]:
        return {"error": {"code": status, "message": message, "status": name or _ERROR_NAMES.get(status, "UNKNOWN")}}

    def error_event(self, answer: Answer) -> bytes:
        name = "UNAVAILABLE" if answer.error_name == "overloaded_error" else answer.error_name
        return event(self.error(503, name, answer.error_message), answer.line_end)


def _auth(request: Request) -> str:
    if request.headers.get("x-goog-api-key"):
        return "x-goog-api-key"
    if request.query_params.get("key"):
        return "query"
    message = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
    raise InvalidCallError(403, "PERMISSION_DENIED", message)


def _text(content: dict[str, Any]) -> str:
    return "\n".join(_said(part) for part in content.get("parts", ()))


def _said(part: dict[str, Any]) -> str:
    response = (part.get("functionResponse") or {}).get("response") or {}
    return part.get("text") or response.get("output") or response.get("error") or ""


def _check_results(contents: list[dict[str, Any]]) -> None:
    """Refuse as the API does: every call has its response after it, and the first one bears a signature.

    Contents of one role belong together: the official client gives each piece of a stream a content of its own.
    """
    asked: list[str] = []
    for _, same in groupby(contents, key=lambda content: content.get("role")):
        parts = [part for content in same for part in content["parts"]]
        responses = [part["functionResponse"]["name"] for part in parts if "functionResponse" in part]
        if responses != asked:
            message = "the number of function response parts has to equal the number of function call parts"
            raise InvalidCallError(400, "INVALID_ARGUMENT", f"Please ensure that {message} of the turn before.")
        calls = [part for part in parts if "functionCall" in part]
        if calls and calls[0].get("thoughtSignature") not in SIGNATURES:
            raise InvalidCallError(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature.")
        asked = [part["functionCall"]["name"] for part in calls]


def _calls(call: Call, answer: Answer) -> list[dict[str, Any]]:
    """The calls of functions; as in the API the first of them bears the signature."""
    parts: list[dict[str, Any]] = [
        {"functionCall": {"id": f"stub{len(call.messages)}{number}", "name": f.name, "args": f.arguments}}
        for number, f in enumerate(answer.functions)
    ]
    return [{**part, **({"thoughtSignature": SIGNATURES[0]} if part is parts[0] else {})} for part in parts]


def _thought(text: str) -> dict[str, Any]:
    return {"text": text, "thought": True}


def _parameters(declaration: dict[str, Any]) -> dict[str, Any] | None:
    return declaration.get("parametersJsonSchema") or declaration.get("parameters")


def _response(call: Call, answer: Answer, parts: list[dict[str, Any]], *, ended: bool) -> dict[str, Any]:
    usage = answer.usage
    prompt = usage.input + usage.cache_read
    metadata = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": prompt + usage.output + usage.thoughts,
    }
    metadata |= {"cachedContentTokenCount": usage.cache_read} if usage.cache_read else {}
    metadata |= {"thoughtsTokenCount": usage.thoughts} if usage.thoughts else {}
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if ended and not answer.omit_end:
        candidate["finishReason"] = answer.stop_reason or "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": metadata,
        "modelVersion": answer.model or call.model,
        "responseId": "stub",
    }
