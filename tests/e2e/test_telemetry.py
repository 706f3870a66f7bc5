"""What operators see of a real worker: metrics that are the log's counts before and after a kill, health, a trace."""

import asyncio
import json

import httpx
from elexirion.agents.kafka.reading import broker_time
from elexirion.agents.telemetry import trace_context
from elexirion.events.codec import encode
from elexirion.events.commands import StartRun
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.step import StepCompleted
from elexirion.events.values import Inline
from elexirion.projections.partition import PartitionFold
from elexirion.projections.tally import Tally
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.cluster import CLI, NO_LANE, Cluster, Publisher, WorkerProcess, run_id
from tests.e2e.collector import collector
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

PIPELINE = """\
name: counted
steps:
  - {name: tone, type: set_variable, variables: {tone: dry}}
  - {name: echo, type: test_echo, value: "{{ tone }}"}
  - {name: ask, type: claude, prompt: "Say something, {{ tone }}."}
"""
RETRIED = """\
name: retried
steps:
  - {name: ask, type: claude, prompt: Be busy at first., retry: {max_attempts: 3, base_delay_ms: 1}}
"""
CACHED = "name: cached\nsteps: [{name: ask, type: claude, prompt: Say it once., cache: true}]\n"
FAILING = "name: failing\nsteps: [{name: bad, type: test_echo, fail: true, error_message: broken}]\n"

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Counts = dict[tuple[str, ...], float]


async def test_metrics_are_the_counts_of_the_log_before_and_after_a_kill(cluster: Cluster, stub: StubServer) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        worker = cluster.start("counted", ELEXIRION_HTTP_PORT="0")
        await cluster.ready(tape, worker)
        stub.script(Rule(contains="Be busy", nth=1, answer=Answer(status=503)))
        await _some_runs(tape, publisher, cluster)
        before = await _scraped_as_folded(tape, _address(worker))
        assert before["runs", "completed"] == 5
        assert before["runs", "failed"] == 1
        assert before["steps", "claude", "completed"] == 5
        assert before["steps", "claude", "failed"] == 1, "the attempt that was retried"
        assert before["steps", "test_echo", "failed"] == 1
        assert before["retries", "claude"] == 1
        assert before["cached", "claude"] == 1
        assert sum(count for key, count in before.items() if key[0] == "calls") == len(stub.calls()) == 5
        assert before["refused", "duplicate_command"] >= 1
        assert before["refused", "run_ended"] >= 1

        worker.kill()
        worker = cluster.start("counted-again", ELEXIRION_HTTP_PORT="0")
        await cluster.ready(tape, worker)
        # The new worker may read commands again whose place was not committed yet: it declines, and is refused.
        assert _that_count(await _scraped_as_folded(tape, _address(worker))) == _that_count(before)


async def test_a_worker_tells_that_it_is_ready_and_so_does_the_command_line(cluster: Cluster, stub: StubServer) -> None:
    async with cluster.tape() as tape:
        worker = cluster.start("healthy", ELEXIRION_HTTP_PORT="0")
        await cluster.ready(tape, worker)
        url = _address(worker)
        assert (await _get(f"{url}/healthz")).json() == {"status": "alive"}
        answer = await _until_ready(url)
        checks = answer.json()["checks"]
        assert checks.keys() == {
            "kafka", "database", "claude_api", "gemini_api", "openai_api", "memory", "process_count", "disk",
            "log_lag", "event_loop", "circuits",
        }  # fmt: skip
        assert checks["claude_api"]["status"] == "healthy", "the stub answers"
        for words in (["--worker", url], []):
            process = await asyncio.create_subprocess_exec(
                *CLI, "health", *words, "--json", env=cluster.environment(), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            said = json.loads(out)
            assert (process.returncode == 0) == (said["status"] == "healthy")
            assert said["checks"]["kafka"]["status"] == "healthy"


async def test_one_trace_holds_a_run_over_processes_that_share_nothing(cluster: Cluster, stub: StubServer) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher, collector() as traces:
        traced = {"ELEXIRION_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        decides = cluster.start("decides", roles="orchestrator", **traced)
        works = cluster.start("works", roles="lanes", **traced)
        await cluster.ready(tape, decides, works)
        run = run_id("traced")
        await publisher.start(run, PIPELINE)
        await tape.completed(run)
        wanted = {"invoke_workflow counted", "step set_variable", "step test_echo", "step claude"}
        async with asyncio.timeout(20):
            while not wanted <= {span.name for span in traces.spans}:  # noqa: ASYNC110  # another thread adds them
                await asyncio.sleep(0.05)
        of_run = trace_context.of_run(run, None)
        ours = [span for span in traces.spans if int.from_bytes(span.trace_id, "big") == of_run.trace_id]
        assert {span.name.split()[0] for span in ours} == {"invoke_workflow", "step", "chat"}
        headers = [dict(seen.message.headers) for seen in tape.of_run(run)]
        authors = {header["ce_source"].split(b".")[0] for header in headers}
        assert authors == {b"decides", b"works"}
        parents = {trace_context.parse(header["traceparent"].decode()) for header in headers}
        assert {parent.trace_id for parent in parents if parent} == {of_run.trace_id}


async def test_a_run_goes_on_in_the_trace_that_its_command_names(standing: Cluster, tape: Tape) -> None:
    run, command = run_id("joined"), StartRun(pipeline=NO_LANE)
    record = make_record(command, id=f"cmd-{run}", run_id=run, at=utc_now())
    async with standing.publisher() as publisher:
        await publisher.producer.send_and_wait(
            standing.topics.commands, encode(record), key=run.encode(), headers=[("traceparent", CALLER.encode())]
        )
    end = await tape.completed(run)
    assert end.correlation_id == CALLER
    traces = {dict(seen.message.headers)["traceparent"].decode().split("-")[1] for seen in tape.of_run(run)}
    assert traces == {CALLER.split("-")[1]}


async def _some_runs(tape: Tape, publisher: Publisher, cluster: Cluster) -> None:
    """Good runs, one retried, one cached, a failing one, a command sent twice, and a report that comes too late."""
    runs = [run_id("counted") for _ in range(2)]
    for run, pipeline in [
        *((run, PIPELINE) for run in runs),
        *((run_id("more"), p) for p in (RETRIED, CACHED, CACHED)),
    ]:
        await publisher.start(run, pipeline)
        await tape.completed(run)
    failing = run_id("failing")
    await publisher.start(failing, FAILING)
    assert (await tape.end_of(failing)).type == "RunFailed"
    await publisher.start(runs[0], PIPELINE)
    [completed] = tape.accepted(runs[0], "StepCompleted")[-1:]
    assert isinstance(completed.data, StepCompleted)
    late = completed.data.model_copy(update={"result": Inline(value="too late")})
    record = make_record(late, id="late", run_id=runs[0], at=utc_now())
    seen = tape.of_run(runs[0])[0]
    await publisher.producer.send_and_wait(
        cluster.topics.events, encode(record), key=runs[0].encode(), partition=seen.partition
    )
    await tape.until(lambda: len(tape.named(runs[0], "CommandReceived")) == 2, 10, "the second command arrives")
    await tape.until(
        lambda: any(seen.record.id == "late" for seen in tape.of_run(runs[0])), 10, "the late report arrives"
    )


def _folded(tape: Tape) -> Counts:
    """The counts of the whole log, folded here."""
    counts: Counts = {}
    for partition in {seen.partition for seen in tape.events}:
        fold, tally = PartitionFold(partition), Tally()
        for seen in tape.events:
            if seen.partition == partition:
                before = fold.runs.get(seen.record.run_id)
                tally.take(seen.record, fold.apply(seen.record, seen.offset, broker_time(seen.message)), before)
        own: Counts = {("steps", *key): count for key, count in tally.steps.items()}
        own |= {("retries", key): count for key, count in tally.retries.items()}
        own |= {("cached", key): count for key, count in tally.cache_hits.items()}
        own |= {("calls", *key): count for key, count in tally.calls.items()}
        own |= {("runs", key): count for key, count in tally.runs.items()}
        own |= {("refused", key): count for key, count in tally.refused.items()}
        own |= {("seconds", key): sum(each.buckets) for key, each in tally.step_durations.items()}
        own |= {("tokens", *key): count for key, count in tally.tokens.items()}
        for name, count in own.items():
            counts[name] = counts.get(name, 0) + count
    return counts


NAMES = {
    "pipeline_steps_total": ("steps", "step_type", "status"),
    "pipeline_step_retries_total": ("retries", "step_type"),
    "pipeline_cache_hits_total": ("cached", "step_type"),
    "pipeline_provider_calls_total": ("calls", "provider", "model", "outcome"),
    "pipeline_runs_total": ("runs", "status"),
    "elexirion_log_records_refused_total": ("refused", "reason"),
    "pipeline_step_duration_seconds_count": ("seconds", "step_type"),
    "pipeline_tokens_total": ("tokens", "provider", "model", "kind"),
}


async def _scraped(url: str) -> Counts:
    counts: Counts = {}
    text = (await _get(f"{url}/metrics")).text
    for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
        if sample.name in NAMES:
            what, *labels = NAMES[sample.name]
            key = (what, *(sample.labels[label] for label in labels))
            counts[key] = counts.get(key, 0) + sample.value
    return counts


async def _scraped_as_folded(tape: Tape, url: str) -> Counts:
    """What is scraped, once it is what the log says; both readers need a moment."""
    scraped: Counts = {}
    try:
        async with asyncio.timeout(20):
            while not scraped or scraped != _folded(tape):
                await asyncio.sleep(0.1)
                scraped = await _scraped(url)
    except TimeoutError:
        assert scraped == _folded(tape)
    return scraped


def _that_count(counts: Counts) -> Counts:
    return {key: count for key, count in counts.items() if key[0] != "refused"}


def _address(worker: WorkerProcess) -> str:
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    (url,) = (line["url"] for line in lines if line["event"] == "metrics and health")
    return str(url)


async def _get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        return await client.get(url)


async def _until_ready(url: str) -> httpx.Response:
    async with asyncio.timeout(20):
        while (answer := await _get(f"{url}/readyz")).status_code != 200:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.1)
    return answer
