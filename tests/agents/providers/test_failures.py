"""The mapping of foreign exceptions, statuses and error bodies to failure kinds."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import httpx_sse
import pytest
from elexirion.agents.providers.error_body import ProviderError, read_error
from elexirion.agents.providers.failures import (
    EXCEPTION_KINDS,
    CallError,
    RefusalError,
    failure_of,
    kind_of_exception,
    kind_of_status,
)
from elexirion.agents.providers.port import ProviderFailed
from elexirion.agents.providers.retry_after import retry_after_s
from elexirion.events.failure import Failure
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def _tree(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _http_exceptions() -> set[type[BaseException]]:
    exported = [getattr(httpx, name) for name in httpx.__all__]
    roots = [one for one in exported if isinstance(one, type) and issubclass(one, Exception)]
    found = {one for root in [*roots, httpx_sse.SSEError] for one in _tree(root)}
    return {one for one in found if one.__module__.split(".")[0] == "httpx" or one is httpx_sse.SSEError}


def test_no_exception_class_of_httpx_is_left_to_chance() -> None:
    exceptions = _http_exceptions()
    assert len(exceptions) >= 28
    assert exceptions <= EXCEPTION_KINDS.keys()


def test_a_subclass_that_httpx_may_add_has_the_kind_of_its_parent() -> None:
    class NewTimeout(httpx.ConnectTimeout):
        pass

    assert kind_of_exception(NewTimeout) == "timeout_connect"


def test_an_exception_nobody_expected_is_internal_and_not_quoted() -> None:
    failure = failure_of(RuntimeError("with a secret inside"), "claude")
    assert failure.kind == "internal"
    assert "secret" not in failure.message
    assert "RuntimeError" in failure.message


@given(st.integers(min_value=100, max_value=599))
def test_every_status_that_is_not_200_has_a_kind(status: int) -> None:
    kind = kind_of_status(status)
    assert Failure(kind=kind, message="").transient == (status in (408, 429) or status >= 500 or status < 300)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 99 Nov 2026 11:00:00 GMT"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


@given(st.text())
def test_no_retry_after_header_breaks_the_reading(value: str) -> None:
    seconds = retry_after_s({"retry-after": value}, NOW)
    assert seconds is None or seconds >= 0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "details", "type", "message", "status", "reason"]), inner)
    ),
)


@given(_JSON)
def test_no_error_body_breaks_the_reading(body: object) -> None:
    assert isinstance(read_error(body), ProviderError)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rate_limit_error", "rate_limited"),
        ("overloaded_error", "overloaded"),
        ("authentication_error", "auth"),
        ("billing_error", "budget"),
        ("invalid_request_error", "invalid_request"),
        ("RESOURCE_EXHAUSTED", "rate_limited"),
        ("UNAVAILABLE", "overloaded"),
        ("an_error_of_tomorrow", "bad_response"),
    ],
)
def test_an_error_inside_a_stream_is_told_by_its_name(name: str, kind: str) -> None:
    failure = failure_of(RefusalError(200, ProviderError(name=name, message="m")), "claude")
    assert failure.kind == kind
    assert name in failure.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "m"}}, "budget"),
        (429, {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "m"}}, "rate_limited"),
        (400, {"error": {"type": "invalid_request_error", "code": "context_length_exceeded"}}, "context_length"),
        (400, {"error": {"code": "content_filter", "message": "m"}}, "content_filtered"),
        (404, {"error": "model 'm' not found"}, "invalid_request"),
        (
            400,
            {"object": "error", "message": "The maximum context length is 9", "code": 400},
            "context_length",
        ),
    ],
)
def test_errors_of_servers_with_openais_format_are_told_by_status_and_code(
    status: int, body: object, kind: str
) -> None:
    failure = failure_of(RefusalError(status, read_error(body)), "openai")
    assert failure.kind == kind


def test_an_error_that_is_only_a_sentence_is_passed_on() -> None:
    assert "no such model" in failure_of(RefusalError(404, read_error({"error": "no such model"})), "openai").message


def test_a_failed_call_can_travel_through_context_managers_and_pickle() -> None:
    @contextmanager
    def anything() -> Iterator[None]:
        yield

    failed = ProviderFailed(failure_of(CallError("cut_stream"), "gemini"))
    with pytest.raises(ProviderFailed), anything():
        raise failed
    assert pickle.loads(pickle.dumps(failed)).failure == failed.failure
