"""`elexirion bench steps`: latency and throughput of steps, in one run with the hop they are compared with."""

import statistics
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.topic_admin import delete_topics, ensure_topics
from elexirion.agents.settings import Settings
from elexirion.console.bench.hop import HopMeter, HopPath, hop_meter
from elexirion.console.bench.processes import Started, start_process, until_ready
from elexirion.console.bench.runs import STEPS, Runner, start_runner
from elexirion.events.topics import Topics

WARM_UP_RUNS = 20
HOP_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """How much is measured: runs one after another, and `total` runs of which `in_flight` at once."""

    sequential: int = 200
    in_flight: int = 100
    total: int = 500


@dataclass(frozen=True, slots=True)
class StepsResult:
    """Milliseconds, multiples of the hop, steps a second, MiB. Records are those of one run, read back."""

    hop_ms_p50: float
    run10_ms_p50: float
    run10_ms_p99: float
    run10_hops: float
    steps_per_s: float
    worker_rss_mb: float
    orchestrator_rss_mb: float
    execute_step_records: int
    step_completed_records: int

    def as_dict(self) -> dict[str, float]:
        """For `--json`."""
        return {key: round(value, 3) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Stage:
    """Everything that is up while it is measured."""

    settings: Settings
    address: KafkaAddress
    topics: Topics
    runner: Runner
    hop: HopMeter
    orchestrator: Started
    worker: Started


async def bench_steps(
    settings: Settings, bootstrap: str, workload: Workload, say: Callable[[str], None]
) -> StepsResult:
    """Measure on topics of their own; the processes end with the measurement."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    own = settings.model_copy(update={"topic_prefix": prefix, "kafka": bootstrap})
    async with AsyncExitStack() as stack:
        say("starting an orchestrator and a worker")
        return await _measure(await _set_up(stack, own, bootstrap), workload, say)


async def _set_up(stack: AsyncExitStack, settings: Settings, bootstrap: str) -> _Stage:
    address, topics = KafkaAddress(bootstrap, "elexirion-bench"), Topics(settings.topic_prefix)
    await ensure_topics(address, settings)
    stack.push_async_callback(delete_topics, address, settings)
    orchestrator = await start_process(stack, bootstrap, topics.prefix, "--roles", "orchestrator")
    worker = await start_process(stack, bootstrap, topics.prefix, "--roles", "lanes", "--lanes", "local")
    await until_ready(address, topics, [orchestrator, worker])
    runner = await start_runner(stack, settings, address, topics)
    hop = await stack.enter_async_context(
        hop_meter(address, HopPath(topics.chunks, topics.payloads, settings.events_partitions))
    )
    return _Stage(settings, address, topics, runner, hop, orchestrator, worker)


async def _measure(stage: _Stage, workload: Workload, say: Callable[[str], None]) -> StepsResult:
    for _ in range(WARM_UP_RUNS):
        await stage.runner.run_once()
    say(f"{workload.sequential} runs of {STEPS} steps, one after another, taking turns with the hop")
    hop_ms, times_ms = await _in_turns(stage, workload.sequential)
    say(f"{workload.total} runs, {workload.in_flight} in flight")
    seconds = await stage.runner.run_many(workload.total, workload.in_flight)
    seen = await stage.runner.read_back(stage.settings.events_partitions, stage.settings.lane_partitions)
    p50 = statistics.median(times_ms) + hop_ms
    return StepsResult(
        hop_ms_p50=hop_ms, run10_ms_p50=p50, run10_ms_p99=_percentile(times_ms, 0.99) + hop_ms,
        run10_hops=p50 / hop_ms, steps_per_s=workload.total * STEPS / seconds,
        worker_rss_mb=stage.worker.rss_mb(), orchestrator_rss_mb=stage.orchestrator.rss_mb(),
        execute_step_records=seen["ExecuteStep"], step_completed_records=seen["StepCompleted"],
    )  # fmt: skip


async def _in_turns(stage: _Stage, count: int) -> tuple[float, list[float]]:
    """The hop and the runs in alternating stretches, so that a slow minute of the machine meets both."""
    hops, times = [], []
    for _ in range(HOP_SAMPLES):
        hops.append(await stage.hop.median_ms())
        times += [await stage.runner.run_once() * 1000 for _ in range(count // HOP_SAMPLES)]
    return statistics.median(hops), times


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
