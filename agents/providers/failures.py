"""Every way a provider call can go wrong, mapped once to a typed failure.

Texts of foreign exceptions are never passed on: some quote header values, and so keys. What a provider itself says
about a refusal is told in words of its API alone (`refusal_message`).
"""

import json
import ssl
import zlib

import anyio
import httpx
import httpx_sse
import pydantic
from elexirion.agents.providers.error_body import ProviderError
from elexirion.agents.providers.refusal_message import OPEN, Privacy, refusal_message
from elexirion.events.failure import Failure, FailureKind

EXCEPTION_KINDS: dict[type[BaseException], FailureKind] = {
    httpx.ConnectTimeout: "timeout_connect",
    httpx.PoolTimeout: "timeout_connect",
    httpx.ReadTimeout: "timeout_idle",
    httpx.WriteTimeout: "timeout_idle",
    httpx.TimeoutException: "timeout_total",
    httpx.ConnectError: "connection",
    httpx.ReadError: "cut_stream",
    httpx.WriteError: "connection",
    httpx.CloseError: "connection",
    httpx.NetworkError: "connection",
    httpx.ProxyError: "connection",
    httpx.UnsupportedProtocol: "invalid_request",
    httpx.LocalProtocolError: "invalid_request",
    httpx.RemoteProtocolError: "cut_stream",
    httpx.ProtocolError: "cut_stream",
    httpx.TransportError: "connection",
    httpx.DecodingError: "bad_response",
    httpx.TooManyRedirects: "bad_response",
    httpx.RequestError: "connection",
    httpx.HTTPStatusError: "bad_response",
    httpx.HTTPError: "connection",
    httpx.InvalidURL: "invalid_request",
    httpx.CookieConflict: "internal",
    httpx.StreamClosed: "cut_stream",
    httpx.StreamConsumed: "internal",
    httpx.ResponseNotRead: "internal",
    httpx.RequestNotRead: "internal",
    httpx.StreamError: "internal",
    httpx_sse.SSEError: "bad_response",
    json.JSONDecodeError: "bad_response",
    UnicodeDecodeError: "bad_response",
    zlib.error: "bad_response",
    pydantic.ValidationError: "bad_response",
    anyio.BrokenResourceError: "cut_stream",
    anyio.ClosedResourceError: "cut_stream",
    anyio.EndOfStream: "cut_stream",
    ssl.SSLError: "connection",
    TimeoutError: "timeout_total",
    OSError: "connection",
}

_SENTENCES: dict[FailureKind, str] = {
    "timeout_connect": "no connection within the connect deadline",
    "timeout_first_byte": "no answer within the first-byte deadline",
    "timeout_idle": "the answer stood still for longer than the idle deadline",
    "timeout_total": "the call took longer than its timeout",
    "connection": "the connection failed; check the network and the provider's base URL",
    "cut_stream": "the answer ended before its end marker",
    "bad_response": "the answer could not be read",
    "invalid_request": "the request could not be sent; check the provider's base URL and key",
}


class CallError(Exception):
    """A failure recognized by our own code, with its kind and a sentence free of secrets."""

    def __init__(self, kind: FailureKind, message: str | None = None) -> None:
        super().__init__(kind)
        self.kind: FailureKind = kind
        self.message = message


class RefusalError(Exception):
    """An answer that is an error: a status other than 200, or an error event inside a 200."""

    def __init__(
        self, status: int, error: ProviderError, retry_after_s: float | None = None, request_id: str = ""
    ) -> None:
        super().__init__(status)
        self.status = status
        self.error = error
        self.retry_after_s = retry_after_s
        self.request_id = request_id


def kind_of_exception(exception: type[BaseException]) -> FailureKind | None:
    """The kind of a foreign exception class by its nearest listed ancestor; None if it is listed nowhere."""
    return next((EXCEPTION_KINDS[one] for one in exception.__mro__ if one in EXCEPTION_KINDS), None)


def kind_of_status(status: int) -> FailureKind:
    """The kind of an HTTP status that is not 200, before its body is looked at."""
    match status:
        case 401 | 403:
            return "auth"
        case 402:
            return "budget"
        case 408:
            return "timeout_total"
        case 429:
            return "rate_limited"
        case 499:  # "client closed request": Google says so where something before it gave up
            return "overloaded"
        case _ if status >= 500:
            return "overloaded"
        case _ if status >= 300:
            return "invalid_request"
        case _:
            return "bad_response"


def failure_of(exception: Exception, provider: str, privacy: Privacy = OPEN) -> Failure:
    """The failure that `exception` means; its message says nothing that `privacy` hides (keys, prompts)."""
    match exception:
        case RefusalError():
            return _refusal(exception, provider, privacy)
        case CallError():
            said = exception.message or _SENTENCES[exception.kind]
            return Failure(kind=exception.kind, message=f"{provider}: {said}", provider=provider)
        case _:
            found: FailureKind = kind_of_exception(type(exception)) or "internal"
            sentence = _SENTENCES.get(found, "an unexpected error in the provider's client")
            message = f"{provider}: {sentence} ({type(exception).__name__})"
            return Failure(kind=found, message=message, provider=provider)


def _refusal(refused: RefusalError, provider: str, privacy: Privacy) -> Failure:
    error, status = refused.error, refused.status
    kind = error.kind(kind_of_status(status) if status != 200 else None)
    return Failure(
        kind=kind,
        message=refusal_message(provider, status, error, kind, refused.request_id or error.request_id, privacy),
        retry_after_s=refused.retry_after_s if refused.retry_after_s is not None else error.retry_after_s,
        provider=provider,
        status=status,
    )
