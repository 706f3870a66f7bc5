"""Keys, prompts and results stay where they belong: a search for canaries in all that real workers leave behind.

Keys belong nowhere. Prompts and results belong in the records of their run, and nowhere else: not in logs at the level
info, metrics, traces, messages of failures or reasons of rejections.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import partition_count, scan
from elexirion.events.topics import topic_specs

from tests.e2e.cluster import Cluster, Publisher, WorkerProcess, run_id
from tests.e2e.collector import Collector, collector
from tests.e2e.tape import Tape
from tests.serving import ROOT
from tests.stub.call import ProviderName
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction

MARK = uuid.uuid4().hex[:12]
KEYS = {f"{name}_API_KEY": f"canary-key-{name.lower()}-{MARK}" for name in ("ANTHROPIC", "GEMINI", "OPENAI")}
PROVIDERS: dict[ProviderName, str] = {
    "claude": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openai": "OPENAI_API_KEY",
}
PROMPT, RESULT = f"canary-prompt-{MARK}", f"canary-result-{MARK}"
CANARIES = {**KEYS, "prompt": PROMPT, "result": RESULT}
# Values of records that people read as the reason of something.
REASONS = frozenset({"message", "reason", "where", "error", "skip_reason"})

ASKING = f"""\
name: asking
steps:
  - {{name: ask, type: claude, prompt: "{PROMPT} answer", claude_options: {{model: haiku}}}}
  - {{name: other, type: gemini, prompt: "{PROMPT} answer"}}
  - {{name: third, type: openai, model: any, prompt: "{PROMPT} answer", system_prompt: "{PROMPT}"}}
  - name: talk
    type: claude_session
    session_config: {{session_name: canary-{MARK}, persist: true}}
    conversation: ["{PROMPT} answer", "{PROMPT} again"]
  - {{name: kept, type: claude, prompt: "{PROMPT} cached", cache: true, output_to_file: kept.md}}
  - {{name: found, type: claude, prompt: "{PROMPT} cached", cache: true}}
"""
TOOLS = f"""\
name: tools
steps:
  - name: ask
    type: claude
    prompt: "{PROMPT} use tools"
    claude_options: {{allowed_tools: [Read, Bash], max_turns: 5}}
  - {{name: call, type: gemini_function, functions: [look_up, explode], prompt: "{PROMPT} call a function"}}
gemini_functions:
  look_up: {{description: Looks up, parameters: {{type: object, properties: {{query: {{type: string}}}}}}}}
  explode: {{description: Explodes, parameters: {{type: object, properties: {{query: {{type: string}}}}}}}}
"""
# Each ends its run; a provider that quotes key and prompt, values that do not fit, values that cannot be computed with.
FAILING = {
    "refused": f'{{name: bad, type: claude, prompt: "{PROMPT} refuse"}}',
    "refused_gemini": f'{{name: bad, type: gemini, prompt: "{PROMPT} refuse"}}',
    "refused_openai": f'{{name: bad, type: openai, model: any, prompt: "{PROMPT} refuse"}}',
    "broken": f'{{name: bad, type: claude, prompt: "{PROMPT} break off", '
    "retry: {max_attempts: 2, base_delay_ms: 1}}",
    "mismatch": f'{{name: bad, type: gemini_structured, prompt: "{PROMPT} answer", schema: {{type: integer}}}}',
    "schema": f'{{name: bad, type: test_echo, value: {{a: "{RESULT}"}}, '
    "output_schema: {type: object, properties: {a: {enum: [b, c], maxLength: 3, pattern: '^b'}}}}",
    "computed": '{name: bad, type: set_variable, variables: {n: "{{ round(inputs.said) + 1 }}"}}',
    "added": '{name: bad, type: set_variable, variables: {n: "{{ inputs.said + 1 }}"}}',
    "called": '{name: bad, type: set_variable, variables: {n: "{{ inputs.said.nothing() }}"}}',
    "compared": '{name: bad, type: test_echo, value: 1, condition: "inputs.said > 3"}',
    "missing": '{name: bad, type: test_echo, value: "{{ inputs.values.nothing }}"}',
    "looped": '{name: bad, type: for_loop, over: "{{ inputs.said }}", steps: [{name: a, type: test_echo, value: 1}]}',
    "rows": "{name: bad, type: data_transform, input_source: inputs.rows, operations: "
    '[{operation: map, field: x, expression: "round(row.x) * 2"}]}',
    "web": '{name: bad, type: http, url: "https://api.example.org/{{ inputs.said }}?q={{ inputs.said }}"}',
}
# A failed call of each kind; where there is a sentence, it quotes what was sent, whole and in part.
QUOTING = f"for {PROMPT} fail or {PROMPT[:18]} or {PROMPT.upper()} got {RESULT}"
FAULTS = {
    "rate_limited": Answer(status=429, error_message=QUOTING),
    "overloaded": Answer(status=529, error_message=QUOTING),
    "auth": Answer(status=401, error_message=QUOTING),
    "budget": Answer(status=402, error_message=QUOTING),
    "invalid_request": Answer(status=400, error_message=QUOTING, headers={"request-id": f"req-{PROMPT}"}),
    "context_length": Answer(status=400, error_message=f"prompt is too long: {QUOTING}"),
    "content_filtered": Answer(chunks=(RESULT,), stop_reason="refusal"),
    "cut_stream": Answer(chunks=(RESULT, "b"), cut_after_chunk=1),
    "bad_response": Answer(chunks=(RESULT, "b"), malformed_after_chunk=1, malformed="utf8"),
    "timeout_total": Answer(chunks=(RESULT, "b"), hold_before_chunk=2, hold="for ever"),
}
FAILING |= {
    kind: f'{{name: bad, type: claude, prompt: "{PROMPT} fail with {kind}.", timeout_seconds: 2, '
    "retry: {max_attempts: 1}}"
    for kind in FAULTS
}
NO_COMMANDS = (
    f"{PROMPT} is no JSON".encode(),
    orjson.dumps({"type": "StartRun", "id": "x", "run_id": "y", "data": {"pipeline": [PROMPT]}}),
    orjson.dumps({"type": "Begin", "id": "x", "run_id": "y", "data": {"prompt": PROMPT}}),
    orjson.dumps({"type": "CancelRun", "id": "x", "run_id": "y", "data": {"reason": {"text": PROMPT}}}),
)
INPUT = f"name: typed\ninputs: {{count: {{type: integer}}}}\nsteps: [{{name: a, type: test_echo, value: {RESULT}}}]\n"


@dataclass(frozen=True, slots=True)
class Left:
    """What the workers left behind: records by topic, as `(key, value, headers)` in one text each, and the rest."""

    records: dict[str, list[str]]
    ends: dict[str, str]
    logs: str
    metrics: str
    health: str
    traces: str
    cli: str

    def spoken(self) -> Iterator[tuple[str, str]]:
        """What records say of failures, rejections and what could not be read, each with where it stands."""
        for topic in ("events", "dead-letters", "steps.claude", "steps.local", "providers", "workers"):
            for record in self.records[topic]:
                document = orjson.loads(record.partition("\n")[2].partition("\n")[0] or b"{}")
                where = f"{topic} {document.get('type')} {document.get('run_id')}"
                yield from ((where, text) for text in _reasons(document))


def _reasons(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from (text for one in value for text in _reasons(one))
    elif isinstance(value, dict):
        yield from (text for name, one in value.items() if name in REASONS for text in _texts(one))
        # A pipeline's own words about itself are no reasons of ours.
        yield from (text for name, one in value.items() if name != "definition" for text in _reasons(one))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value


@pytest.fixture(scope="module")
def left(kafka: str, stub_process: StubServer, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """All that runs of every kind, good and bad, leave behind."""
    stub_process.reset()
    folder = tmp_path_factory.mktemp("canary")
    environment = {
        **KEYS, "ELEXIRION_ANTHROPIC_BASE_URL": stub_process.url, "ELEXIRION_GEMINI_BASE_URL": stub_process.url,
        "ELEXIRION_OPENAI_BASE_URL": f"{stub_process.url}/v1", "ELEXIRION_ALLOW_BASH": "true",
        "ELEXIRION_FUNCTIONS": "tests.agents.callables:look_up,tests.agents.callables:explode",
        "ELEXIRION_HTTP_PORT": "0", "OTEL_BSP_SCHEDULE_DELAY": "100", "ELEXIRION_LOG_LEVEL": "info",
        "PYTHONPATH": str(ROOT),
        # So many failures at once would open the model's circuit, and the kinds that come last would not be seen.
        "ELEXIRION_CIRCUIT_THRESHOLD": "0",
    }  # fmt: skip
    stub_process.script(*_rules())
    with Cluster(kafka, folder, environment) as cluster:
        return asyncio.run(_left(cluster, folder))


def _rules() -> list[Rule]:
    read = ScriptedFunction(name="Read", arguments={"path": "notes.txt"})
    bash = ScriptedFunction(name="Bash", arguments={"command": f"env; echo {RESULT}"})
    function = ScriptedFunction(name="explode", arguments={"query": RESULT})
    return [
        *(_refusal(provider, KEYS[name]) for provider, name in PROVIDERS.items()),
        Rule(contains="break off", answer=Answer(
            chunks=(RESULT, " and"), error_after_chunk=1, error_message=f"{PROMPT} break off"
        )),
        *(Rule(contains=f"fail with {kind}.", answer=answer) for kind, answer in FAULTS.items()),
        Rule(contains="use tools", nth=1, answer=Answer(chunks=(RESULT,), functions=(read, bash))),
        Rule(contains="call a function", nth=1, answer=Answer(chunks=(), functions=(function,))),
        Rule(answer=Answer(chunks=(RESULT[:7], RESULT[7:]), thinking="")),
    ]  # fmt: skip


def _refusal(provider: ProviderName, key: str) -> Rule:
    """An error that quotes what the caller sent."""
    error = {"type": "invalid_request_error", "message": f"Incorrect key {key} for the prompt: {PROMPT} refuse"}
    return Rule(provider=provider, contains="refuse", answer=Answer(status=400, body=json.dumps({"error": error})))


async def _left(cluster: Cluster, folder: Path) -> Left:
    (folder / "workspace").mkdir()
    (folder / "workspace" / "notes.txt").write_text(RESULT)
    async with cluster.tape() as tape, cluster.publisher() as publisher, collector() as traces:
        worker = cluster.start("canary", ELEXIRION_OTLP_ENDPOINT=traces.url)
        await cluster.ready(tape, worker)
        ids, ends = await _everything(tape, publisher)
        url = _address(worker)
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:
            metrics = (await client.get(f"{url}/metrics")).text
            health = (await client.get(f"{url}/readyz")).text
        await _until_traced(traces)
    cli = await _explained(cluster, [ids[kind] for kind in ("refused", "auth", "budget", "cut_stream")])
    records = await _records(cluster)
    worker.process.terminate()
    await worker.ended(40)
    said = b"\n".join(traces.requests).decode(errors="replace")
    return Left(records, ends, worker.log.read_text(errors="replace"), metrics, health, said, cli)


async def _everything(tape: Tape, publisher: Publisher) -> tuple[dict[str, str], dict[str, str]]:
    """Publish all of it; the id of each run, and how it ended."""
    runs = {"asking": ASKING, "tools": TOOLS, "typed": INPUT}
    runs |= {name: f"name: {name}\nsteps:\n  - {step}\n" for name, step in FAILING.items()}
    inputs = {"said": RESULT, "values": {"a": RESULT}, "rows": [{"x": RESULT}], "count": f"{PROMPT} is no number"}
    ids = {name: run_id(name) for name in runs}
    for name, text in runs.items():
        await publisher.start(ids[name], text, inputs=inputs)
    for value in NO_COMMANDS:
        await publisher.raw(value, b"nobody")
    ends = {name: (await tape.end_of(id, 40)).type for name, id in ids.items()}
    await tape.until(lambda: len(tape.dead_letters) >= 3, 20, "what is no command is buried")
    return ids, ends


async def _explained(cluster: Cluster, ids: list[str]) -> str:
    """What the command line says of runs that failed: the list of them, and why each did."""
    said = await cluster.command_line("runs", "--all")
    for id in ids:
        said += await cluster.command_line("explain", id)
    return "\n".join(text for text in said if isinstance(text, str))


async def _until_traced(traces: Collector) -> None:
    async with asyncio.timeout(20):
        while not any(span.name == "invoke_workflow asking" for span in traces.spans):  # noqa: ASYNC110  # a thread adds
            await asyncio.sleep(0.05)


async def _records(cluster: Cluster) -> dict[str, list[str]]:
    address, found = KafkaAddress(cluster.bootstrap), dict[str, list[str]]()
    for spec in topic_specs(cluster.topics):
        partitions = range(await partition_count(address, spec.name))
        records = [
            b"\n".join([message.key or b"", message.value or b"", repr(message.headers).encode()]).decode()
            async for message in scan(address, spec.name, partitions)
        ]
        found[spec.name.removeprefix(cluster.topics.prefix)] = records
    return found


def _address(worker: WorkerProcess) -> str:
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return next(str(line["url"]) for line in lines if line["event"] == "metrics and health")


def test_the_runs_went_the_ways_they_were_meant_to_go(left: Left) -> None:
    assert left.ends == {"asking": "RunCompleted", "tools": "RunCompleted", "typed": "CommandRejected"} | dict.fromkeys(
        FAILING, "RunFailed"
    )
    events = "\n".join(left.records["events"])
    for needed in ("CacheHit", "ToolReturned", "StepRetryScheduled", PROMPT, RESULT):
        assert needed in events
    assert RESULT in "".join(left.records["cache"])
    assert any(RESULT[:7] in record for record in left.records["chunks"])
    assert "HOME=" in events, "the tool Bash showed its environment"
    assert "canary" in left.logs
    assert "pipeline_steps_total" in left.metrics
    assert [kind for kind in FAULTS if f'"kind":"{kind}"' not in events] == []
    assert all(kind in left.cli for kind in ("req_stub", "auth", "budget"))


def test_no_key_is_in_any_record_of_any_topic(left: Left) -> None:
    found = [
        (topic, record) for topic, records in left.records.items() for record in records for key in KEYS.values()
        if key in record
    ]  # fmt: skip
    assert not found


@pytest.mark.parametrize("place", ["logs", "metrics", "health", "traces", "cli"])
@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES.keys())
def test_no_canary_is_in_what_operators_see(left: Left, place: str, canary: str) -> None:
    lines = str(getattr(left, place)).splitlines()
    assert lines
    assert [line for line in lines if canary in line] == []


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES.keys())
def test_no_canary_is_in_the_words_about_a_failure(left: Left, canary: str) -> None:
    spoken = list(left.spoken())
    assert len(spoken) > len(FAILING)
    found = sorted({f"{where}: {text}" for where, text in spoken if canary in text})
    assert not found, "\n".join(found)


def test_a_canary_would_be_found_in_a_reason() -> None:
    document = {"data": {"failure": {"message": PROMPT}, "calls": [{"error": RESULT}], "definition": {"message": "x"}}}
    assert sorted(_reasons(document)) == [PROMPT, RESULT]
