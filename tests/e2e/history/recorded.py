"""A log recorded from a real broker: runs of many kinds, with a worker killed, records late and commands that fail."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import partition_count, scan
from elexirion.client.log_check import written
from elexirion.events.commands import PauseRun, StartRun
from elexirion.projections.history.records import Call, History, Written

from tests.e2e.cluster import NO_LANE, Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

LEASES = {"ELEXIRION_LEASE_S": "4", "ELEXIRION_LEASE_MARGIN_S": "1"}
PIECES = tuple(f"piece {n} " for n in range(1, 13))
STORY = """\
name: story
steps:
  - {name: topic, type: set_variable, variables: {topic: tides}}
  - {name: outline, type: claude, prompt: "Outline {{ topic }}."}
  - {name: facts, type: gemini, prompt: "Facts about {{ topic }}."}
  - {name: story, type: claude, prompt: "Write: {{ outline }} {{ facts }}"}
"""
MANY = """\
name: many
steps:
  - name: each
    type: for_loop
    over: [one, two, three]
    as: word
    steps:
      - {name: ask, type: claude, prompt: "About {{ word }}."}
      - {name: say, type: test_echo, value: "{{ steps.ask.text }}", chunks: 3}
  - {name: batch, type: parallel_claude, parallel_tasks: [{id: a, prompt: A}, {id: b, prompt: B}]}
"""
FLAKY = """\
name: flaky
steps:
  - name: once more
    type: claude
    prompt: "Fail first."
    retry: {max_attempts: 3, base_delay_ms: 50}
"""
LOST = """\
name: lost
steps:
  - {name: long, type: claude, prompt: "Tell me slowly."}
"""
BROKEN = """\
name: broken
steps:
  - {name: never, type: claude, prompt: "Refuse."}
"""
ASKING = """\
name: asking
steps:
  - {name: wait, type: approval, message: "Go on?"}
"""


async def make_history(cluster: Cluster, stub: StubServer) -> None:
    """Let things happen until all has ended."""
    stub.script(
        Rule(contains="Fail first", nth=1, answer=Answer(status=529)),
        Rule(contains="Refuse", answer=Answer(status=400)),
        Rule(contains="slowly", nth=1, answer=Answer(chunks=PIECES, delay_chunk_s=1)),
        Rule(answer=Answer(chunks=PIECES)),
    )
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        workers = [cluster.start(name, **LEASES) for name in ("one", "two")]
        await cluster.ready(tape, *workers)
        await cluster.deciding(tape)
        lost = await _lose_a_worker(cluster, tape, publisher)
        runs = [await _start(publisher, what) for what in (STORY, MANY, FLAKY, STORY) for _ in range(3)]
        await _commands_that_come_to_nothing(publisher)
        cancelled, failed = await _start(publisher, ASKING), await _start(publisher, BROKEN)
        await tape.event(cancelled, "ApprovalRequested")
        await publisher.cancel(cancelled)
        for run in (lost, *runs, cancelled, failed):
            await tape.end_of(run, 60)
        await tape.until(lambda: len(tape.dead_letters) == 2, 20, "what is no command is buried")
        await tape.until(lambda: len(tape.counted("CommandRejected")) == 2, 20, "two commands are rejected")


async def _lose_a_worker(cluster: Cluster, tape: Tape, publisher: Publisher) -> str:
    """kill -9 of the worker that streams an answer; another one begins it anew."""
    run = await _start(publisher, LOST)
    await tape.until(lambda: [c for _, c in tape.chunks_of(run) if c.n == 3], 20, "chunk 3 is seen")
    first = tape.named(run, "StepScheduled")[0].record.raw["incarnation"]
    cluster.workers[first.rpartition(".")[0]].signal(signal.SIGKILL)
    return run


async def _start(publisher: Publisher, pipeline: str) -> str:
    run = run_id("recorded")
    for _ in range(2):  # said twice: the second time has no effect
        await publisher.command(StartRun(pipeline=pipeline), run, f"cmd-{run}")
    return run


async def _commands_that_come_to_nothing(publisher: Publisher) -> None:
    await publisher.raw(b"start my run, please", b"key")
    await publisher.raw(None, b"key")
    await publisher.command(PauseRun(), "nobody", "pause-nobody")
    await publisher.start(run_id("refused"), NO_LANE.replace("set_variable", "nonsense"))


async def read_history(cluster: Cluster, stub: StubServer) -> History:
    """All that stands on the topics, and all that the providers were asked."""
    address, topics = KafkaAddress(cluster.bootstrap), cluster.topics
    asked = [call.asked.call_id for call in stub.calls()]
    return History(
        events=[one async for one in _all(address, topics.events)],
        commands=[one async for one in _all(address, topics.commands)],
        chunks=[one async for one in _all(address, topics.chunks)],
        dead_letters=[one async for one in _all(address, topics.dead_letters)],
        calls=[Call(id) for id in asked if id is not None], at_rest=True,
    )  # fmt: skip


async def _all(address: KafkaAddress, topic: str) -> AsyncIterator[Written]:
    async for message in scan(address, topic, range(await partition_count(address, topic))):
        yield written(message)
