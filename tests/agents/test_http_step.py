"""http steps against a real server: what is sent, what comes back, and where a request may not go."""

import asyncio
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import uvicorn
from elexirion.agents.http_requests.allowed_hosts import AllowedHosts
from elexirion.agents.settings import Settings
from elexirion.agents.steps.http import HttpRequests, runner
from elexirion.agents.steps.port import StepError, StepIO, Work
from elexirion.events.failure import Failure
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

MOST_BYTES = 10_000
NO_IO = cast(StepIO, None)


@dataclass
class Server:
    """A server on this machine, with what it was asked."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def echo(self, request: Request) -> Response:
        """What arrived, as JSON."""
        seen = {
            "method": request.method, "path": request.url.path, "query": request.url.query,
            "headers": dict(request.headers), "body": (await request.body()).decode(),
        }  # fmt: skip
        self.asked.append(seen)
        return JSONResponse(seen)

    async def status(self, request: Request) -> Response:
        self.asked.append({"path": request.url.path})
        code = int(request.path_params["code"])
        return PlainTextResponse("a secret", code, {"retry-after": "7", "set-cookie": "session=1"})

    async def redirect(self, request: Request) -> Response:
        self.asked.append({"path": request.url.path})
        return RedirectResponse(request.query_params["to"], int(request.query_params.get("code", 302)))

    async def circle(self, request: Request) -> Response:
        self.asked.append({"path": request.url.path})
        return RedirectResponse("/circle")

    async def body(self, request: Request) -> Response:
        """The bytes of a named sample."""
        content, headers = SAMPLES[request.path_params["name"]]
        return Response(content, headers=headers)

    async def endless(self, request: Request) -> Response:
        async def pieces() -> Any:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)  # lets the server see that nobody listens any more

        return StreamingResponse(pieces())

    def app(self) -> Starlette:
        every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        return Starlette(
            routes=[
                Route("/echo", self.echo, methods=every),
                Route("/status/{code}", self.status, methods=every),
                Route("/redirect", self.redirect, methods=every),
                Route("/circle", self.circle),
                Route("/body/{name}", self.body),
                Route("/endless", self.endless),
            ]
        )


JSON_TYPE = {"content-type": "application/json; charset=utf-8"}
SAMPLES: dict[str, tuple[bytes, dict[str, str]]] = {
    "problem": (b'{"title": "no"}', {"content-type": "application/problem+json"}),
    "no-json": (b"{nope", JSON_TYPE),
    "text": ("grün".encode(), {"content-type": "text/plain; charset=utf-8"}),
    "latin": ("grün".encode("latin-1"), {"content-type": "text/plain; charset=iso-8859-1"}),
    "odd-charset": (b"abc", {"content-type": "text/plain; charset=punycode"}),
    "image": (b"\x89PNG\x00\xff", {"content-type": "image/png"}),
    "empty": (b"", JSON_TYPE),
    "gzip": (gzip.compress(b'{"a": 1}'), {**JSON_TYPE, "content-encoding": "gzip"}),
    "deflate": (zlib.compress(b'{"a": 1}'), {**JSON_TYPE, "content-encoding": "deflate"}),
    "bomb": (gzip.compress(b"0" * 10_000_000), {"content-encoding": "gzip"}),
    "twice": (gzip.compress(gzip.compress(b"0")), {"content-encoding": "gzip, gzip"}),
    "no-gzip": (b"plain", {"content-encoding": "gzip"}),
    "long": (b"x" * (MOST_BYTES + 1), {}),
    "just-fits": (b"x" * MOST_BYTES, {"content-type": "text/plain"}),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """The server, in a thread of its own, on both loopback addresses."""
    server = Server()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server.port = listening.getsockname()[1]
        uvicorn_server = uvicorn.Server(uvicorn.Config(server.app(), log_level="critical", lifespan="off"))
        thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield server
        uvicorn_server.should_exit = uvicorn_server.force_exit = True
        thread.join(10)


@pytest.fixture
def server(running: Server) -> Server:
    running.asked.clear()
    return running


def work(url: str, *, timeout_s: float = 20.0, offline: bool = False, **config: Any) -> Work:
    said = {"method": "GET", "url": url, "headers": {}, "query": {}, "content": None, "expect_status": None, **config}
    return Work("run-1", "run-1/s#1", "s", "http", "local", 1, said, timeout_s, offline)


async def answer(url: str, *allowed: str, **config: Any) -> dict[str, Any]:
    run = HttpRequests(AllowedHosts(allowed or ("127.0.0.1",)), MOST_BYTES)
    result: dict[str, Any] = (await run(work(url, **config), NO_IO)).result
    return result


async def failure(url: str, *allowed: str, **config: Any) -> Failure:
    with pytest.raises(StepError) as caught:
        await answer(url, *allowed, **config)
    return caught.value.failure


# What is sent, and what comes back -----------------------------------------------------------------------


async def test_a_request_arrives_as_the_step_says_it(server: Server) -> None:
    result = await answer(
        server.url("/echo?kept=1"), method="POST", headers={"X-Own": "one", "X-Out": None},
        query={"a": ["1", "2"], "b c": ["ü&"]}, content={"json": {"k": [1]}},
    )  # fmt: skip
    (seen,) = server.asked
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/echo", "kept=1&a=1&a=2&b+c=%C3%BC%26")
    assert seen["headers"]["x-own"] == "one"
    assert "x-out" not in seen["headers"]
    assert seen["headers"]["content-type"] == "application/json"
    assert json.loads(seen["body"]) == {"k": [1]}
    assert (result["status"], result["body"]["method"]) == (200, "POST")
    assert result["headers"]["content-type"] == "application/json"


async def test_text_is_sent_as_it_stands_and_its_type_can_be_set(server: Server) -> None:
    await answer(server.url("/echo"), method="PUT", content={"text": "grün"})
    await answer(server.url("/echo"), method="PUT", content={"text": "<a/>"}, headers={"Content-Type": "text/xml"})
    first, second = server.asked
    assert (first["body"], first["headers"]["content-type"]) == ("grün", "text/plain; charset=utf-8")
    assert (second["body"], second["headers"]["content-type"]) == ("<a/>", "text/xml")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("problem", {"title": "no"}),
        ("text", "grün"),
        ("latin", "grün"),
        ("odd-charset", "abc"),
        ("empty", None),
        ("gzip", {"a": 1}),
        ("deflate", {"a": 1}),
        ("just-fits", "x" * MOST_BYTES),
    ],
)
async def test_a_body_is_read_by_its_type(server: Server, name: str, body: Any) -> None:
    assert (await answer(server.url(f"/body/{name}")))["body"] == body


async def test_a_body_that_is_no_text_is_base64(server: Server) -> None:
    result = await answer(server.url("/body/image"))
    assert (result["body"], result["body_encoding"]) == ("iVBORwD/", "base64")


@pytest.mark.parametrize("name", ["no-json", "bomb", "twice", "no-gzip", "long"])
async def test_a_body_that_cannot_be_taken_is_a_bad_response(server: Server, name: str) -> None:
    assert (await failure(server.url(f"/body/{name}"))).kind == "bad_response"


async def test_an_answer_without_end_is_given_up_at_the_limit(server: Server) -> None:
    found = await failure(server.url("/endless"))
    assert found.kind == "bad_response"
    assert "http_response_bytes" in found.message


async def test_cookies_of_an_answer_stay_out_of_the_result(server: Server) -> None:
    assert "set-cookie" not in (await answer(server.url("/status/200")))["headers"]


# Statuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (400, "invalid_request", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "invalid_request", False),
        (429, "rate_limited", True),
        (500, "overloaded", True),
        (503, "overloaded", True),
    ],
)
async def test_a_status_of_an_error_fails_with_its_kind(
    server: Server, status: int, kind: str, transient: bool
) -> None:
    found = await failure(server.url(f"/status/{status}?key=hidden"))
    assert (found.kind, found.transient, found.status, found.retry_after_s) == (kind, transient, status, 7.0)
    assert found.message == f"GET http://127.0.0.1: answered with status {status}"


async def test_an_expected_status_is_a_success_and_any_other_a_failure(server: Server) -> None:
    assert (await answer(server.url("/status/404"), expect_status=[200, 404]))["status"] == 404
    assert (await answer(server.url("/redirect?to=/echo"), expect_status=[302]))["status"] == 302
    found = await failure(server.url("/status/204"), expect_status=[200, 201])
    assert (found.kind, found.message) == (
        "step_error", "GET http://127.0.0.1: answered with status 204, not 200 or 201",
    )  # fmt: skip
    assert (await failure(server.url("/status/500"), expect_status=[404])).kind == "overloaded"


# Where a request may go ----------------------------------------------------------------------------------


async def test_without_a_list_nothing_is_asked_and_the_setting_is_named(server: Server) -> None:
    run = runner(Settings(_env_file=None))  # type: ignore[call-arg]  # pydantic-settings takes it at run time
    with pytest.raises(StepError) as caught:
        await run(work(server.url("/echo")), NO_IO)
    assert caught.value.failure.kind == "invalid_request"
    assert "http_allowed_hosts" in caught.value.failure.message
    assert "ELEXIRION_HTTP_ALLOWED_HOSTS='[\"127.0.0.1\"]'" in caught.value.failure.message
    assert server.asked == []


async def test_a_listed_name_may_lead_to_this_machine(server: Server) -> None:
    assert (await answer(server.url("/echo", "localhost"), "localhost"))["status"] == 200
    assert (await answer(server.url("/echo", "LOCALHOST"), f"localhost:{server.port}"))["status"] == 200


async def test_a_pattern_allows_no_address_inside_the_network(server: Server) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        found = await failure(server.url("/echo", host), "*")
        assert found.kind in ("invalid_request", "connection"), host
    assert "inside the network" in (await failure(server.url("/echo", "localhost"), "*")).message
    assert server.asked == []


async def test_a_name_under_a_pattern_may_lead_to_an_address_that_is_listed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve_all_to(monkeypatch, "127.0.0.1")
    url = server.url("/echo", "inside.example.org")
    await answer(url, "*.example.org", "127.0.0.1")
    assert server.asked[0]["headers"]["host"] == f"inside.example.org:{server.port}"
    assert (await failure(url, "*.example.org")).kind == "invalid_request"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("//127.0.0.1/", "http:// or https://"),
        ("http://", "name a host"),
        ("http://user:word@127.0.0.1/", "user or password"),
        ("http://127.0.0.1:port/", "no address"),
        ("http://127.0.0.1.evil.example/", "http_allowed_hosts"),
        ("http://127.0.0.1@evil.example/", "user or password"),
        ("http://127.0.0.1\\@evil.example/", ""),
    ],
)
async def test_an_address_that_may_not_be_asked_is_refused_unasked(url: str, said: str) -> None:
    found = await failure(url)
    assert found.kind == "invalid_request"
    assert said in found.message
    assert "word" not in found.message.replace("password", "")


# Redirects -----------------------------------------------------------------------------------------------


async def test_a_redirect_to_the_same_host_keeps_the_headers(server: Server) -> None:
    await answer(server.url("/redirect?to=/echo"), headers={"Authorization": "Bearer t"})
    assert server.asked[-1]["headers"]["authorization"] == "Bearer t"


async def test_a_redirect_to_another_host_takes_no_headers_along(server: Server) -> None:
    away = server.url("/redirect", "localhost")
    own = {"Authorization": "Bearer t", "X-Token": "t", "Cookie": "c=1", "Accept": "text/csv"}
    await answer(away, "localhost", "127.0.0.1", query={"to": [server.url("/echo")]}, headers=own)
    headers = server.asked[-1]["headers"]
    assert not {"authorization", "x-token", "cookie"} & headers.keys()
    assert headers["accept"] == "text/csv"


async def test_a_redirect_off_the_list_is_not_followed(server: Server) -> None:
    found = await failure(server.url("/redirect"), query={"to": [server.url("/echo", "localhost")]})
    assert found.kind == "invalid_request"
    assert "http://localhost" in found.message
    assert [seen["path"] for seen in server.asked] == ["/redirect"]


@pytest.mark.parametrize(("code", "method", "body"), [(303, "GET", ""), (302, "GET", ""), (307, "POST", '"x"')])
async def test_a_redirect_keeps_or_drops_the_body_by_its_status(
    server: Server, code: int, method: str, body: str
) -> None:
    await answer(server.url(f"/redirect?to=/echo&code={code}"), method="POST", content={"json": "x"})
    assert (server.asked[-1]["method"], server.asked[-1]["body"]) == (method, body)


async def test_a_body_is_not_redirected_to_another_host(server: Server) -> None:
    query = {"to": [server.url("/echo", "localhost")], "code": ["307"]}
    sent = {"method": "POST", "query": query, "content": {"text": "private"}}
    found = await failure(server.url("/redirect"), "127.0.0.1", "localhost", **sent)
    assert "body" in found.message
    assert [seen["path"] for seen in server.asked] == ["/redirect"]


async def test_redirects_in_a_circle_end(server: Server) -> None:
    found = await failure(server.url("/circle"))
    assert (found.kind, found.message) == ("invalid_request", "GET http://127.0.0.1: more than 5 redirects")
    assert len(server.asked) == 6


# Failures of the connection ------------------------------------------------------------------------------


async def test_a_closed_port_is_a_connection_failure_without_path_or_query() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = await failure(f"http://127.0.0.1:{port}/token/abc?key=hidden")
    assert (found.kind, found.transient) == ("connection", True)
    assert "abc" not in found.message and "hidden" not in found.message


async def test_a_server_that_says_nothing_is_given_up_at_the_timeout() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert (await failure(url, timeout_s=0.2)).kind == "timeout_total"


async def test_a_server_that_hangs_up_is_a_cut_or_a_connection_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as rude:

        def hang_up() -> None:
            rude.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        found = await failure(f"http://127.0.0.1:{rude.getsockname()[1]}/")
    assert found.transient


@pytest.mark.parametrize("value", ["a\r\nX-Other: 1", "ü", "a\0b"])
async def test_a_header_that_would_break_the_request_is_refused_without_its_value(server: Server, value: str) -> None:
    found = await failure(server.url("/echo"), headers={"X-Own": value})
    assert (found.kind, server.asked) == ("invalid_request", [])
    assert value not in found.message


async def test_offline_nothing_is_sent(server: Server) -> None:
    assert await answer(server.url("/echo"), offline=True) == {
        "status": 200, "headers": {}, "body": None, "offline": True,
    }  # fmt: skip
    assert (await answer(server.url("/echo"), offline=True, expect_status=[204]))["status"] == 204
    assert server.asked == []


BODY_WITH_N: dict[str, Any] = {
    "type": "object",
    "properties": {"body": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
    "required": ["body"],
}


async def test_a_result_has_to_fit_the_schema_and_an_offline_one_does(server: Server) -> None:
    found = await failure(server.url("/body/gzip"), output_schema=BODY_WITH_N)
    assert found.kind == "schema_mismatch"
    assert "$.body" in found.message
    result = await answer(server.url("/echo"), offline=True, output_schema=BODY_WITH_N)
    assert isinstance(result["body"]["n"], int)
    assert result["offline"] is True


def _resolve_all_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Every name leads to `address`, as a name server of an attacker would say."""
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        return real(address, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
