"""The stub itself: its script, its ledger and its faults on the wire."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.stub.client import StubServer
from tests.stub.ledger import read_rows
from tests.stub.script import Answer, Rule

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21", "idempotency-key": "run/step#1/1"}
URL = "/v1/messages"


def _body(prompt: str, stream: bool = True) -> dict[str, object]:
    asked = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]}
    return {**asked, "stream": stream}


def _post(stub: StubServer, prompt: str = "hi", stream: bool = True) -> httpx.Response:
    return httpx.post(stub.url + URL, json=_body(prompt, stream), headers=HEADERS, timeout=10)


def test_the_ledger_shows_a_request_open_until_it_has_ended(stub: StubServer) -> None:
    stub.answer(Answer(chunks=("a", "b"), hold_before_chunk=2))
    with httpx.stream("POST", stub.url + URL, json=_body("hi"), headers=HEADERS, timeout=10) as response:
        pieces = response.iter_text()
        while '"a"' not in next(pieces):
            pass
        (call,) = stub.calls()
        assert call.is_open
        assert call.states == ("opened", "first-byte")
        stub.release()
        assert '"b"' in "".join(pieces)
    (call,) = stub.wait_for(lambda calls: not calls[0].is_open)
    assert call.states == ("opened", "first-byte", "closed")
    assert call.asked.call_id == "run/step#1/1"
    assert (call.asked.prompt, call.asked.provider, call.rows[-1].detail) == ("hi", "claude", "complete")


def test_a_client_that_leaves_is_noted(stub: StubServer) -> None:
    stub.answer(Answer(delay_headers_s=60))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(stub.url + URL, json=_body("hi"), headers=HEADERS, timeout=0.1)
    (call,) = stub.wait_for(lambda calls: not calls[0].is_open)
    assert call.states == ("opened", "client-disconnected")


def test_the_ledger_is_the_same_over_http_and_in_the_file(stub_process: StubServer, stub: StubServer) -> None:
    _post(stub)
    stub.wait_for(lambda calls: not calls[0].is_open)
    rows = read_rows(httpx.get(stub.url + "/_ledger").content)
    assert rows[-len(stub.ledger()) :] == stub.ledger()
    assert "k" not in {row.auth for row in rows}


def test_rules_are_matched_by_prompt_and_by_count(stub: StubServer) -> None:
    stub.script(
        Rule(contains="rivers", nth=2, answer=Answer(status=529)),
        Rule(contains="rivers", answer=Answer(chunks=("river answer",))),
        Rule(provider="gemini", answer=Answer(status=500)),
        Rule(model="claude-opus-5-5", contains="lakes", answer=Answer(status=400)),
    )
    answers = [_post(stub, prompt, stream=False) for prompt in ("rivers", "rivers", "rivers", "lakes", "hills")]
    assert [answer.status_code for answer in answers] == [200, 529, 200, 400, 200]
    assert "river answer" in answers[0].text
    assert "You said: hills" in answers[4].text


def test_the_ledger_holds_the_conversation_once(stub: StubServer) -> None:
    _post(stub, "hi")
    (call,) = stub.wait_for(lambda calls: bool(calls) and not calls[0].is_open)
    assert call.asked.messages == [{"role": "user", "content": "hi"}]
    assert all(not row.messages for row in call.rows[1:])


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": " "}],
        [{"type": "tool_result", "tool_use_id": "never-called", "content": "x"}],
        [{"type": "thinking", "thinking": "hm", "signature": "forged"}],
    ],
)
def test_a_conversation_that_anthropic_would_refuse_is_refused(stub: StubServer, content: object) -> None:
    body = {**_body("hi"), "messages": [{"role": "user", "content": content}]}
    assert httpx.post(stub.url + URL, json=body, headers=HEADERS).status_code == 400


def test_chat_completions_end_with_their_usage_and_a_marker(stub: StubServer) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    url = stub.url + "/v1/chat/completions"
    plain = httpx.post(url, json=body).text
    assert plain.endswith("data: [DONE]\n\n")
    assert "prompt_tokens" not in plain
    assert "prompt_tokens" in httpx.post(url, json={**body, "stream_options": {"include_usage": True}}).text
    assert httpx.post(url, json={"model": "m"}).status_code == 400
    lone = [{"role": "tool", "tool_call_id": "never-called", "content": "x"}]
    assert httpx.post(url, json={**body, "messages": lone}).status_code == 400


def test_a_script_with_an_unknown_word_is_refused(stub: StubServer) -> None:
    response = httpx.post(stub.url + "/_script", json=[{"answer": {"chunkz": []}}])
    assert response.status_code == 500


def test_a_cut_by_rst_is_a_reset_on_the_wire_and_a_cut_by_fin_an_end(stub: StubServer) -> None:
    stub.script(
        Rule(contains="reset", answer=Answer(chunks=("a",), cut_after_chunk=1, cut="rst")),
        Rule(contains="end", answer=Answer(chunks=("a",), cut_after_chunk=1)),
    )
    with _raw_request(stub, "reset") as connection, pytest.raises(ConnectionResetError):
        while connection.recv(65536):
            pass
    with _raw_request(stub, "end") as connection:
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert b'"a"' in said
    assert b"message_stop" not in said
    assert [call.rows[-1].detail for call in stub.calls()] == ["cut", "cut"]


def test_gemini_takes_its_key_as_header_and_in_the_url(stub: StubServer) -> None:
    url = f"{stub.url}/v1beta/models/gemini-3.8-flash:generateContent"
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    assert httpx.post(url, json=body).status_code == 403
    assert httpx.post(url, json=body, params={"key": "k"}).status_code == 200
    assert httpx.post(url, json=body, headers={"x-goog-api-key": "k"}).status_code == 200
    assert [call.asked.auth for call in stub.calls()] == ["query", "x-goog-api-key"]


@pytest.mark.parametrize("path", ["/v2/models/m:generateContent", "/v1/models/m:countTokens"])
def test_an_unknown_path_is_not_found(stub: StubServer, path: str) -> None:
    assert httpx.post(stub.url + path, json={}).status_code == 404


def test_without_key_or_version_anthropic_refuses(stub: StubServer) -> None:
    url = stub.url + URL
    assert httpx.post(url, json=_body("hi")).json()["error"]["type"] == "authentication_error"
    assert httpx.post(url, json=_body("hi"), headers={"x-api-key": "k"}).status_code == 400
    assert httpx.post(url, content=b"{", headers=HEADERS).status_code == 400
    incomplete = {**_body("hi"), "max_tokens": None, "top_p": 1}
    assert "top_p" in httpx.post(url, json=incomplete, headers=HEADERS).text
    del incomplete["max_tokens"]
    assert "max_tokens" in httpx.post(url, json=incomplete, headers=HEADERS).text


def test_the_ledger_outlives_the_process_and_the_process_not_its_starter(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with StubServer(ledger) as stub:
        stub.answer(Answer(chunks=("a", "b"), hold_before_chunk=2))
        with httpx.stream("POST", stub.url + URL, json=_body("hi"), headers=HEADERS):
            stub.wait_for(lambda calls: len(calls) == 1 and "first-byte" in calls[0].states)
            stub.stop()
    assert [row.state for row in read_rows(ledger.read_bytes())] == ["opened", "first-byte"]
    command = [sys.executable, "-m", "tests.stub", "--ledger", str(ledger), "--with-stdin"]
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=30).returncode == 0


@contextmanager
def _raw_request(stub: StubServer, prompt: str) -> Iterator[socket.socket]:
    request = httpx.Request("POST", stub.url + URL, json=_body(prompt), headers=HEADERS)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection(("127.0.0.1", urlsplit(stub.url).port or 0)) as connection:
        connection.settimeout(10)
        connection.sendall(f"POST {URL} HTTP/1.1\r\n{head}\r\n".encode() + request.read())
        yield connection
