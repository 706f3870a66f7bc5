"""Anthropic's Messages API as the stub serves it (package anthropic 2.12, both API versions)."""

from typing import Any

import orjson
from starlette.requests import Request

from tests.stub.call import Call, InvalidCallError
from tests.stub.script import Answer
from tests.stub.wire import Piece, event

SIGNATURE = "c3R1Yg=="
_VERSIONS = ("2023-06-01", "2026-10-21")
_NO_OPTIONS = frozenset(["model", "messages", "system", "stream", "tools", "output_config"])
_ERROR_NAMES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicWire:
    """POST /v1/messages."""

    def read(self, request: Request, body: dict[str, Any]) -> Call:
        auth, version = _auth(request), request.headers.get("anthropic-version", "")
        if version not in _VERSIONS:
            raise _invalid("anthropic-version: header is required")
        for name in ("model", "max_tokens", "messages"):
            if name not in body:
                raise _invalid(f"{name}: Field required")
        for name in ("temperature", "top_p", "top_k"):
            if name in body and version != "2023-06-01":
                raise _invalid(f"{name}: Extra inputs are not permitted")
        messages: list[dict[str, Any]] = body["messages"]
        _check_results(messages)
        return Call(
            provider="claude",
            model=body["model"],
            prompt="\n".join(_text(message["content"]) for message in messages),
            system=_text(body.get("system", "")),
            stream=bool(body.get("stream")),
            auth=auth,
            call_id=request.headers.get("idempotency-key"),
            version=version,
            schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
            functions=tuple({**tool, "parameters": tool["input_schema"]} for tool in body.get("tools", ())),
            messages=tuple(messages),
            answered=any(one["type"] == "tool_result" for message in messages for one in _content_of(message)),
            options={name: value for name, value in body.items() if name not in _NO_OPTIONS},
        )

    def stream(self, call: Call, answer: Answer) -> list[Piece]:
        def sent(name: str, chunk: int = 0, **fields: Any) -> Piece:
            return Piece(event({"type": name, **fields}, answer.line_end, name), chunk)

        pieces = [sent("message_start", message=_message(call, answer, started=True)), sent("ping")]
        chunk = 0
        for index, (block, deltas) in enumerate(_blocks(call, answer)):
            pieces.append(sent("content_block_start", index=index, content_block=block))
            for delta in deltas:
                chunk += delta["type"] == "text_delta"
                number = chunk if delta["type"] == "text_delta" else 0
                pieces.append(sent("content_block_delta", number, index=index, delta=delta))
            pieces.append(sent("content_block_stop", index=index))
        if not answer.omit_end:
            stop = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
            usage = {"output_tokens": answer.usage.output + answer.usage.thoughts}
            pieces += [sent("message_delta", delta=stop, usage=usage), sent("message_stop")]
        return pieces

    def whole(self, call: Call, answer: Answer) -> dict[str, Any]:
        return _message(call, answer, started=False)

    def error(self, status: int, name: str, message: str) -> dict[str, Any]:
        kind = name or _ERROR_NAMES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_stub"}

    def error_event(self, answer: Answer) -> bytes:
        return event(self.error(200, answer.error_name, answer.error_message), answer.line_end, "error")


def _auth(request: Request) -> str:
    if request.headers.get("x-api-key"):
        return "x-api-key"
    if request.headers.get("authorization", "").startswith("Bearer "):
        return "bearer"
    raise InvalidCallError(401, "authentication_error", "x-api-key header is required")


def _invalid(message: str) -> InvalidCallError:
    return InvalidCallError(400, "invalid_request_error", message)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text") or _text(block.get("content", "")) for block in content)


def _content_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check_results(messages: list[dict[str, Any]]) -> None:
    """Refuse as the API does: results answer the message before them, all of them and first; text is not empty."""
    asked: list[str] = []
    for number, message in enumerate(messages):
        content = _content_of(message)
        if any(block["type"] == "text" and not block["text"].strip() for block in content):
            raise _invalid("messages: text content blocks must be non-empty")
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        if sorted(results) != sorted(asked):
            raise _invalid(f"messages.{number}: each `tool_use` block must have a `tool_result` in the next message")
        if any(block["type"] != "tool_result" for block in content[: len(results)]):
            raise _invalid(f"messages.{number}: `tool_result` blocks must come first")
        if any(block["type"] == "thinking" and block["signature"] != SIGNATURE for block in content):
            raise _invalid(f"messages.{number}: Invalid `signature` in `thinking` block")
        asked = [block["id"] for block in content if block["type"] == "tool_use"]
    if asked:
        raise _invalid("messages: `tool_use` ids were found without `tool_result` blocks after them")


def _stop_reason(answer: Answer) -> str:
    return answer.stop_reason or ("tool_use" if answer.functions else "end_turn")


def _blocks(call: Call, answer: Answer) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, with the deltas that fill it."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if answer.thinking:
        deltas = [{"type": "thinking_delta", "thinking": answer.thinking}]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    for texts in _texts(answer):
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]))
    for number, function in enumerate(answer.functions):
        tool_id = _tool_id(call, number)
        parts = ["", *_halves(orjson.dumps(function.arguments).decode())]
        block = {"type": "tool_use", "id": tool_id, "name": function.name, "input": {}}
        blocks.append((block, [{"type": "input_json_delta", "partial_json": part} for part in parts]))
    return blocks


def _texts(answer: Answer) -> list[tuple[str, ...]]:
    """The chunks of each block of text."""
    chunks = answer.chunks or ()
    size = max(1, -(-len(chunks) // answer.text_blocks))
    return [chunks[start : start + size] for start in range(0, len(chunks), size)]


def _tool_id(call: Call, number: int) -> str:
    """No id comes twice in a conversation."""
    return f"toolu_stub{len(call.messages)}_{number}"


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]]


def _message(call: Call, answer: Answer, *, started: bool) -> dict[str, Any]:
    usage = {
        "input_tokens": answer.usage.input,
        "cache_read_input_tokens": answer.usage.cache_read,
        "cache_creation_input_tokens": answer.usage.cache_write,
        "output_tokens": 1 if started else answer.usage.output + answer.usage.thoughts,
        "service_tier": "standard",
    }
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": answer.model or call.model,
        "content": [] if started else _content(call, answer),
        "stop_reason": None if started or answer.omit_end else _stop_reason(answer),
        "stop_sequence": None,
        "usage": usage,
    }


def _content(call: Call, answer: Answer) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": SIGNATURE})
    content += [{"type": "text", "text": "".join(texts)} for texts in _texts(answer)]
    for number, function in enumerate(answer.functions):
        tool = {"id": _tool_id(call, number), "name": function.name, "input": function.arguments}
        content.append({"type": "tool_use", **tool})
    return content
