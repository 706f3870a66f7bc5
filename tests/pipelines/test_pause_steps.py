"""`delay` and `approval`: how long, and on what message."""

import pytest
from elexirion.pipelines.names import Scope
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.rendering import render_step
from elexirion.pipelines.template_errors import TemplateError
from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines.files import loaded, pipeline, steps

SCOPE = Scope(inputs={"n": 90, "text": "5m", "at": "2026-01-31T08:00:00+02:00", "bad": "soon", "below": -1})


def _config(line: str) -> dict[str, object]:
    return render_step(pipeline(steps(f"name: a, {line}")), "a", SCOPE, lambda _: b"").config


@pytest.mark.parametrize(
    ("line", "config"),
    [
        ("seconds: 2.5", {"seconds": 2.5}),
        ("seconds: 0", {"seconds": 0}),
        ("seconds: '3'", {"seconds": 3.0}),
        ("seconds: 2m", {"seconds": 120.0}),
        ("seconds: '{{ n }}'", {"seconds": 90}),
        ("seconds: '{{ text }}'", {"seconds": 300.0}),
        ("until: 2026-01-31T08:00:00Z", {"until": "2026-01-31T08:00:00Z"}),
        ("until: '2026-01-31 08:00'", {"until": "2026-01-31T08:00:00Z"}),
        ("until: '{{ at }}'", {"until": "2026-01-31T06:00:00Z"}),
    ],
)
def test_a_delay_lasts_some_seconds_or_until_a_point_of_time(line: str, config: dict[str, object]) -> None:
    assert _config(f"type: delay, {line}") == config


@pytest.mark.parametrize("key", ["seconds", "until"])
@pytest.mark.parametrize("value", ["bad", "below"])
def test_a_template_that_gives_no_time_is_an_error_with_its_key(key: str, value: str) -> None:
    with pytest.raises(TemplateError, match=f"`{key}` must give"):
        _config(f"type: delay, {key}: '{{{{ {value} }}}}'")


@given(st.floats() | st.integers() | st.text())
def test_whatever_is_said_of_seconds_is_a_bounded_number_or_refused(seconds: object) -> None:
    from elexirion.pipelines.steps.delay import LONGEST_S, DelayStep

    try:
        step = DelayStep.model_validate({"name": "a", "type": "delay", "seconds": seconds})
    except ValueError:
        return
    if step.seconds is not None and "{" not in str(seconds):
        config = render_step(pipeline(steps("name: b, type: test_echo")), step, Scope(), lambda _: b"").config
        assert 0 <= config["seconds"] <= LONGEST_S


def test_an_approval_carries_its_message_its_time_and_what_happens_then() -> None:
    line = "type: approval, message: 'Deploy {{ n }}?', timeout: 24h, on_timeout: reject"
    assert _config(line) == {"message": "Deploy 90?", "timeout_s": 86400.0, "on_timeout": "reject"}
    assert _config("type: approval") == {"message": "", "timeout_s": None, "on_timeout": "fail"}


def test_neither_has_a_time_limit_that_fails_it() -> None:
    found = pipeline(
        steps("name: a, type: approval, timeout: 1s", "name: b, type: delay, seconds: 1")
        + "  defaults: {timeout_seconds: 1}\n"
    )
    assert [found.effective(name).timeout_s for name in "ab"] == [None, None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("type: delay", "either `seconds` or `until`"),
        ("type: delay, seconds: 1, until: 2026-01-01", "either `seconds` or `until`"),
        ("type: delay, seconds: -1", "`seconds` must give"),
        ("type: delay, seconds: true", "`seconds` must give"),
        ("type: delay, seconds: 9999999999", "ten years"),
        ("type: delay, seconds: soon", "`seconds` must give"),
        ("type: delay, until: tomorrow", "`until` must give"),
        ("type: delay, seconds: '{{ 1 + }}'", "does not parse"),
        ("type: approval, on_timeout: wait", "approve"),
        ("type: approval, timeout: 0", "longer than 0"),
        ("type: approval, message: '{{ steps.zz.text }}'", "`zz` does not exist"),
    ],
)
def test_a_wrong_pause_is_refused_at_its_line(line: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message) as caught:
        loaded(steps("name: first, type: test_echo", f"name: a, {line}"))
    assert {error.line for error in caught.value.errors} == {5}
