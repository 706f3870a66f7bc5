"""`fallback` in a file: who is asked in turn, and names that nobody answers to."""

import pytest
from elexirion.pipelines.fallback import Candidate
from elexirion.pipelines.problems import PipelineInvalid, Problem

from tests.pipelines.files import loaded, pipeline, steps


def _candidates(written: str, kind: str = "claude") -> list[str]:
    return [
        str(one)
        for one in pipeline(steps(f"name: a, type: {kind}, prompt: x, fallback: {written}")).step("a").candidates()
    ]


def problems_of(step: str) -> tuple[Problem, ...]:
    with pytest.raises(PipelineInvalid) as raised:
        loaded(steps(step))
    return raised.value.errors


@pytest.mark.parametrize(
    ("kind", "written", "asked"),
    [
        ("claude", "[gemini/gemini-2.5-flash, openai/gpt-5]", ["gemini/gemini-2.5-flash", "openai/gpt-5"]),
        ("claude", "[haiku]", ["claude/haiku"]),
        ("gemini", "[claude]", ["claude"]),
        ("claude", "[openai/meta-llama/llama-4]", ["openai/meta-llama/llama-4"]),
        ("claude", "[{provider: gemini, model: flash}, {model: opus}, {provider: gemini}]",
         ["gemini/flash", "claude/opus", "gemini"]),
        ("openai, model: own", "[claude-like]", ["openai/claude-like"]),
    ],
)  # fmt: skip
def test_candidates_are_read_in_their_order(kind: str, written: str, asked: list[str]) -> None:
    assert _candidates(written, kind) == asked


@pytest.mark.parametrize("text", ["gemini", "gemini/flash", "openai/a/b"])
def test_what_is_written_is_read_again(text: str) -> None:
    assert str(Candidate.parse(text)) == text


@pytest.mark.parametrize("text", ["", "haiku", "gemni/flash", "gemini/"])
def test_what_names_no_provider_is_no_candidate(text: str) -> None:
    assert Candidate.parse(text) is None


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("[haiku, gemni/flash]", "the fallback `gemni/flash` names no model of a known provider",
         "did you mean `gemini`?"),
        ("[mistral/large]", "the fallback `mistral/large` names no model of a known provider",
         "write `provider/model`; providers are claude, gemini, openai"),
        ("[gemini-2.5-flash]", "the fallback `gemini-2.5-flash` is no model of claude",
         "did you mean `gemini/gemini-2.5-flash`?"),
        ("['{{ other }}']", "the fallback `{{ other }}` is a template, which is not rendered here", "write the name"),
        ("[{}]", "a fallback names a `provider`, a `model`, or both", 'such as "gemini/gemini-3.8-flash"'),
    ],
)  # fmt: skip
def test_a_name_that_nobody_answers_to_is_an_error_at_its_place(written: str, message: str, hint: str) -> None:
    (error,) = problems_of(f"name: a, type: claude, prompt: x, fallback: {written}")
    assert (error.message, error.hint) == (message, hint)
    assert (error.line, error.key_path) == (4, f"workflow.steps[0].fallback[{written.count(', ')}]")


def test_a_provider_that_there_is_not_is_an_error() -> None:
    (error,) = problems_of("name: a, type: claude, prompt: x, fallback: [{provider: gemni}]")
    assert (error.message, error.hint) == ("there is no provider `gemni`", "did you mean `gemini`?")


def test_a_batch_passes_its_fallback_on_to_its_items_and_is_checked_like_them() -> None:
    text = "name: a, type: claude_batch, items: [1], step_template: {type: claude, prompt: x}, fallback: [%s]"
    found = pipeline(steps(text % "gemini")).step("a")
    assert found.candidates() == ()
    assert [str(one) for one in found.item_step(0).candidates()] == ["gemini"]  # type: ignore[attr-defined]  # a batch
    (error,) = problems_of(text % "gemni/flash")
    assert "gemni/flash" in error.message
