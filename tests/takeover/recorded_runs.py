"""Runs that really ran, kept with all that was written of them."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import orjson
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import scan
from elexirion.client.log_check import written
from elexirion.projections.history.records import Written

from tests.e2e.cluster import Cluster, Publisher
from tests.e2e.tape import Tape

STORY = """\
name: story
steps:
  - {name: outline, type: claude, claude_options: {max_tokens: 4}, prompt: "Outline a story about rivers."}
  - {name: facts, type: claude, claude_options: {max_tokens: 4}, prompt: "Facts about rivers."}
  - {name: story, type: claude, claude_options: {max_tokens: 8}, prompt: "Write it: {{ outline }} {{ facts }}"}
"""
SHORT = """\
name: short
steps:
  - {name: first, type: test_echo, value: one}
  - {name: word, type: set_variable, variables: {word: "{{ first }}"}}
  - {name: last, type: test_echo, value: "{{ word }} more", chunks: 2}
"""
ASKING = """\
name: asking
steps:
  - {name: before, type: test_echo, value: one}
  - {name: wait, type: approval, message: "Go on?"}
"""


@dataclass(frozen=True, slots=True)
class Recording:
    """A run: its StartRun, its events from CommandReceived to the end, and its chunks. Its id has `ID_LENGTH` letters.

    `chunks_until` is how many of the chunks belong to executions that the first n events know.
    """

    run_id: str
    command: Written
    events: tuple[Written, ...]
    chunks: tuple[Written, ...]
    chunks_until: tuple[int, ...]


ID_LENGTH = len("copied-00000000")


async def record_runs(cluster: Cluster) -> dict[str, Recording]:
    """Let one run of each pipeline run on a worker of this cluster, which is gone afterwards."""
    pipelines = {"story": STORY, "short": SHORT, "asking": ASKING}
    ids = {name: f"{name}-".ljust(ID_LENGTH, "x") for name in pipelines}
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        worker = cluster.start("recorded")
        await cluster.ready(tape, worker)
        for name, pipeline in pipelines.items():
            await _run(tape, publisher, ids[name], pipeline)
        worker.signal(signal.SIGTERM)
        await worker.ended(40)
    return {name: await _recording(cluster, ids[name]) for name in pipelines}


async def _run(tape: Tape, publisher: Publisher, run_id: str, pipeline: str) -> None:
    await publisher.start(run_id, pipeline, offline=True)
    if pipeline is ASKING:
        await tape.event(run_id, "ApprovalRequested")
        return
    await tape.completed(run_id, 40)


async def _recording(cluster: Cluster, run_id: str) -> Recording:
    topics = cluster.topics
    [command], events, chunks = [
        [written(message) for message in await _all(cluster, topic) if message.key == run_id.encode()]
        for topic in (topics.commands, topics.events, topics.chunks)
    ]
    return Recording(run_id, command, tuple(events), tuple(chunks), _chunks_until(events, chunks))


def _chunks_until(events: list[Written], chunks: list[Written]) -> tuple[int, ...]:
    until, known = [0], set[str]()
    for one in events:
        known.add(_execution(one))
        until.append(sum(_execution(chunk) in known for chunk in chunks))
    return tuple(until)


def _execution(written: Written) -> str:
    return str(orjson.loads(written.value or b"")["data"].get("execution_id"))


async def _all(cluster: Cluster, topic: str) -> list[Any]:
    address = KafkaAddress(cluster.bootstrap)
    return [message async for message in scan(address, topic, range(PARTITIONS))]


PARTITIONS = 8
