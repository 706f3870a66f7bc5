"""Runs are started, read and cancelled by kcat, with the commands of docs/kafka.md."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import partition_count
from elexirion.events.partitioner import partition_of

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.requirements import require

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kafka.md"
MANY = 40


class Page:
    """The page's code blocks by heading, for one cluster, and with run ids of their own."""

    def __init__(self, cluster: Cluster, suffix: str) -> None:
        sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
        fence = re.compile(r"^```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
        blocks = {section.splitlines()[0]: fence.search(section) for section in sections}
        self.blocks = {heading: found[1] for heading, found in blocks.items() if found}
        self._cluster = cluster
        self._suffix = suffix

    def block(self, heading: str) -> str:
        """The block below `heading`, as a reader with this cluster's address and prefix would adapt it."""
        text = self.blocks[heading].replace("localhost:19092", self._cluster.bootstrap)
        text = text.replace("elexirion.", self._cluster.topics.prefix)
        return re.sub(r"hello-(\d)", rf"hello-\1-{self._suffix}", text)


@pytest.fixture
def page(standing: Cluster) -> Page:
    require("kcat")
    return Page(standing, run_id("page"))


async def _shell(command: str, text: str = "") -> list[dict[str, Any]]:
    """Run a command line and give the JSON records it prints; grep that finds nothing prints none."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(text.encode()), 30)
    assert not err.strip(), err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def test_a_run_is_started_and_its_result_and_chunks_read_with_the_pages_commands(page: Page, tape: Tape) -> None:
    await _shell(page.block("Start a run"))
    run = f"hello-1-{page._suffix}"
    await tape.completed(run)
    [end] = await _shell(page.block("Read the result"))
    assert (end["type"], end["run_id"]) == ("RunCompleted", run)
    assert end["data"]["result"] == {"kind": "inline", "value": "Hello, Kafka!"}

    chunks = await _shell(page.block("Read the text while it is made"))
    assert [chunk["data"]["n"] for chunk in chunks] == [1, 2, 3]
    assert "".join(chunk["data"]["text"] for chunk in chunks) == "Hello, Kafka!"

    await _shell(page.block("Cancel a run"))
    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["reason_code"] == "run_ended"


async def test_an_approval_is_answered_with_the_pages_command(page: Page, tape: Tape, publisher: Publisher) -> None:
    run = f"hello-3-{page._suffix}"
    await publisher.start(run, {"name": "release", "steps": [{"name": "release", "type": "approval"}]})
    await tape.event(run, "ApprovalRequested")
    await _shell(page.block("Pause a run"))
    await tape.event(run, "RunPaused")
    await tape.event(run, "RunResumed")
    await _shell(page.block("Answer an approval"))
    end = await tape.completed(run)
    assert end.raw["result"]["value"]["decision"] == "approved"


async def test_the_pages_python_program_starts_a_run_and_prints_it(page: Page, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(page.block("The same from Python"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    assert 'RunCompleted {"kind": "inline", "value": "Hello, Python!"}' in out.decode().splitlines()


async def test_what_cannot_be_read_is_found_with_the_pages_command(page: Page, standing: Cluster) -> None:
    bad = f"not a command {page._suffix}"
    kcat = f"kcat -b {standing.bootstrap} -P -t {standing.topics.commands} -k x"
    await _shell(kcat, bad + "\n")
    async with asyncio.timeout(10):
        while True:
            letters = await _shell(page.block("What could not be read"))
            found = [letter for letter in letters if letter["value"] == bad]
            if found:
                break
    assert [letter["reason"].startswith("not JSON") for letter in found] == [True]


async def test_forty_runs_placed_by_kcats_partitioner_are_cancelled_by_kcat_once_each(
    page: Page, standing: Cluster, tape: Tape
) -> None:
    runs = [run_id(f"kcat-{number}") for number in range(MANY)]
    steps = [{"name": "wait", "type": "test_echo", "value": 1, "delay_ms": 200_000}]
    data = {"pipeline": {"name": "waiting", "steps": steps}}
    kcat = f"kcat -b {standing.bootstrap} -P -t {standing.topics.commands} -K '\t'"

    await _shell(kcat, _lines("StartRun", "start", runs, data))
    await tape.until(
        lambda: all(tape.accepted(run, "StepStarted") for run in runs), 30, "all forty runs wait in their step"
    )
    received = [tape.named(run, "CommandReceived")[0] for run in runs]
    count = await partition_count(KafkaAddress(standing.bootstrap), standing.topics.events)
    agree = [s for s in received if s.record.raw["partition"] == partition_of(s.record.run_id, count)]
    assert len(agree) < MANY / 2, "kcat places keys as we do: this test shows nothing"

    await _shell(kcat, _lines("CancelRun", "cancel", runs, {}))
    for run in runs:
        end = await tape.end_of(run)
        assert end.type == "RunCancelled"
    await tape.until(
        lambda: not any(beat.held for beat in tape.heartbeats().values()), 10, "no worker holds a cancelled step"
    )
    assert [len(tape.named(run, "RunCancelled")) for run in runs] == [1] * MANY
    assert not any(tape.named(run, "CommandRejected") for run in runs)


def _lines(type_name: str, prefix: str, runs: list[str], data: dict[str, Any]) -> str:
    """One record a line, the run id as key before a tab."""
    return "".join(
        f"{run}\t" + json.dumps({"type": type_name, "id": f"{prefix}-{run}", "run_id": run, "data": data}) + "\n"
        for run in runs
    )
