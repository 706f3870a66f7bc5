"""Every kind of prompt segment, as the provider is told it; all in one run."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from elexirion.events.step import StepScheduled

from tests.e2e.cluster import Cluster
from tests.e2e.language.conftest import client_of
from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

SENTENCE = "Rivers carve their valleys slowly. "
LONG = SENTENCE * 40
DATA = '{"score": 7, "deep": {"er": ["a", "b"]}, "list": []}'
NOTES = "A note about {{ given }}.\nIts second line."
BEFORE = """\
name: all segments
steps:
  - {name: data, type: test_echo, value: {score: 7, deep: {er: [a, b]}, list: []}}
  - {name: long, type: test_echo, value: "{{ long_text }}"}
  - name: talk
    type: claude_session
    session_config: {session_name: tutor}
    conversation: [Question one., Question two.]
"""
INPUTS = {"given": "the caller", "long_text": LONG, "file_name": "notes.txt"}
TALK = (
    "User: Question one.\nAssistant: Answer one.",
    "User: Question two.\nAssistant: Answer two.",
)


def _previous(step: str, **keys: Any) -> list[dict[str, Any]]:
    return [{"type": "previous_response", "step": step, **keys}]


def _static(content: str, **keys: Any) -> dict[str, Any]:
    return {"type": "static", "content": content, **keys}


SEGMENTS: Mapping[str, tuple[Any, str | None]] = {
    "text": ("Hello {{ given }}!", "Hello the caller!"),
    "static": ([_static("Hello {{ given }}!")], "Hello the caller!"),
    "static_without_template": ([_static("<a>{{ given }}</a> \\frac{a}{b} {%", template=False)],
                                "<a>{{ given }}</a> \\frac{a}{b} {%"),
    "joined_by_newlines": ([_static("one"), _static("two"), _static("three")], "one\ntwo\nthree"),
    "file": ([{"type": "file", "path": "notes.txt"}], NOTES),
    "file_named_by_a_template": ([{"type": "file", "path": "./{{ file_name }}"}], NOTES),
    "previous_response": (_previous("long"), LONG),
    "previous_response_of_data": (_previous("data"), DATA),
    "previous_response_extract": (_previous("data", extract="deep.er.1"), "b"),
    "previous_response_extract_of_data": (_previous("data", extract="deep"), '{"er": ["a", "b"]}'),
    "previous_response_extract_content": (_previous("long", extract="content"), LONG),
    "previous_response_extract_strict": (_previous("data", extract="score", strict=True), "7"),
    "previous_response_extract_missing": (_previous("data", extract="absent.deeper"),
                                          DATA),
    "previous_response_max_length": (_previous("long", max_length=20), "Rivers carve their…"),
    "previous_response_summary": (_previous("long", summary=True), None),
    "previous_response_summary_max_length": (_previous("long", summary=True, max_length=80), None),
    "session_context": ([{"type": "session_context", "session_id": "tutor"}], "\n\n".join(TALK)),
    "session_context_by_step": ([{"type": "session_context", "session_id": "talk"}], "\n\n".join(TALK)),
    "session_context_last": ([{"type": "session_context", "session_id": "tutor", "include_last_n": 1}], TALK[1]),
    "claude_continue": ([{"type": "claude_continue", "session_id": "tutor", "new_prompt": "And now {{ given }}?"}],
                        "\n\n".join((*TALK, "And now the caller?"))),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(language: Cluster, stub_process: StubServer, tmp_path_factory: pytest.TempPathFactory) -> "Told":
    """A run with a claude step for each prompt, and what the provider was asked by each."""
    stub_process.reset()
    stub_process.script(
        Rule(contains="Question two.", nth=1, answer=Answer(chunks=("Answer two.",))),
        Rule(contains="Question one.", nth=1, answer=Answer(chunks=("Answer one.",))),
        Rule(answer=Answer(chunks=("Yes.",))),
    )
    folder = tmp_path_factory.mktemp("told")
    (folder / "notes.txt").write_text(NOTES)

    async def run() -> Ended:
        async with client_of(language) as client:
            return await Runner(client, folder).completed(_pipeline(), INPUTS)

    ended = asyncio.run(run())
    prompts = {str(call.asked.call_id).split("/")[1].partition("#")[0]: call.asked.prompt
               for call in stub_process.calls()}  # fmt: skip
    return Told(ended, prompts)


class Told:
    """What was asked, by step."""

    def __init__(self, ended: Ended, prompts: Mapping[str, str]) -> None:
        self.ended = ended
        self.prompts = prompts


def _pipeline() -> str:
    steps = [
        {"name": f"case_{name}", "type": "claude", "needs": ["talk"], "prompt": prompt}
        for name, (prompt, _) in SEGMENTS.items()
    ]
    return BEFORE + "\n".join(f"  - {orjson.dumps(step).decode()}" for step in steps)


@pytest.mark.parametrize("name", [name for name, (_, expected) in SEGMENTS.items() if expected is not None])
def test_a_segment(name: str, told: Told) -> None:
    assert told.prompts[f"case_{name}"] == SEGMENTS[name][1]


@pytest.mark.parametrize(("name", "most"), [("summary", 500), ("summary_max_length", 80)])
def test_a_summary_ends_with_a_sentence(name: str, most: int, told: Told) -> None:
    prompt = told.prompts[f"case_previous_response_{name}"]
    assert most - len(SENTENCE) - 1 <= len(prompt) <= most
    assert LONG.startswith(prompt.removesuffix("…"))
    assert prompt.removesuffix("…").endswith(".")


def test_the_hash_of_a_file_is_recorded(told: Told) -> None:
    scheduled = {data.step: data.prompt_files for data in told.ended.of(StepScheduled)}
    hashed = hashlib.sha256(NOTES.encode()).hexdigest()
    assert scheduled["case_file"] == (("notes.txt", hashed),)
    assert scheduled["case_file_named_by_a_template"] == (("./notes.txt", hashed),)
    assert scheduled["case_static"] == ()


REFUSED = {
    "a_part_that_is_strictly_wanted": (_previous("data", extract="deep.absent", strict=True), "absent"),
    "a_file_outside": ([{"type": "file", "path": "../../outside.txt"}], "outside the allowed folders"),
    "a_file_that_is_not_there": ([{"type": "file", "path": "gone.txt"}], "gone.txt"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_prompt_that_cannot_be_had_fails_its_step(case: str, runs: Runner, stub: StubServer) -> None:
    prompt, said = REFUSED[case]
    step = {"name": "asks", "type": "claude", "prompt": prompt}
    data = "{name: data, type: test_echo, value: {deep: {er: 1}}}"
    ended = await runs.failed(f"name: refused\nsteps:\n  - {data}\n  - {orjson.dumps(step).decode()}\n")
    assert ended.run.failed_step == "asks"
    assert ended.run.failure and said in ended.run.failure.message
    assert not stub.calls()
