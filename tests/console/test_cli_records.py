"""What a run of the command line leaves on the broker, and what a refused one does not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.serving import CommandLine

ASKING = """\
name: asking
steps:
  - {name: first, type: test_echo, value: "%s"}
  - name: answer
    type: claude
    prompt: [{type: static, content: "Comment on this."}, {type: previous_response, step: first}]
"""
MAPPING = "name: mapping\nsteps: [{name: a, type: test_echo, value: {who: owls, count: 3}}]\n"
BY_KEY = "name: by key\nsteps: [{name: b, type: test_echo, value: '{{ inputs.count }} {{ inputs.who }}'}]\n"
FAILING = "name: failing\nsteps: [{name: bad, type: test_echo, value: x, fail: true}]\n"
FORWARD = """\
name: forward
steps:
  - {name: a, type: test_echo, value: "{{ steps.b.result }}"}
  - {name: b, type: test_echo, value: 1}
"""
NAMELESS = "name: nameless\nsteps: [{type: test_echo, value: 1}]\n"
TYPO = "name: typo\nsteps: [{name: a, type: test_ecko, value: 1}]\n"


def test_the_records_of_a_run_are_on_the_broker_and_its_file_is_untouched(served: CommandLine) -> None:
    file = served.file("asking owls.yaml", ASKING % "owls")
    before = file.read_bytes()
    document = served.json("run", file, "--offline")
    assert file.read_bytes() == before
    commands = [one["type"] for one in _records(served, "commands", document["run_id"])]
    assert commands == ["StartRun"]
    events = _records(served, "events", document["run_id"])
    types = [one["type"] for one in events]
    assert types[-1] == "RunCompleted"
    assert types.count("StepCompleted") == 2
    chunks = [
        one for one in _records(served, "chunks", document["run_id"]) if "/answer#" in one["data"]["execution_id"]
    ]
    assert "".join(one["data"]["text"] for one in chunks) == document["steps"][1]["result"]


def test_another_word_in_an_earlier_answer_gives_another_text(served: CommandLine) -> None:
    texts = {
        word: served.json("run", served.file(f"asking {word}.yaml", ASKING % word), "--offline")["steps"][1]["result"]
        for word in ("foxes", "badgers")
    }
    assert texts["foxes"] != texts["badgers"]


def test_an_output_that_is_a_mapping_arrives_key_by_key(served: CommandLine) -> None:
    document = served.json("run", served.file("mapping.yaml", MAPPING), served.file("by key.yaml", BY_KEY))
    assert document["result"] == "3 owls"


def test_a_chain_that_halts_lists_the_runs_that_were_started(served: CommandLine) -> None:
    document = served.json("run", served.file("fails.yaml", FAILING), served.file("by key.yaml", BY_KEY), code=1)
    assert [run["status"] for run in document["runs"]] == ["failed"]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (FORWARD, ":3:", "b"),
        (NAMELESS, ":2:", "name"),
        (TYPO, ":2:", "did you mean `test_echo`?"),
        ("name: [\n", ":", "error"),
    ],
    ids=["forward reference", "missing name", "unknown type", "no YAML"],
)
def test_a_wrong_file_is_refused_at_its_line_and_publishes_nothing(
    served: CommandLine, text: str, place: str, said: str
) -> None:
    file = served.file("wrong.yaml", text)
    before = _ends(served, "commands")
    called = served("run", file, "--offline")
    assert called.returncode == 2
    assert f"{file}{place}" in called.stderr
    assert said in called.stderr
    assert _ends(served, "commands") == before


def test_a_malformed_run_id_is_refused_in_words(served: CommandLine) -> None:
    before = _ends(served, "commands")
    called = served("run", served.file("mapping.yaml", MAPPING), "--run-id", "two words")
    assert called.returncode == 2
    assert "'two words'" in called.stderr
    assert "Traceback" not in called.stderr
    assert _ends(served, "commands") == before


def _records(line: CommandLine, topic: str, run_id: str) -> list[dict[str, Any]]:
    """The run's records of a topic, as a consumer that knows nothing of the product reads them."""

    async def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with _consumer(line, topic) as consumer:
            ends = await consumer.end_offsets(_partitions(consumer))
            for tp, end in ends.items():
                while await consumer.position(tp) < end:
                    batch = (await consumer.getmany(tp, timeout_ms=1000)).get(tp, [])
                    found += [json.loads(one.value) for one in batch if one.key == run_id.encode()]
        return found

    return asyncio.run(read())


def _ends(line: CommandLine, topic: str) -> dict[TopicPartition, int]:
    async def ask() -> dict[TopicPartition, int]:
        async with _consumer(line, topic) as consumer:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(_partitions(consumer))
            return ends

    return asyncio.run(ask())


def _consumer(line: CommandLine, topic: str) -> AIOKafkaConsumer:
    # Made inside the event loop that uses it; without a group it has every partition from its start on.
    name = line.settings["ELEXIRION_TOPIC_PREFIX"] + topic
    return AIOKafkaConsumer(
        name,
        bootstrap_servers=line.settings["ELEXIRION_KAFKA"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )


def _partitions(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    found = sorted(consumer.assignment())
    assert len(found) == 8
    return found
