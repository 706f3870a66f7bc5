"""http steps in a file: what loads, what is refused, and what the worker is given."""

from typing import Any

import pytest
from elexirion.pipelines.loader import from_definition
from elexirion.pipelines.names import Scope
from elexirion.pipelines.rendering import render_step
from elexirion.pipelines.template_errors import TemplateError

from tests.pipelines.files import errors_of, loaded, pipeline, steps


def config(line: str, **inputs: Any) -> dict[str, Any]:
    def no_file(path: str) -> bytes:
        raise OSError(path)

    return render_step(pipeline(steps(f"name: a, type: http, {line}")), "a", Scope(inputs=inputs), no_file).config


def test_everything_is_rendered_into_plain_texts() -> None:
    found = config(
        "method: post, url: 'https://example.org/{{ id }}', headers: {authorization: 'Bearer {{ token }}', x-n: 3}, "
        "query: {q: '{{ words }}', all: true, none: null}, json: {n: '{{ id }}'}, expect_status: 201",
        id=7, token="t", words=["a", "b"],
    )  # fmt: skip
    assert found == {
        "method": "POST",
        "url": "https://example.org/7",
        "headers": {"authorization": "Bearer t", "x-n": "3"},
        "query": {"q": ["a", "b"], "all": ["true"], "none": []},
        "content": {"json": {"n": 7}},
        "expect_status": [201],
        "output_schema": None,
    }


@pytest.mark.parametrize(
    ("written", "content"),
    [
        ("body: text", {"text": "text"}),
        ("body: {a: 1}", {"json": {"a": 1}}),
        ("body: '{{ data }}'", {"json": [1]}),
        ("json: text", {"json": "text"}),
        ("json: null", {"json": None}),
        ("body: null", None),
        ("method: get", None),
    ],
)
def test_text_is_a_body_as_it_stands_and_other_values_are_json(written: str, content: Any) -> None:
    assert config(f"url: 'http://h/', {written}", data=[1])["content"] == content


def test_the_definition_keeps_the_key_json() -> None:
    found = loaded(steps("name: a, type: http, url: 'http://h/', json: {a: 1}"))
    assert found.definition["steps"][0]["json"] == {"a": 1}
    assert from_definition(found.definition) == found.pipeline
    assert found.warnings == ()


def test_a_wrong_template_is_told_at_its_key() -> None:
    assert errors_of(steps("name: a, type: http, url: 'http://h/', json: {x: '{{ 1 + }}'}"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("method: GET", "`url` is missing"),
        ("url: 'http://h/', method: FETCH", "Input should be 'GET'"),
        ("url: 'http://h/', body: a, json: b", "either `body` or `json`"),
        ("url: 'http://h/', expect_status: 99", "greater than or equal to 100"),
        ("url: 'http://h/', headers: {Host: other}", "written by the client"),
        ("url: 'http://h/', headers: {Transfer-Encoding: chunked}", "written by the client"),
        ("url: 'http://h/', headers: {Authorization: Bearer abc}", "holds a credential"),
        ("url: 'http://h/', headers: {X-API-Key: abc}", "holds a credential"),
    ],
)
def test_a_wrong_step_is_refused_with_a_reason(line: str, message: str) -> None:
    (error,) = errors_of(steps(f"name: a, type: http, {line}"))[:1]
    assert message in error
    assert "abc" not in error


@pytest.mark.parametrize("line", ["url: '{{ n }}'", "url: 'http://h/', headers: {x: '{{ m }}'}"])
def test_a_template_that_gives_no_text_fails_the_step(line: str) -> None:
    with pytest.raises(TemplateError):
        config(line, n=3, m={"a": 1})
