"""The chat completions format as the stub serves it (OpenAI's API reference, chat completions)."""

from typing import Any

import orjson
from starlette.requests import Request

from tests.stub.call import Call, InvalidCallError
from tests.stub.script import Answer
from tests.stub.wire import Piece, event

_NO_OPTIONS = frozenset(["model", "messages", "stream", "stream_options", "tools", "response_format"])
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    429: "requests",
}
_ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class OpenAIWire:
    """POST /v1/chat/completions. Like a model server at home it takes calls without a key."""

    def read(self, request: Request, body: dict[str, Any]) -> Call:
        for name in ("model", "messages"):
            if name not in body:
                raise _invalid(f"you must provide a {name} parameter")
        messages: list[dict[str, Any]] = body["messages"]
        _check_results(messages)
        told = [_text(message) for message in messages if message["role"] == "system"]
        format_ = body.get("response_format") or {}
        return Call(
            provider="openai",
            model=body["model"],
            prompt="\n".join(_text(message) for message in messages if message["role"] != "system"),
            system="\n".join(told),
            stream=bool(body.get("stream")),
            auth="bearer" if request.headers.get("authorization", "").startswith("Bearer ") else "none",
            call_id=request.headers.get("idempotency-key"),
            version="v1",
            schema=(format_.get("json_schema") or {}).get("schema"),
            functions=tuple(tool["function"] for tool in body.get("tools", ())),
            messages=tuple(messages),
            answered=any(message["role"] == "tool" for message in messages),
            counts_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            options={name: value for name, value in body.items() if name not in _NO_OPTIONS},
        )

    def stream(self, call: Call, answer: Answer) -> list[Piece]:
        def sent(delta: dict[str, Any], chunk: int = 0, finish: str | None = None) -> Piece:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return Piece(event(_document(call, answer, "chat.completion.chunk", [choice]), answer.line_end), chunk)

        pieces = [sent({"role": "assistant", "content": ""})]
        pieces += [sent({"reasoning_content": answer.thinking})] if answer.thinking else []
        pieces += [sent({"content": text}, number) for number, text in enumerate(answer.chunks or (), start=1)]
        for index, tool in enumerate(_tools(call, answer)):
            streamed = tool["function"]["arguments"]
            begun = {**tool, "function": {**tool["function"], "arguments": ""}}
            pieces.append(sent({"tool_calls": [{"index": index, **begun}]}))
            halves = streamed[: len(streamed) // 2], streamed[len(streamed) // 2 :]
            pieces += [sent({"tool_calls": [{"index": index, "function": {"arguments": one}}]}) for one in halves]
        if answer.omit_end:
            return pieces
        pieces.append(sent({}, finish=_finish(answer)))
        if call.counts_usage:
            counted = {**_document(call, answer, "chat.completion.chunk", []), "usage": _usage(answer)}
            pieces.append(Piece(event(counted, answer.line_end)))
        return [*pieces, Piece(f"data: [DONE]{answer.line_end * 2}".encode())]

    def whole(self, call: Call, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.chunks or ()) or None}
        message |= {"refusal": None, "annotations": []}
        message |= {"reasoning_content": answer.thinking} if answer.thinking else {}
        message |= {"tool_calls": _tools(call, answer)} if answer.functions else {}
        finish = None if answer.omit_end else _finish(answer)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**_document(call, answer, "chat.completion", [choice]), "usage": _usage(answer)}

    def error(self, status: int, name: str, message: str) -> dict[str, Any]:
        kind = name or _ERROR_TYPES.get(status, "server_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": _ERROR_CODES.get(status)}}

    def error_event(self, answer: Answer) -> bytes:
        name = "server_error" if answer.error_name == "overloaded_error" else answer.error_name
        return event(self.error(503, name, answer.error_message), answer.line_end)


def _check_results(messages: list[dict[str, Any]]) -> None:
    """Refuse as the API does where calls lack their results, or results their calls."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise _invalid("messages with role 'tool' must be a response to a preceding message with 'tool_calls'")
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            raise _invalid("an assistant message with 'tool_calls' must be followed by tool messages")
        else:
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}
    if open_calls:
        raise _invalid("an assistant message with 'tool_calls' must be followed by tool messages")


def _invalid(message: str) -> InvalidCallError:
    return InvalidCallError(400, "invalid_request_error", message)


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _finish(answer: Answer) -> str:
    return answer.stop_reason or ("tool_calls" if answer.functions else "stop")


def _tools(call: Call, answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_stub{len(call.messages)}_{number}",
            "type": "function",
            "function": {"name": function.name, "arguments": orjson.dumps(function.arguments).decode()},
        }
        for number, function in enumerate(answer.functions)
    ]


def _document(call: Call, answer: Answer, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-stub",
        "object": kind,
        "created": 1_790_000_000,
        "model": answer.model or call.model,
        "choices": choices,
    }


def _usage(answer: Answer) -> dict[str, Any]:
    usage = answer.usage
    prompt, completion = usage.input + usage.cache_read, usage.output + usage.thoughts
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.thoughts},
    }
