"""`replay`, `explain` and `watch --tail` on runs of a real worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import pytest
from elexirion.agents.settings import Settings
from elexirion.client import Client, CommandRejectedError, Entry, RunLog
from elexirion.events.canonical import content_hash
from elexirion.projections.context import context_of
from elexirion.projections.replay import At, Recording, Streamed, recording_of, replay
from elexirion.projections.run_fold import fold_run

from tests.serving import CommandLine

RUN = "told-again"
Answer = TypeVar("Answer")
TELLING = """\
name: told again
steps:
  - {name: topic, type: set_variable, variables: {topic: lakes}}
  - {name: tale, type: test_echo, value: whole, chunks: ["one ", "two ", "three"], delay_ms: 300}
  - {name: answer, type: gemini, prompt: "Facts about {{ topic }}."}
  - {name: shaky, type: test_echo, value: x, fail: true, continue_on_error: true, needs: []}
"""
NO_SUCH_TYPE = "name: bad\nsteps: [{name: a, type: test_ecko}]\n"
WAITING = "name: waiting\nsteps: [{name: long, type: test_echo, value: x, chunks: [begun], delay_ms: 60000}]\n"


@pytest.fixture(scope="module")
def told(served: CommandLine) -> CommandLine:
    file = served.file("told again.yaml", TELLING)
    assert served.json("run", file, "--offline", "--run-id", RUN)["status"] == "completed"
    return served


def asked(line: CommandLine, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """What a client of the same Kafka is answered."""

    async def inner() -> Answer:
        prefix = line.settings["ELEXIRION_TOPIC_PREFIX"]
        settings = Settings(topic_prefix=prefix, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own
        async with Client(line.settings["ELEXIRION_KAFKA"], settings=settings) as client:
            return await ask(client)

    return asyncio.run(inner())


@pytest.fixture(scope="module")
def recorded(told: CommandLine) -> tuple[RunLog, list[Streamed]]:
    """The run's log and its text as a client reads them."""

    async def read(client: Client) -> tuple[RunLog, list[Streamed]]:
        log = await client.read(RUN)
        return log, await client.text(log)

    return asked(told, read)


@pytest.fixture(scope="module")
def recording(recorded: tuple[RunLog, list[Streamed]]) -> Recording:
    log, text = recorded
    return recording_of(log.logged, text)


def test_every_position_of_a_recorded_run_is_the_fold_up_to_it(recorded: tuple[RunLog, list[Streamed]]) -> None:
    log, text = recorded
    length = {entry.state.position: n for n, entry in enumerate(log.entries, 1) if entry.of_run and entry.state}
    assert list(length) == list(range(1, len(length) + 1))
    records = [record for record, _ in log.logged]
    for position, until in length.items():
        state = fold_run(records[:until])
        assert state is not None
        assert replay(log.logged, text, At(position)).context == context_of(state)


def test_in_the_middle_of_every_stream_the_text_is_what_was_sent_by_then(recording: Recording) -> None:
    sent: dict[str, str] = {}
    for position, event in enumerate(recording.events, 1):
        shown = {text.execution_id: text.text for text in recording.moment(At(position)).texts}
        assert shown == sent
        for k, chunk in enumerate(event.chunks, 1):
            sent[chunk.execution_id] = sent.get(chunk.execution_id, "") + chunk.text
            shown = {text.execution_id: text.text for text in recording.moment(At(position, k)).texts}
            assert shown == sent
    assert sent[f"{RUN}/tale#1"] == "one two three"
    ended = recording.moment(At(len(recording.events)))
    assert sent[f"{RUN}/answer#1"] == ended.context["step_results"]["answer"]["result"]["value"]


def test_the_command_lists_every_position_and_shows_each(told: CommandLine, recording: Recording) -> None:
    listed = told.json("replay", RUN)["positions"]
    assert [one["position"] for one in listed] == list(range(1, len(recording.events) + 1))
    started = next(one for one in listed if one["type"] == "StepStarted" and one["about"] == "tale#1 runs")
    at = next(one for one in listed if one["position"] >= started["position"] and one["chunks"])["position"]
    document = told.json("replay", RUN, "--at", f"{at}.1")
    assert {text["execution_id"]: text["text"] for text in document["texts"]}[f"{RUN}/tale#1"] == "one "
    assert document["context"]["variables"] == {"topic": "lakes"}
    last = told.json("replay", RUN, "--at", str(len(listed)))
    assert content_hash(last["context"]) == told.json("show", RUN)["context_hash"]
    table = told("replay", RUN).stdout.splitlines()
    assert table[0].split()[0] == "position"
    assert len(table) >= len(listed) + 1


@pytest.mark.parametrize(
    ("at", "said"),
    [("0", "the run has the positions 1 to "), ("999", "the run has the positions 1 to "), ("1.1", "no chunk stands"),
     ("x", "not a position: 'x'")],
)  # fmt: skip
def test_a_position_that_is_not_there_is_refused_with_those_that_are(told: CommandLine, at: str, said: str) -> None:
    called = told("replay", RUN, "--at", at)
    assert called.returncode == 2
    assert said in called.stderr
    assert "leave --at out" in called.stderr


@pytest.mark.parametrize("verb", ["replay", "explain", "watch"])
def test_an_unknown_run_is_told_with_ids_near_to_it(told: CommandLine, verb: str) -> None:
    called = told(verb, "told-agian")
    assert called.returncode == 2
    assert f"Did you mean {RUN}" in called.stderr


def test_a_run_that_was_rejected_says_why(told: CommandLine) -> None:
    async def start(client: Client) -> None:
        handle = await client.start(NO_SUCH_TYPE, run_id="rejected")
        with pytest.raises(CommandRejectedError):
            await handle.result(timeout=20)

    asked(told, start)
    for verb in ("replay", "explain", "watch"):
        called = told(verb, "rejected")
        assert called.returncode == 2
        assert "run rejected did not start" in called.stderr
        assert "test_ecko" in called.stderr


def test_an_explanation_adds_up_and_names_what_failed(told: CommandLine) -> None:
    document = told.json("explain", RUN)
    assert sum(document["time"].values()) == pytest.approx(document["duration_s"])
    steps = {step["step"]: step for step in document["steps"]}
    assert steps["answer"]["provider_s"] > 0
    assert steps["answer"]["first_chunk_s"] is not None
    assert steps["tale"]["ran_s"] >= 0.3
    assert any(reason["text"].startswith("shaky#1 failed") for reason in document["reasons"])
    assert document["waits"] == []
    listed = told.json("replay", RUN)["positions"]
    types = {one["position"]: one["type"] for one in listed}
    assert types[steps["tale"]["positions"][0]] == "StepScheduled"
    printed = told("explain", RUN).stdout
    assert "at providers" in printed
    assert "shaky#1 failed" in printed


def test_a_run_that_goes_on_is_explained_replayed_and_tailed(told: CommandLine) -> None:
    async def start(client: Client) -> None:
        handle = await client.start(WAITING, run_id="goes-on")
        async with aclosing(handle.updates(chunks=False)) as updates:
            async for update in updates:
                if isinstance(update, Entry) and update.record and update.record.type == "StepStarted":
                    return

    asked(told, start)
    [wait] = told.json("explain", "goes-on")["waits"]
    assert (wait["kind"], wait["step"]) == ("running", "long")
    last = told.json("replay", "goes-on")["positions"][-1]
    assert (last["type"], last["position"]) == ("StepStarted", wait["position"])
    process = told.begin("watch", "goes-on", "--tail", "1", "--json")
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["type"] == "StepStarted"
        assert told("cancel", "goes-on").returncode == 0
        lines, _ = process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 1
    assert json.loads(lines.splitlines()[-1])["type"] == "RunCancelled"


def test_a_tail_begins_with_the_last_records(told: CommandLine) -> None:
    whole = [json.loads(line)["type"] for line in told("watch", RUN, "--json").stdout.splitlines()]
    tail = [json.loads(line)["type"] for line in told("watch", RUN, "--json", "--tail", "3").stdout.splitlines()]
    records = [one for one in whole if one != "StepChunk"]
    assert [one for one in tail if one != "StepChunk"] == records[-3:]
    assert len(tail) < len(whole)
    nothing = told("watch", RUN, "--tail", "0")
    assert nothing.returncode == 0
    assert "one two three" not in nothing.stdout
    assert "completed" in nothing.stdout
    assert "one two three" in told("watch", RUN).stdout
