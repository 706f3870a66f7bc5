"""Conversations of several steps: what is said, what the model is reminded of, and which names mean a session."""

from typing import Any

import pytest
from elexirion.pipelines.loader import load_file
from elexirion.pipelines.names import Scope
from elexirion.pipelines.rendering import render_step
from elexirion.pipelines.sessions import as_text, last_turns
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep

from tests.pipelines.files import SHARED, errors_of, pipeline, steps, warnings_of

TURNS = [{"user": f"q{n}", "assistant": f"a{n}"} for n in (1, 2, 3)]
HISTORY = "User: q1\nAssistant: a1\n\nUser: q2\nAssistant: a2\n\nUser: q3\nAssistant: a3"
FIRST = "name: first, type: claude_session, session_config: {session_name: talk}, prompt: hello"
ALONE = "name: alone, type: claude_session, prompt: hello"


def _config(line: str, *before: str, **sessions: list[dict[str, str]]) -> dict[str, Any]:
    scope = Scope(inputs={"topic": "Kafka"}, sessions=sessions)
    return render_step(pipeline(steps(*before, f"name: a, {line}")), "a", scope, lambda path: b"").config


def test_a_session_step_carries_history_and_what_is_said_now() -> None:
    config = _config(
        "type: claude_session, session_config: {session_name: talk, persist: true}, prompt: 'On {{ topic }}', "
        "claude_options: {model: haiku, system_prompt: Teach., max_turns: 1}",
        talk=TURNS,
    )
    assert config == {
        "session": "talk",
        "persist": True,
        "turns": TURNS,
        "most_turns": None,
        "prompts": [{"user": "On Kafka", "assistant": None}],
        "system": "Teach.",
        "model": "haiku",
        "options": {"max_turns": 1},
        "output_schema": None,
        "streaming": True,
    }


def test_a_session_without_a_name_is_the_steps_own() -> None:
    config = _config("type: claude_session, prompt: x", a=TURNS, talk=[])
    assert (config["session"], config["persist"], config["turns"]) == ("a", False, TURNS)


def test_max_turns_of_a_session_bound_the_history_and_not_the_tools() -> None:
    config = _config("type: claude_session, prompt: x, session_config: {max_turns: 2}", a=TURNS)
    assert (config["turns"], config["most_turns"], config["options"]) == (TURNS[1:], 2, {})


def test_a_conversation_is_said_turn_by_turn_in_every_form() -> None:
    turns = (
        "'On {{ topic }}', {prompt: [{type: static, content: b}, {type: static, content: c}]}, "
        "{role: user, content: '{{ topic }}?'}, {role: assistant, content: yes!}, {prompt: d}"
    )
    assert _config(f"type: claude_session, conversation: [{turns}]")["prompts"] == [
        {"user": "On Kafka", "assistant": None},
        {"user": "b\nc", "assistant": None},
        {"user": "Kafka?", "assistant": "yes!"},
        {"user": "d", "assistant": None},
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("description: x", "give either a `prompt` or a `conversation`"),
        ("prompt: x, conversation: [y]", "give either a `prompt` or a `conversation`"),
        ("conversation: []", "`conversation` is empty"),
        ("conversation: [{role: assistant, content: x}, y]", "follows the turn that it answers"),
        ("conversation: [x, {role: assistant, content: y}]", "ends with something to say"),
        ("conversation: [{role: user}]", "either a `prompt` or a `content`"),
        ("conversation: [{prompt: x, content: y}]", "either a `prompt` or a `content`"),
        ("prompt: x, session_config: {session_name: 'a_{{ x }}'}", "fixed text"),
    ],
)
def test_a_conversation_that_cannot_be_held_is_refused(line: str, message: str) -> None:
    (error,) = errors_of(steps(f"name: a, type: claude_session, {line}"))
    assert message in error


def test_templates_and_steps_of_every_turn_are_checked() -> None:
    turns = "'{{ steps.b.text }}', {content: '{{ steps.c.text }}'}, {prompt: [{type: previous_response, step: d}]}"
    found = errors_of(steps(f"name: a, type: claude_session, conversation: [{turns}]"))
    assert found == [f"4: the step `{name}` does not exist" for name in "bcd"]


def test_a_session_context_reads_as_text() -> None:
    segment = "{type: session_context, session_id: talk}"
    assert _config(f"type: claude, prompt: [{segment}]", FIRST, talk=TURNS)["prompt"] == HISTORY
    last = "{type: session_context, session_id: talk, include_last_n: 1}"
    assert _config(f"type: claude, prompt: [{last}]", FIRST, talk=TURNS)["prompt"] == "User: q3\nAssistant: a3"
    none = "{type: session_context, session_id: talk, include_last_n: 0}, {type: static, content: x}"
    assert _config(f"type: claude, prompt: [{none}]", FIRST, talk=TURNS)["prompt"] == "\nx"


def test_claude_continue_is_the_history_and_what_is_said_now() -> None:
    segment = "{type: claude_continue, session_id: talk, new_prompt: 'And {{ topic }}?'}"
    prompt = _config(f"type: claude, prompt: [{segment}]", FIRST, talk=TURNS)["prompt"]
    assert prompt == f"{HISTORY}\n\nAnd Kafka?"


def test_what_was_said_is_data_and_no_template() -> None:
    said = [{"user": "{{ topic }}", "assistant": "{{ topic }}"}]
    segment = "{type: session_context, session_id: talk}"
    prompt = _config(f"type: claude, prompt: [{segment}]", FIRST, talk=said)["prompt"]
    assert prompt == "User: {{ topic }}\nAssistant: {{ topic }}"


def test_a_session_is_found_by_the_name_of_a_step_that_carries_it_on() -> None:
    segment = "{type: session_context, session_id: first}"
    assert _config(f"type: claude, prompt: [{segment}]", FIRST, talk=TURNS)["prompt"] == HISTORY


def test_the_name_of_a_session_goes_before_that_of_a_step() -> None:
    other = "name: other, type: claude_session, session_config: {session_name: first}, prompt: x"
    segment = "{type: session_context, session_id: first}"
    prompt = _config(f"type: claude, prompt: [{segment}]", FIRST, other, talk=TURNS, first=TURNS[:1])["prompt"]
    assert prompt == "User: q1\nAssistant: a1"


def test_in_a_session_step_the_own_session_is_meant_and_told_only_once() -> None:
    line = "type: claude_session, session_config: {session_name: talk}, prompt: "
    config = _config(line + "[{type: claude_continue, new_prompt: 'And {{ topic }}?'}]", talk=TURNS)
    assert (config["turns"], config["prompts"][0]["user"]) == (TURNS, "And Kafka?")
    same = _config(line + "[{type: claude_continue, session_id: talk, new_prompt: more}]", talk=TURNS)
    assert same["prompts"][0]["user"] == "more"
    context = _config(line + "[{type: session_context, include_last_n: 1}]", talk=TURNS)
    assert context["prompts"][0]["user"] == "User: q3\nAssistant: a3"


def test_a_session_that_nothing_carries_on_is_an_error_with_a_hint() -> None:
    text = steps(FIRST, "name: a, type: claude, prompt: [{type: session_context, session_id: talks}]")
    assert errors_of(text) == ["5: the session `talks` does not exist"]
    assert errors_of(text.replace("session_id: talks", "session_id: talks, persist: true")) == []


def test_a_session_needs_a_name_outside_of_a_session_step() -> None:
    for kind in ("session_context", "claude_continue, new_prompt: x"):
        assert errors_of(steps(f"name: a, type: claude, prompt: [{{type: {kind}}}]")) == ["4: `session_id` is missing"]
        assert errors_of(steps(f"name: a, type: claude_session, prompt: [{{type: {kind}}}]")) == []


def test_a_session_whose_steps_all_come_later_is_an_error_unless_runs_share_it() -> None:
    uses = "name: a, type: claude, prompt: [{type: session_context, session_id: talk}]"
    assert errors_of(steps(uses, FIRST)) == ["4: no step of the session `talk` is over by then"]
    assert errors_of(steps(FIRST, uses)) == []
    beside = uses.replace("type: claude", "needs: [], type: claude")
    assert errors_of(steps(FIRST, beside)) == ["5: no step of the session `talk` is over by then"]
    shared = FIRST.replace("session_name: talk", "session_name: talk, persist: true")
    assert errors_of(steps(uses, shared)) == []


def test_handlers_of_errors_see_every_session() -> None:
    handler = "  on_error: [{name: a, type: claude, prompt: [{type: session_context, session_id: alone}]}]\n"
    assert errors_of(steps(ALONE) + handler) == []


def test_steps_of_a_loop_have_the_sessions_of_their_loop() -> None:
    inner = (
        "{name: t, type: claude_session, prompt: x}, "
        "{name: u, type: claude, prompt: [{type: session_context, session_id: t}]}, "
        "{name: v, type: claude, prompt: [{type: session_context, session_id: nobody}]}"
    )
    assert errors_of(steps(f"name: l, type: for_loop, over: [1], as: n, steps: [{inner}]")) == [
        "4: the session `nobody` does not exist"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "type: claude_batch, tasks: [{prompt: hi}, {prompt: [%s]}]",
        "type: claude_batch, items: [1], step_template: {type: claude, prompt: [%s]}",
        "type: claude_batch, items: [1], prompt: [%s]",
        "type: parallel_claude, parallel_tasks: [{id: a, prompt: [%s]}]",
    ],
)
def test_tasks_and_templates_of_items_take_sessions_that_there_are(line: str) -> None:
    taking = f"name: b, {line}" % "{type: session_context, session_id: talk}"
    assert errors_of(steps(taking)) == ["4: the session `talk` does not exist"]
    assert errors_of(steps(taking, FIRST)) == ["4: no step of the session `talk` is over by then"]
    assert errors_of(steps(FIRST, taking)) == []


def test_keys_of_older_session_configs_warn() -> None:
    config = "{checkpoint_frequency: 1, description: x, continue_on_restart: true, session_nam: y}"
    found = warnings_of(steps(f"name: a, type: claude_session, prompt: x, session_config: {config}"))
    assert [warning.split("`")[1] for warning in found] == [
        "checkpoint_frequency",
        "description",
        "continue_on_restart",
        "session_nam",
    ]
    assert "unknown key" in found[-1] and all("accepted" in warning for warning in found[:-1])


def test_a_history_is_cut_from_its_beginning() -> None:
    assert last_turns(TURNS, None) == TURNS
    assert last_turns(TURNS, 0) == []
    assert last_turns(TURNS, 2) == TURNS[1:]
    assert last_turns(TURNS, 9) == TURNS
    assert as_text([]) == ""


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the files of users are not at {SHARED}")
def test_the_session_file_of_users_loads() -> None:
    found = load_file(SHARED / "examples__claude_session_example.yaml").pipeline
    assert {step.session for step in found.steps if isinstance(step, ClaudeSessionStep)} == {"math_tutor"}
    assert all(step.persist for step in found.steps if isinstance(step, ClaudeSessionStep))
