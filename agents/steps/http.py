"""http: one request to an allowed host; the result is status, headers and body.

Requests go over httpx's transport and not its client, which would add cookies, credentials of the user's
.netrc and proxies of the environment, and would follow redirects anywhere. Messages name the host alone, since
paths and queries hold keys as well.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
from elexirion.agents.http_requests.allowed_hosts import AllowedHosts, Trust
from elexirion.agents.http_requests.answer import AnswerRefused, result_of, too_long
from elexirion.agents.http_requests.stand_in import offline_result
from elexirion.agents.providers.deadlines import CallClock, Deadlines
from elexirion.agents.providers.failures import CallError, kind_of_exception, kind_of_status
from elexirion.agents.providers.retry_after import retry_after_s
from elexirion.agents.settings import Settings
from elexirion.agents.steps import schema_answer
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.events.failure import Failure, FailureKind

MOST_REDIRECTS = 5
DEFAULT_TIMEOUT_S = 300.0
DEADLINES = Deadlines()
_REDIRECTS = frozenset([301, 302, 303, 307, 308])
# What may go to another host after a redirect: nothing that says who asks.
_HARMLESS = frozenset(["accept", "accept-language", "user-agent"])
_PORTS = {"http": 80, "https": 443}
_LONGEST_NAME = 253


def runner(settings: Settings) -> StepRunner:
    """The runner of `http` steps."""
    return HttpRequests(AllowedHosts(settings.http_allowed_hosts), settings.http_response_bytes)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request as it goes to one host."""

    method: str
    url: httpx.URL
    headers: dict[str, str]
    content: bytes | None

    @property
    def host(self) -> str:
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self.url.port or _PORTS[self.url.scheme]

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.url.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.method} {self.url.scheme}://{self.host[:_LONGEST_NAME]}"


@dataclass(frozen=True, slots=True)
class HttpRequests:
    """Runs the rendered config `{method, url, headers, query, content, expect_status, output_schema}`."""

    allowed: AllowedHosts
    most_bytes: int

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """Send the request, follow allowed redirects, and give the answer; raises StepError."""
        expected: list[int] | None = work.config.get("expect_status")
        request = _request(work.config)
        schema: dict[str, Any] | None = work.config.get("output_schema")
        if work.offline:
            return Outcome(offline_result(expected, schema))
        clock = CallClock(DEADLINES, work.timeout_s or DEFAULT_TIMEOUT_S, streaming=False)
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._exchange(request, expected, clock)
            if isinstance(found, Outcome):
                return _fitting(found, schema)
            request = found
        raise _failed("invalid_request", f"{request}: more than {MOST_REDIRECTS} redirects")

    async def _exchange(self, request: _Request, expected: list[int] | None, clock: CallClock) -> Outcome | _Request:
        """The outcome, or the request that the answer redirects to."""
        try:
            async with self._answer(request, clock) as response:
                status = response.status_code
                if _is_redirect(response) and status not in (expected or ()):
                    return _redirected(request, response)
                _check_status(request, response, expected)
                content = await self._content(request, response, clock)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Outcome(result_of(status, headers, content, self.most_bytes))
        except AnswerRefused as refused:
            raise _failed("bad_response", f"{request}: {refused}") from None
        except (StepError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the edge: every foreign exception becomes a typed failure
            raise _of_exception(request, error) from None

    @asynccontextmanager
    async def _answer(self, request: _Request, clock: CallClock) -> AsyncIterator[httpx.Response]:
        # A connection of its own for each request: a pool would share those of two names with one address.
        async with httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False) as transport:
            response = await self._sent(request, transport, clock)
            try:
                yield response
            finally:
                await response.aclose()

    async def _sent(self, request: _Request, transport: httpx.AsyncHTTPTransport, clock: CallClock) -> httpx.Response:
        *others, last = await self._addresses(request, clock)
        for address in others:
            try:
                return await clock.within(transport.handle_async_request(_on_the_wire(request, address)))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await clock.within(transport.handle_async_request(_on_the_wire(request, last)))

    async def _addresses(self, request: _Request, clock: CallClock) -> list[str | None]:
        """Where to connect; None stands for the host's own name."""
        match self.allowed.trust(request.host, request.port):
            case Trust.NAMED:
                return [None]
            case Trust.PUBLIC:
                found = await clock.within(_resolved(request))
                if all(self.allowed.allows_address(address, request.port) for address in found):
                    return list(found)
                said = "leads to an address inside the network; list it by its own name in http_allowed_hosts"
                raise _failed("invalid_request", f"{request}: the host {said}")
            case Trust.REFUSED:
                raise _failed("invalid_request", _not_allowed(request, self.allowed))

    async def _content(self, request: _Request, response: httpx.Response, clock: CallClock) -> bytes:
        content = bytearray()
        clock.heard()
        pieces = response.aiter_raw()
        while (piece := await clock.within(anext(pieces, None))) is not None:
            content += piece
            if len(content) > self.most_bytes:
                raise AnswerRefused(too_long(self.most_bytes))
        return bytes(content)


def _fitting(outcome: Outcome, schema: dict[str, Any] | None) -> Outcome:
    if schema:
        fitted = schema_answer.fitted(orjson.dumps(outcome.result).decode(), schema_answer.validator(schema))
        if isinstance(fitted, schema_answer.Mismatch):
            raise schema_answer.failure(fitted)
    return outcome


def _request(config: dict[str, Any]) -> _Request:
    headers = {name.lower(): value for name, value in config["headers"].items() if value is not None}
    content: bytes | None = None
    match config.get("content"):
        case {"json": value}:
            content, kind = orjson.dumps(value), "application/json"
            headers.setdefault("content-type", kind)
        case {"text": text}:
            content = text.encode()
            headers.setdefault("content-type", "text/plain; charset=utf-8")
    _check_headers(headers)
    query = [(name, value) for name, values in config["query"].items() for value in values]
    return _Request(config["method"], _url(config["url"], query), headers, content)


def _url(text: str, query: Sequence[tuple[str, str]] = ()) -> httpx.URL:
    try:
        url = httpx.URL(text)
        if query:  # an empty one would take the place of the address's own
            parts = filter(None, (url.query, urlencode(query).encode("ascii")))
            url = url.copy_with(query=b"&".join(parts))
    except (httpx.InvalidURL, UnicodeError):
        raise _failed("invalid_request", "`url` is no address") from None
    if url.scheme not in _PORTS or not url.host:
        raise _failed("invalid_request", "`url` must begin with http:// or https:// and name a host")
    if url.userinfo:
        raise _failed("invalid_request", "`url` holds a user or password: send it as the header `authorization`")
    return url


def _check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not name.isascii() or not value.isascii() or not value.isprintable():
            message = f"the header {name!r} has characters that no header may have"
            raise _failed("invalid_request", message)


def _on_the_wire(request: _Request, address: str | None) -> httpx.Request:
    """The request; at `address`, where one is given, and still in the name of its host."""
    timeout = httpx.Timeout(None, connect=DEADLINES.connect_s).as_dict()
    extensions: dict[str, Any] = {"timeout": timeout}
    plain = {"accept": "*/*", "user-agent": "elexirion", "accept-encoding": "identity"}
    headers = {**plain, **request.headers}
    url = request.url.copy_with(fragment=None)
    if address is not None:
        headers["host"] = request.url.netloc.decode("ascii")
        extensions["sni_hostname"] = request.host
        url = url.copy_with(host=address)
    return httpx.Request(request.method, url, headers=headers, content=request.content, extensions=extensions)


async def _resolved(request: _Request) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def _is_redirect(response: httpx.Response) -> bool:
    return response.status_code in _REDIRECTS and "location" in response.headers


def _redirected(request: _Request, response: httpx.Response) -> _Request:
    try:
        url = request.url.join(response.headers["location"])
    except (httpx.InvalidURL, UnicodeError):
        raise _failed("bad_response", f"{request}: redirects to what is no address") from None
    following = replace(request, url=_url(str(url)))
    if request.url.scheme == "https" and following.url.scheme == "http":
        raise _failed("invalid_request", f"{request}: redirects from https to http, which is not followed")
    status = response.status_code
    if (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST"):
        kept = {name: value for name, value in following.headers.items() if not name.startswith("content-")}
        following = replace(following, method="GET", content=None, headers=kept)
    if following.origin == request.origin:
        return following
    if following.content is not None:
        raise _failed("invalid_request", f"{request}: redirects its body to another host, which is not followed")
    kept = {name: value for name, value in following.headers.items() if name in _HARMLESS}
    return replace(following, headers=kept)


def _check_status(request: _Request, response: httpx.Response, expected: list[int] | None) -> None:
    status = response.status_code
    if status in expected if expected else status < 400:
        return
    kind: FailureKind = kind_of_status(status) if status >= 400 else "step_error"
    wanted = f", not {' or '.join(map(str, expected))}" if expected else ""
    raise StepError(
        Failure(
            kind=kind,
            message=f"{request}: answered with status {status}{wanted}",
            retry_after_s=retry_after_s(response.headers, datetime.now(UTC)),
            status=status,
        )
    )


_SENTENCES: dict[FailureKind, str] = {
    "timeout_connect": "no connection in time",
    "timeout_first_byte": "no answer in time",
    "timeout_idle": "the answer stood still for too long",
    "timeout_total": "no whole answer in time",
    "connection": "the connection failed",
    "cut_stream": "the connection ended before the answer did",
    "bad_response": "the answer could not be read",
    "invalid_request": "the request could not be sent",
}


def _of_exception(request: _Request, error: Exception) -> StepError:
    kind = error.kind if isinstance(error, CallError) else kind_of_exception(type(error)) or "internal"
    sentence = _SENTENCES.get(kind, "an unexpected error")
    return _failed(kind, f"{request}: {sentence} ({type(error).__name__})")


def _not_allowed(request: _Request, allowed: AllowedHosts) -> str:
    start = "is not in" if allowed else "is not allowed: no host is in"
    example = f"ELEXIRION_HTTP_ALLOWED_HOSTS='[\"{request.host}\"]'"
    return f"{request}: the host {start} the worker's setting http_allowed_hosts (such as {example})"


def _failed(kind: FailureKind, message: str) -> StepError:
    return StepError(Failure(kind=kind, message=message))


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """The certificates, read once, since that takes 0.1 s."""
    return httpx.create_ssl_context()
