"""The one place where HTTP is set up: one client and pool a provider, no redirects, four deadlines, bounded answers."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import httpx
import orjson
from elexirion.agents import failpoints
from elexirion.agents.providers.bounds import BoundedStream, Bounds
from elexirion.agents.providers.conversation import said_in
from elexirion.agents.providers.deadlines import CallClock, Deadlines, TimedStream
from elexirion.agents.providers.error_body import ProviderError, read_error
from elexirion.agents.providers.failures import CallError, RefusalError, failure_of
from elexirion.agents.providers.port import ProviderCall, ProviderFailed, ProviderOutput
from elexirion.agents.providers.rate_headers import NO_RATE_LIMITS, RateLimits
from elexirion.agents.providers.refusal_message import Privacy
from elexirion.agents.providers.retry_after import retry_after_s
from elexirion.events.usage import Usage
from httpx_sse import EventSource, ServerSentEvent

IDLE_CONNECTION_S = 4.0
"""An idle connection is not used again after so long: many servers (uvicorn, Node) close it at 5 s, and a request that
meets the closing is lost without anybody knowing whether it was taken."""
_ERROR_BODY_LIMIT = 65_536
_REST_S = 0.2
_REQUEST_IDS = ("request-id", "x-request-id")


@dataclass(frozen=True, slots=True)
class Post:
    """A request to a provider; `timeout_s` bounds the whole exchange in seconds.

    `on_headers` is called with the headers of the answer, whatever its status.
    """

    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    timeout_s: float
    on_headers: Callable[[Mapping[str, str]], None] = field(default=lambda headers: None)


class Transport:
    """An HTTP client of its own for one lane: another lane's full pool or slow provider never blocks it.

    Redirects are not followed, since the key would travel along. HTTP/1.1: a connection a call, so that a slow or cut
    answer is the matter of one call (docs/adr/0015-http-1.md). `network` stands in for the network in tests.
    """

    def __init__(
        self,
        connections: int,
        deadlines: Deadlines,
        bounds: Bounds | None = None,
        network: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._deadlines = deadlines
        self._bounds = bounds or Bounds()
        self._client = httpx.AsyncClient(
            transport=network,
            verify=_tls(),
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=IDLE_CONNECTION_S,
            ),
            timeout=httpx.Timeout(None, connect=deadlines.connect_s, pool=deadlines.connect_s),
        )

    async def events(self, post: Post) -> AsyncGenerator[ServerSentEvent, None]:
        """The server-sent events of a streamed answer, each as it comes."""
        async with (
            self._answer(post, streaming=True) as response,
            aclosing(EventSource(response).aiter_sse()) as events,
        ):
            async for event in events:
                yield event

    async def document(self, post: Post) -> Any:
        """The JSON document of an answer in one piece."""
        async with self._answer(post, streaming=False) as response:
            return orjson.loads(await response.aread())

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _answer(self, post: Post, *, streaming: bool) -> AsyncIterator[httpx.Response]:
        clock = CallClock(self._deadlines, post.timeout_s, streaming=streaming)
        response = await self._sent(post, clock, streaming=streaming)
        try:
            failpoints.hit("execution.request_sent", post.headers.get("idempotency-key", ""))
            post.on_headers(response.headers)
            if response.status_code != 200:
                raise await _refused(response)
            yield response
        finally:
            await response.aclose()

    async def _sent(self, post: Post, clock: CallClock, *, streaming: bool) -> httpx.Response:
        # Uncompressed, so that the first chunk is not held back.
        headers = {"content-type": "application/json", "accept-encoding": "identity", **post.headers}
        request = self._client.build_request("POST", post.url, headers=headers, content=orjson.dumps(post.body))
        try:
            response = await clock.within(self._client.send(request, stream=True))
        except (httpx.ReadError, httpx.RemoteProtocolError):
            raise CallError("connection", "the connection was closed, or spoke no HTTP, before any answer") from None
        self._read_within(response, clock, streaming=streaming)
        return response

    def _read_within(self, response: httpx.Response, clock: CallClock, *, streaming: bool) -> None:
        """Let the body be read under the deadlines and bounds, unpacked by us, as UTF-8 whatever its headers say."""
        assert isinstance(response.stream, httpx.AsyncByteStream)
        packed = response.headers.pop("content-encoding", "")
        timed = TimedStream(response.stream, clock)
        response.stream = BoundedStream(timed, packed, self._bounds, streaming=streaming)
        response.encoding = "utf-8-sig"


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """The certificates, read once for all lanes since that takes 0.1 s; connections stay apart."""
    return httpx.create_ssl_context()


async def drained(events: AsyncIterator[ServerSentEvent]) -> None:
    """Read what follows a stream's end marker, so that its connection can be used again.

    The answer is complete already: a rest that is slow or broken is given up without harm.
    """
    with suppress(Exception):
        async with asyncio.timeout(_REST_S):
            async for _ in events:
                pass


async def _refused(response: httpx.Response) -> RefusalError:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _ERROR_BODY_LIMIT:
            break
    try:
        error = read_error(orjson.loads(body))
    except orjson.JSONDecodeError:
        error = ProviderError()
    request_id = next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), "")
    return RefusalError(response.status_code, error, retry_after_s(response.headers, datetime.now(UTC)), request_id)


async def guarded(
    outputs: AsyncGenerator[ProviderOutput, None],
    *,
    provider: str,
    call: ProviderCall,
    key: str,
    usage: Callable[[], Usage],
    rate_limits: Callable[[], RateLimits] = lambda: NO_RATE_LIMITS,
) -> AsyncGenerator[ProviderOutput, None]:
    """`outputs`, with every exception turned into ProviderFailed; closing it closes the request.

    The foreign exception is dropped rather than chained: it refers to the request, and so to the key.
    """
    try:
        async with aclosing(outputs):
            async for output in outputs:
                yield output
    except Exception as exception:  # noqa: BLE001 - the edge: whatever came is told as a typed failure
        privacy = Privacy((key, *said_in(call), call.system or ""), (call.model,))
        raise ProviderFailed(failure_of(exception, provider, privacy), usage(), rate_limits()) from None
