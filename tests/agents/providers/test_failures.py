"""The mapping of foreign exceptions, statuses and error bodies to failure kinds."""

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, get_args, get_origin

import httpx
import httpx_sse
import pytest
from anthropic.types import shared
from elexirion.agents.providers.error_body import KIND_OF_NAME, ProviderError, read_error
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


def _listed(annotation: Any) -> set[str]:
    """The words of a union of literals, or of models whose `error_code` is one."""
    if isinstance(annotation, type):
        return _listed(annotation.model_fields["error_code"].annotation)  # type: ignore[attr-defined]
    words = get_args(annotation)
    return {one for one in words if isinstance(one, str)} or {word for one in words for word in _listed(one)}


def test_no_error_type_of_anthropic_is_left_to_chance() -> None:
    documented = _listed(shared.ErrorType)
    assert len(documented) >= 12
    assert documented <= KIND_OF_NAME.keys()


def test_no_status_of_google_is_left_to_chance() -> None:
    # https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, all but OK
    documented = (
        "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
        "UNAUTHENTICATED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL "
        "UNAVAILABLE DATA_LOSS"
    )
    assert set(documented.split()) <= KIND_OF_NAME.keys()


def test_no_error_of_openai_s_guide_is_left_to_chance() -> None:
    # https://developers.openai.com/docs/guides/error-codes, by error type or by code
    documented = (
        "invalid_request_error authentication_error rate_limit_error service_unavailable_error server_error "
        "insufficient_quota slow_down server_is_overloaded rate_limit_exceeded invalid_api_key"
    )
    assert set(documented.split()) <= KIND_OF_NAME.keys()
    spent = ProviderError(name="insufficient_quota", codes=frozenset({"credit_balance_exhausted"}))
    assert spent.kind("rate_limited") == "budget"


def test_no_detail_of_anthropic_s_errors_is_left_to_chance() -> None:
    """A detail says more than its error type only where an account's money is spent."""
    documented = _listed(get_args(shared.ErrorDetails)[0] if get_origin(shared.ErrorDetails) else shared.ErrorDetails)
    spent = {code for code in documented if re.search("spend_limit_reached|billing_unavailable", code)}
    assert len(documented) >= 15
    for code in documented:
        error = ProviderError(name="permission_error", codes=frozenset({code}))
        assert error.kind("auth") == ("budget" if code in spent else "auth"), code


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
    assert Failure(kind=kind, message="").transient == (status in (408, 429, 499) or status >= 500 or status < 300)


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


def test_an_error_that_is_only_a_sentence_is_told_in_words_of_the_api() -> None:
    assert "no such model" in failure_of(RefusalError(404, read_error({"error": "no such model"})), "openai").message


def test_a_failed_call_can_travel_through_context_managers_and_pickle() -> None:
    @contextmanager
    def anything() -> Iterator[None]:
        yield

    failed = ProviderFailed(failure_of(CallError("cut_stream"), "gemini"))
    with pytest.raises(ProviderFailed), anything():
        raise failed
    assert pickle.loads(pickle.dumps(failed)).failure == failed.failure
