"""The body of an answer as a value of JSON: bounded, unpacked, decoded."""

import base64
import codecs
import zlib
from collections.abc import Mapping
from email.message import Message
from typing import Any

import orjson

# Python knows many more, some of them slow to read or no charset at all.
_CHARSETS = frozenset(["utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
_PACKED = frozenset(["gzip", "x-gzip", "deflate"])


class AnswerRefused(Exception):  # noqa: N818 - what happened, like every event
    """A body that cannot be taken; says why, without quoting it."""


def result_of(status: int, headers: Mapping[str, str], content: bytes, most_bytes: int) -> dict[str, Any]:
    """The result of the step: `status`, `headers`, `body`; raises AnswerRefused."""
    content = unpacked(content, headers.get("content-encoding", ""), most_bytes)
    shown = {name: value for name, value in headers.items() if name != "set-cookie"}
    result: dict[str, Any] = {"status": status, "headers": shown, "body": None}
    if not content:
        return result
    kind, charset = content_type(headers.get("content-type", ""))
    if kind == "application/json" or kind.endswith("+json"):
        return {**result, "body": _json(content)}
    text = _text(content, charset or "utf-8")
    if text is not None:
        return {**result, "body": text}
    return {**result, "body": base64.b64encode(content).decode(), "body_encoding": "base64"}


def unpacked(content: bytes, encoding: str, most_bytes: int) -> bytes:
    """The content without its `content-encoding`, at most `most_bytes` of it; raises AnswerRefused."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return content
    if encoding not in _PACKED:
        raise AnswerRefused("the answer is packed in a way that was not asked for")
    try:
        # 47: either gzip or zlib, whichever the first bytes say.
        found = zlib.decompressobj(47).decompress(content, most_bytes + 1)
    except zlib.error:
        raise AnswerRefused(f"the answer is no {encoding}") from None
    if len(found) > most_bytes:
        raise AnswerRefused(too_long(most_bytes))
    return found


def too_long(most_bytes: int) -> str:
    """The sentence about an answer above the limit."""
    return f"the answer has more than {most_bytes} bytes (setting http_response_bytes)"


def content_type(value: str) -> tuple[str, str | None]:
    """Media type and charset, in lower case."""
    message = Message()
    message["content-type"] = value
    charset = message.get_content_charset()
    return (message.get_content_type() if value else ""), charset


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise AnswerRefused("the answer says that it is JSON and is none") from None


def _text(content: bytes, charset: str) -> str | None:
    try:
        text = content.decode(charset if codecs.lookup(charset).name in _CHARSETS else "utf-8")
        return text if "\0" not in text else None
    except (LookupError, ValueError):
        return None
