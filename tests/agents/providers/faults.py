"""The table of what providers and networks do wrong, and what has to become of a call that meets it."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from elexirion.agents.providers.deadlines import Deadlines
from elexirion.events.failure import FailureKind

from tests.stub.anthropic_wire import AnthropicWire
from tests.stub.call import Call, ProviderName
from tests.stub.gemini_wire import GeminiWire
from tests.stub.openai_wire import OpenAIWire
from tests.stub.raw import RawAnswer, RawPart
from tests.stub.script import Answer
from tests.stub.wire import WireFormat

NAMES: tuple[ProviderName, ...] = ("claude", "gemini", "openai")
TEXT = ("Rivers ", "carve ", "välleys. 😀")
GOOD = Answer(chunks=TEXT)
WIRES: dict[ProviderName, WireFormat] = {"claude": AnthropicWire(), "gemini": GeminiWire(), "openai": OpenAIWire()}
MODES = (True, False)
STREAMED = (True,)
SHORT = Deadlines(connect_s=1.0, first_byte_s=0.3, idle_s=0.3)

_SSE = b"content-type: text/event-stream\r\n"
_JSON = b"content-type: application/json\r\n"
_GZIP = b"content-encoding: gzip\r\n"
_DATA = b"data: " + b"x" * 93 + b"\n"
_BOMB_LINE = b":" + b"x" * 1_000_000 + b"\n"

Raw = Callable[[ProviderName], RawAnswer]


@dataclass(frozen=True)
class Fault:
    """A fault and its outcome: the kind of failure, or None for the right text all the same.

    It comes from a scripted answer, from raw bytes, or from an address where nothing good is; `kinds` are the
    outcomes of providers that differ. `timeout_s` is the total deadline of a call. `at_once` of twenty calls run
    together: fewer where each may grow to the bounds of an answer.
    """

    title: str
    kind: FailureKind | None
    answer: Answer | None = None
    raw: Raw | None = None
    url: str = ""
    modes: tuple[bool, ...] = MODES
    deadlines: Deadlines = field(default_factory=Deadlines)
    timeout_s: float = 10.0
    kinds: Mapping[str, FailureKind | None] = field(default_factory=dict)
    names: tuple[ProviderName, ...] = NAMES
    retry_after_s: float | None = None
    at_once: int = 20

    def outcome(self, name: str) -> FailureKind | None:
        """What becomes of a call to this provider."""
        return self.kinds.get(name, self.kind)


def faults() -> list[Fault]:
    """All of them."""
    return [*_statuses(), *_no_connection(), *_stalls(), *_cuts(), *_contents(), *_floods(), *_below_http()]


def _statuses() -> list[Fault]:
    after = Answer(status=429, headers={"retry-after": "7"})
    return [
        Fault("429_with_retry_after", "rate_limited", after, retry_after_s=7),
        Fault("429", "rate_limited", Answer(status=429)),
        *(Fault(f"{status}", "overloaded", Answer(status=status)) for status in (500, 503, 529)),
    ]


def _no_connection() -> list[Fault]:
    return [
        Fault("dns", "connection", url="http://no-such-host.invalid", modes=STREAMED, names=("claude",)),
        Fault("refused", "connection", url="http://127.0.0.1:1"),
        Fault("tls_nonsense", "connection", raw=_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), url="https://{raw}/tls"),
        Fault("tls_stall", "timeout_connect", raw=_raw(end="hang"), url="https://{raw}/tls",
              deadlines=Deadlines(connect_s=0.3), timeout_s=2),
    ]  # fmt: skip


def _stalls() -> list[Fault]:
    late, silent = Answer(delay_headers_s=60), Answer(delay_first_byte_s=60)
    # A byte a second, scaled: the pause is well below the idle deadline, the whole well above the total one.
    dripping = Answer(chunks=TEXT, split_bytes=1)
    return [
        Fault("stall_before_headers", "timeout_first_byte", late, modes=STREAMED, deadlines=SHORT),
        Fault("stall_before_headers_whole", "timeout_total", late, modes=(False,), timeout_s=0.4),
        Fault("stall_before_first_byte", "timeout_first_byte", silent, modes=STREAMED, deadlines=SHORT),
        Fault("stall_before_first_byte_whole", "timeout_total", silent, modes=(False,), timeout_s=0.4),
        # The first chunk has its time, also where twenty calls at once are slow to begin.
        Fault("stall_between_chunks", "timeout_idle", Answer(chunks=TEXT, hold_before_chunk=2, hold="never"),
              modes=STREAMED, deadlines=Deadlines(connect_s=1.0, first_byte_s=5.0, idle_s=0.3)),
        Fault("drip", "timeout_total", raw=lambda name: RawAnswer(parts=(
            RawPart(data=_head(_SSE)), *(RawPart(data=bytes([one]), pause_s=0.05) for one in streamed(name, dripping))
        )), modes=STREAMED, deadlines=Deadlines(idle_s=1.0), timeout_s=0.6),
        Fault("drip_of_headers", "timeout_first_byte", raw=lambda name: RawAnswer(parts=tuple(
            RawPart(data=bytes([one]), pause_s=0.05) for one in _head(_SSE) * 2
        )), modes=STREAMED, deadlines=SHORT),
        Fault("drip_whole", "timeout_total", raw=_raw(_head(_JSON), (b" ", 1000, 0.05)), modes=(False,), timeout_s=0.4),
    ]  # fmt: skip


def _cuts() -> list[Fault]:
    return [
        Fault(f"{end}_after_{after}", "cut_stream", modes=STREAMED,
              answer=Answer.model_validate({"chunks": TEXT, "cut_after_chunk": after, "cut": end,
                                            "delay_chunk_s": 0.01 if end == "rst" else 0}))
        for end in ("fin", "rst") for after in range(len(TEXT))
    ] + [
        Fault("cut_whole", "cut_stream", Answer(chunks=TEXT, cut_after_chunk=1), modes=(False,)),
        Fault("missing_end_marker", "cut_stream", Answer(chunks=TEXT, omit_end=True)),
        Fault("closed_before_headers", "connection", raw=_raw()),
        Fault("reset_before_headers", "connection", raw=_raw(end="rst")),
        Fault("closed_inside_headers", "connection", raw=_raw(b"HTTP/1.1 200 OK\r\ncontent-ty")),
        Fault("empty_stream", "cut_stream", raw=_raw(_head(_SSE)), modes=STREAMED),
        Fault("empty_document", "bad_response", raw=_raw(_head(_JSON)), modes=(False,)),
    ]  # fmt: skip


def _contents() -> list[Fault]:
    broken: Mapping[str, Any] = {"chunks": TEXT, "malformed_after_chunk": 1}
    return [
        Fault("error_event", "overloaded", Answer(chunks=TEXT, error_after_chunk=1), modes=STREAMED),
        Fault("error_event_first", "overloaded", Answer(chunks=TEXT, error_after_chunk=0), modes=STREAMED),
        Fault("wrong_content_type", "bad_response", Answer(chunks=TEXT, headers={"content-type": "text/html"}),
              modes=STREAMED),
        Fault("html", "bad_response", raw=_raw(_head(b"content-type: text/html\r\n"), b"<html>Login</html>")),
        Fault("bad_json", "bad_response", Answer.model_validate(broken)),
        Fault("bad_utf8", "bad_response", Answer.model_validate({**broken, "malformed": "utf8"})),
        Fault("another_shape", "bad_response", Answer.model_validate({**broken, "malformed": "shape"})),
        Fault("split_at_every_byte", None, Answer(chunks=TEXT, split_bytes=1), modes=STREAMED),
        *(Fault(f"line_end_{title}", None, Answer.model_validate({"chunks": TEXT, "line_end": end}), modes=STREAMED)
          for title, end in (("lf", "\n"), ("cr", "\r"), ("crlf", "\r\n"))),
        Fault("duplicate_index", None, raw=lambda name: sent(_SSE, _twice(name)), modes=STREAMED,
              kinds={"claude": "bad_response"}),
        Fault("byte_order_mark", None, raw=lambda name: sent(_SSE, b"\xef\xbb\xbf" + streamed(name)), modes=STREAMED),
        Fault("other_charset", None, modes=STREAMED, raw=lambda name: sent(
            b"content-type: text/event-stream; charset=latin-1\r\n", streamed(name))),
        Fault("gzip_unasked", None, raw=lambda name: sent(_SSE + _GZIP, gzip.compress(streamed(name))), modes=STREAMED),
        Fault("brotli_unasked", "bad_response", raw=_raw(_head(_SSE + b"content-encoding: br\r\n"), b"\x0b\x02")),
        Fault("no_gzip_at_all", "bad_response", raw=_raw(_head(_SSE + _GZIP), b"data: {}\n\n")),
    ]  # fmt: skip


def _floods() -> list[Fault]:
    bomb = gzip.compress(_BOMB_LINE * 100)
    return [
        Fault("gzip_bomb", "bad_response", raw=_raw(_head(_SSE + _GZIP), bomb), timeout_s=30, at_once=4),
        Fault("line_of_10_mb", "bad_response", raw=_raw(_head(_SSE), b"data: ", (b"x" * 100_000, 100, 0)),
              modes=STREAMED, timeout_s=30, at_once=4),
        Fault("document_without_end", "bad_response", raw=_raw(_head(_JSON), b'{"a": "', (b"x" * 500_000, 200, 0)),
              modes=(False,), timeout_s=30, at_once=2),
        Fault("event_without_end", "bad_response", raw=_raw(_head(_SSE), (_DATA * 1000, 100, 0)),
              modes=STREAMED, names=("claude",), timeout_s=30, at_once=4),
        Fault("comment_flood", None, raw=lambda name: RawAnswer(parts=(
            RawPart(data=_head(_SSE)), RawPart(data=b": keep-alive\n\n" * 500, times=10), RawPart(data=streamed(name))
        )), modes=STREAMED, timeout_s=20),
        Fault("comments_without_end", "timeout_total", raw=_raw(_head(_SSE), (b": still here\n\n", 10_000, 0.02)),
              modes=STREAMED, timeout_s=0.6),
        Fault("headers_of_1_mb", "connection",
              raw=_raw(b"HTTP/1.1 200 OK\r\n", (b"x-a: " + b"y" * 995 + b"\r\n", 1000, 0))),
    ]  # fmt: skip


def _below_http() -> list[Fault]:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + _SSE + b"\r\n"
    return [
        Fault("no_http", "connection", raw=_raw(b"SSH-2.0-OpenSSH_9.7\r\n")),
        Fault("broken_chunks", "cut_stream", raw=_raw(chunked, b"zz\r\nno chunk\r\n"), modes=STREAMED),
        Fault("promised_more", "cut_stream", modes=STREAMED, raw=lambda name: RawAnswer(parts=(RawPart(
            data=_head(_SSE + b"content-length: 100000\r\n") + streamed(name, Answer(chunks=TEXT, omit_end=True))),))),
    ]  # fmt: skip


def streamed(name: ProviderName, answer: Answer = GOOD) -> bytes:
    """The bytes of an answer's event stream."""
    call = Call(name, "m", "", "", stream=True, auth="", call_id=None, version="")
    return b"".join(piece.data for piece in WIRES[name].stream(call, answer))


def sent(headers: bytes, body: bytes) -> RawAnswer:
    """A good status, these headers and this body."""
    return RawAnswer(parts=(RawPart(data=_head(headers) + body),))


def _twice(name: ProviderName) -> bytes:
    """A stream in which an index comes twice: that of a block of Anthropic's, of the choice or candidate of others."""
    events = streamed(name).split(b"\n\n")
    if name == "claude":
        begun = next(event for event in events if b"content_block_start" in event)
        return b"\n\n".join(one for event in events for one in ((event, begun) if event is begun else (event,)))
    return b"\n\n".join(map(_with_a_second_choice, events))


def _with_a_second_choice(event: bytes) -> bytes:
    if not event.startswith(b"data: {"):
        return event
    document = orjson.loads(event.removeprefix(b"data: "))
    listed = next((document[key] for key in ("candidates", "choices") if document.get(key)), [])
    listed += [{"index": 0, "delta": {"content": "x"}, "content": {"parts": [{"text": "x"}]}}] if listed else []
    return b"data: " + orjson.dumps(document)


def _head(headers: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n"


def _raw(*parts: bytes | tuple[bytes, int, float], end: str = "fin") -> Raw:
    """The same bytes from every provider; a tuple is data, how often, and the pause before each."""
    scripted = [
        RawPart(data=one) if isinstance(one, bytes) else RawPart(data=one[0], times=one[1], pause_s=one[2])
        for one in parts
    ]
    answer = RawAnswer.model_validate({"parts": scripted, "end": end})
    return lambda name: answer
