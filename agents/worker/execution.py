"""One attempt of a step, from start to terminal report."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from elexirion.agents import failpoints
from elexirion.agents.provider_control.control import ProviderControl
from elexirion.agents.providers.port import Provider
from elexirion.agents.providers.recorded import RecordedProvider, Recordings
from elexirion.agents.steps.port import Outcome, StepError, StepRunner, Work
from elexirion.agents.worker.meter import Price
from elexirion.agents.worker.output_file import write_output
from elexirion.agents.worker.reports import Reports
from elexirion.agents.worker.result_cache import ResultCache
from elexirion.agents.worker.result_schema import fitting
from elexirion.agents.worker.step_io import ExecutionIO, Store
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.step import ExecuteStep, StepCompleted, StepFailed, StepStarted
from elexirion.events.values import Value
from elexirion.pipelines.fallback import Candidate

Load = Callable[[Value], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What executions share: `load` and `store` move values too large for one record."""

    reports: Reports
    runners: dict[str, StepRunner]
    provider: Callable[[str, bool], Provider | None]
    load: Load
    store: Store
    trusted_folders: bool = False
    cache: ResultCache | None = None
    control: ProviderControl | None = None
    recordings: Recordings | None = None
    price: Price | None = None


async def attempt(cause: Record, execute: ExecuteStep, tools: Tools) -> RecordModel:
    """Run the execution and return its terminal report; raises only CancelledError."""
    began = time.monotonic()
    cache = None if execute.replay_from else tools.cache
    io = ExecutionIO(
        cause, execute, tools.reports, _provider(cause, execute, tools), tools.store, cache, tools.control,
        tools.price,
    )  # fmt: skip
    try:
        await _announce(cause, execute, tools.reports)
        outcome = await _within(execute.timeout_s, _run(cause, execute, tools, io))
        return await _completed(cause, execute, tools, io, outcome, began)
    except StepError as error:
        return _failed(execute, io, error, began)
    except BaseException as error:  # a step's code may raise anything; the agent goes on
        if _is_for_us(error):
            raise
        return _failed(execute, io, StepError(_unexpected(error)), began)


def _provider(cause: Record, execute: ExecuteStep, tools: Tools) -> Provider | None:
    """Who answers the execution: a recorded run where the run names one, else the lane's provider."""
    if execute.replay_from is None or tools.recordings is None:
        return tools.provider(execute.lane, cause.offline)
    return RecordedProvider(execute.replay_from, tools.recordings, tools.load, execute.step, execute.input)


def _is_for_us(error: BaseException) -> bool:
    """Whether it ends this attempt from outside; a CancelledError that the step raised by itself does not."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _unexpected(error: BaseException) -> Failure:
    try:
        said = str(error).encode(errors="replace").decode()
    except Exception:  # noqa: BLE001  # an exception's own text may raise as well
        said = "(it has no text)"
    return Failure(kind="internal", message=f"Step execution failed: {type(error).__name__}: {said}")


async def _announce(cause: Record, execute: ExecuteStep, reports: Reports) -> None:
    data = StepStarted(execution_id=execute.execution_id, incarnation=execute.incarnation)
    sent = await reports.send(reports.record(data, "started", cause))
    failpoints.hit("execution.started_sent", cause.run_id)
    await failpoints.acknowledged("execution.started_acked", cause.run_id, sent)


async def _run(cause: Record, execute: ExecuteStep, tools: Tools, io: ExecutionIO) -> Outcome:
    runner = tools.runners.get(execute.step_type)
    if runner is None:
        raise StepError(Failure(kind="step_error", message=f"Unknown step type: {execute.step_type}"))
    work = await _work(cause, execute, tools)
    io.take_cached(_cache_ttl_s(work.config))
    outcome = await runner(work, io)
    await io.settle()
    return fitting(outcome, work.config.get("result_schema"))


def _cache_ttl_s(config: dict[str, Any]) -> float | None:
    match config.get("cache"):
        case {"ttl_seconds": int() | float() as ttl_s}:
            return ttl_s
        case _:
            return None


async def _work(cause: Record, execute: ExecuteStep, tools: Tools) -> Work:
    config = await tools.load(execute.input)
    if not isinstance(config, dict):
        raise StepError(Failure(kind="internal", message="the step's input is not an object"))
    return Work(
        run_id=cause.run_id, execution_id=execute.execution_id, step=execute.step, step_type=execute.step_type,
        lane=execute.lane, attempt=execute.attempt, config=_asking_instead(config, execute.fallback),
        timeout_s=execute.timeout_s, offline=cause.offline, fallback=execute.fallback,
    )  # fmt: skip


def _asking_instead(config: dict[str, Any], fallback: str | None) -> dict[str, Any]:
    """The step's config with the model of its fallback; what its own model would fall back to is not asked."""
    candidate = Candidate.parse(fallback) if fallback else None
    if candidate is None:
        return config
    options = {key: value for key, value in (config.get("options") or {}).items() if key != "fallback_model"}
    return {**config, "model": candidate.model, "options": options}


async def _within(timeout_s: float | None, running: Awaitable[Outcome]) -> Outcome:
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await running
    except TimeoutError as error:
        if not limit.expired():  # the step's own
            raise
        failure = Failure(kind="timeout_total", message=f"no result within {timeout_s:g} s")
        raise StepError(failure) from error


async def _completed(
    cause: Record, execute: ExecuteStep, tools: Tools, io: ExecutionIO, outcome: Outcome, began: float
) -> StepCompleted:
    try:
        if execute.output_file:
            await write_output(execute.output_file, outcome.result, trusted=tools.trusted_folders)
        result = await tools.store(cause.run_id, outcome.result)
        turns = await tools.store(cause.run_id, list(outcome.turns)) if outcome.turns else None
    except Exception as error:
        failure = error.failure if isinstance(error, StepError) else _unexpected(error)
        raise StepError(failure, outcome.usage, outcome.cost_usd) from error
    if outcome.fallback:
        io.withdraw_answers()
    return StepCompleted(
        execution_id=execute.execution_id, incarnation=execute.incarnation, result=result,
        text_sha256=io.text_sha256, chunks=io.chunks, usage=outcome.usage, cost_usd=outcome.cost_usd,
        model=outcome.model, stop_reason=outcome.stop_reason, output_file=execute.output_file,
        duration_s=time.monotonic() - began, turns=turns, fallback=outcome.fallback or execute.fallback,
    )  # fmt: skip


def _failed(execute: ExecuteStep, io: ExecutionIO, error: StepError, began: float) -> StepFailed:
    io.withdraw_answers()
    return StepFailed(
        execution_id=execute.execution_id, incarnation=execute.incarnation, failure=error.failure,
        usage=error.usage, cost_usd=error.cost_usd, chunks=io.chunks, duration_s=time.monotonic() - began,
    )  # fmt: skip
