"""What an incarnation holds: each execution once, until its end is acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced, RequestTimedOutError
from elexirion.agents.steps.port import Outcome, StepError, StepIO, Work
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.step import StepCompleted, StepDeclined, StepFailed
from elexirion.events.usage import Usage

from tests.agents.working import Broker, Probe, execute, executor_of, until

Runner = Callable[[Work, StepIO], Awaitable[Outcome]]


async def says(work: Work, io: StepIO) -> Outcome:
    await asyncio.sleep(0)
    return Outcome(work.config)


def raises(error: BaseException) -> Runner:
    async def run(work: Work, io: StepIO) -> Outcome:
        raise error

    return run


def returns(outcome: Outcome) -> Runner:
    async def run(work: Work, io: StepIO) -> Outcome:
        return outcome

    return run


async def ended(runner: Runner, cause: Record | None = None, **fields: Any) -> Record:
    """The terminal report of one execution."""
    broker = Broker()
    executor = executor_of(broker, runner, **fields)
    executor.accept(cause or execute())
    await until(lambda: not executor.held_ids())
    return broker.sent[-1]


async def failure_of(runner: Runner, cause: Record | None = None) -> Failure:
    data = (await ended(runner, cause)).data
    assert isinstance(data, StepFailed)
    return data.failure


# Each execution once ------------------------------------------------------------------------------------


async def test_an_execution_says_that_it_started_and_how_it_ended() -> None:
    broker = Broker()
    executor = executor_of(broker, says)
    executor.accept(execute())
    assert executor.held_ids() == ("run-1/s#1",)
    assert executor.held_by_lane() == {"local": 1}
    await until(lambda: not executor.held_ids())
    assert [record.id for record in broker.sent] == ["run-1/s#1/started", "run-1/s#1/completed"]
    assert {(record.run_id, record.correlation_id) for record in broker.sent} == {("run-1", "c")}
    assert {record.causation_id for record in broker.sent} == {"run-1/s#1/execute"}


async def test_an_execution_that_comes_twice_runs_once() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe)
    executor.accept(execute())
    executor.accept(execute())
    await until(lambda: probe.started)
    executor.accept(execute())
    probe.gate.set()
    await until(lambda: not executor.held_ids())
    assert probe.started == ["run-1/s#1"]
    assert broker.types() == ["StepStarted", "StepCompleted"]


async def test_so_many_executions_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elexirion.agents.worker.executor.REMEMBERED_IDS", 2)
    broker = Broker()
    executor = executor_of(broker, says)
    for number in (1, 2, 3, 2, 3, 1):
        executor.accept(execute(number))
        await until(lambda: not executor.held_ids())
    started = [record.data.execution_id[-1] for record in broker.sent if record.type == "StepStarted"]
    assert started == ["1", "2", "3", "1"], "memory has a bound, and what was delivered lately is within it"


async def test_one_that_ended_long_ago_is_answered_with_its_end_again() -> None:
    broker, probe = Broker(), Probe()
    probe.gate.set()
    executor = executor_of(broker, probe)
    executor.accept(execute())
    await until(lambda: not executor.held_ids())
    executor.accept(execute())
    await until(lambda: len(broker.of("StepCompleted")) == 2)
    first, second = broker.of("StepCompleted")
    assert first == second
    assert probe.started == ["run-1/s#1"]


async def test_what_another_incarnation_was_to_do_is_declined() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe)
    executor.accept(execute(incarnation="w1.bbbb"))
    await until(lambda: broker.sent)
    (said,) = broker.sent
    assert isinstance(said.data, StepDeclined)
    assert (said.data.reason, said.data.incarnation) == ("not_mine", "w1.aaaa")
    assert not executor.held_ids()
    assert probe.started == []


async def test_who_is_cut_off_declines_instead_of_starting() -> None:
    said = await ended(Probe(), may_start=lambda: False)
    assert isinstance(said.data, StepDeclined)
    assert said.data.reason == "fenced"


async def test_a_decline_is_remembered_and_said_again() -> None:
    broker, probe = Broker(), Probe()
    live = [False]
    executor = executor_of(broker, probe, may_start=lambda: live[0])
    executor.accept(execute())
    await until(lambda: not executor.held_ids())
    live[0] = True
    executor.accept(execute())
    await until(lambda: len(broker.sent) == 2)
    assert broker.types() == ["StepDeclined", "StepDeclined"]
    assert probe.started == []


# Slots --------------------------------------------------------------------------------------------------


async def test_the_slots_of_a_lane_bound_what_runs_and_all_are_held() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe, slots=2)
    for n in range(1, 6):
        executor.accept(execute(n))
    await until(lambda: len(probe.started) == 2)
    assert len(executor.held_ids()) == 5
    probe.gate.set()
    await until(lambda: not executor.held_ids())
    assert probe.most == 2
    assert sorted(probe.started) == [f"run-1/s#{n}" for n in range(1, 6)]


async def test_a_full_lane_does_not_hold_up_another() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe, slots=1)
    executor.accept(execute(1, lane="claude"))
    executor.accept(execute(2, lane="claude"))
    executor.accept(execute(3, lane="gemini"))
    await until(lambda: len(probe.started) == 2)
    assert probe.started == ["run-1/s#1", "run-1/s#3"]
    probe.gate.set()
    await until(lambda: not executor.held_ids())


# Cancel and drain ---------------------------------------------------------------------------------------


async def test_cancel_aborts_the_step_and_says_nothing_more() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe)
    executor.accept(execute())
    await until(lambda: probe.started)
    executor.cancel("run-1/s#1")
    await until(lambda: probe.cancelled)
    assert not executor.held_ids()
    executor.accept(execute())
    executor.accept(execute(2))
    probe.gate.set()
    await until(lambda: broker.of("StepCompleted"))
    assert probe.started == ["run-1/s#1", "run-1/s#2"]
    assert [record.id for record in broker.of("StepCompleted")] == ["run-1/s#2/completed"]


async def test_a_cancel_that_overtakes_its_execution_keeps_it_from_starting() -> None:
    broker, probe = Broker(), Probe()
    probe.gate.set()
    executor = executor_of(broker, probe)
    executor.cancel("run-1/s#1")
    executor.accept(execute(1))
    executor.accept(execute(2))
    await until(lambda: broker.of("StepCompleted"))
    assert probe.started == ["run-1/s#2"]


async def test_a_cancelled_step_frees_its_slot() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe, slots=1)
    executor.accept(execute(1))
    executor.accept(execute(2))
    await until(lambda: probe.started)
    executor.cancel("run-1/s#1")
    await until(lambda: probe.started == ["run-1/s#1", "run-1/s#2"])
    probe.gate.set()
    await until(lambda: not executor.held_ids())


async def test_drain_releases_what_does_not_end_and_declines_what_comes() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe)
    executor.accept(execute(1))
    await until(lambda: probe.started)
    await executor.drain(0.01)
    assert [record.id for record in broker.of("StepReleased")] == ["run-1/s#1/released"]
    assert not executor.held_ids()
    executor.accept(execute(2))
    await until(lambda: broker.of("StepDeclined"))
    assert broker.of("StepDeclined")[0].raw["reason"] == "draining"
    await until(lambda: probe.cancelled == ["run-1/s#1"])


async def test_drain_lets_a_step_end_that_is_quick_enough() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe)
    executor.accept(execute(1))
    await until(lambda: probe.started)
    draining = asyncio.create_task(executor.drain(5.0))
    await until(lambda: executor.draining)
    probe.gate.set()
    await draining
    assert broker.types() == ["StepStarted", "StepCompleted"]


async def test_drain_releases_at_once_what_waits_for_its_turn() -> None:
    broker, probe = Broker(), Probe()
    executor = executor_of(broker, probe, slots=1)
    executor.accept(execute(1))
    executor.accept(execute(2))
    await until(lambda: probe.started)
    draining = asyncio.create_task(executor.drain(5.0))
    await until(lambda: broker.of("StepReleased"))
    assert executor.held_ids() == ("run-1/s#1",)
    probe.gate.set()
    assert await draining == ("run-1/s#2",)
    assert probe.started == ["run-1/s#1"]


async def test_a_release_that_is_not_acknowledged_holds_up_no_other() -> None:
    broker, probe = Broker(lambda record: RequestTimedOutError() if "#1/released" in record.id else None), Probe()
    executor = executor_of(broker, probe)
    executor.accept(execute(1))
    executor.accept(execute(2))
    await until(lambda: len(probe.started) == 2)
    await executor.drain(0.01)
    assert [record.id for record in broker.of("StepReleased")] == ["run-1/s#1/released", "run-1/s#2/released"]


# Until it is acknowledged -------------------------------------------------------------------------------


async def test_an_end_that_is_not_acknowledged_is_said_again_and_stays_held() -> None:
    left = [2]

    def refuse(record: Record) -> KafkaError | None:
        if record.type != "StepCompleted" or not left[0]:
            return None
        left[0] -= 1
        return RequestTimedOutError()

    broker = Broker(refuse)
    executor = executor_of(broker, says)
    executor.accept(execute())
    await until(lambda: broker.of("StepCompleted"))
    assert executor.held_ids() == ("run-1/s#1",)
    await until(lambda: not executor.held_ids())
    assert [record.id for record in broker.of("StepCompleted")] == ["run-1/s#1/completed"] * 3


async def test_while_the_broker_is_silent_an_ended_step_stays_held() -> None:
    broker = Broker(silent=True)
    executor = executor_of(broker, says)
    executor.accept(execute())
    await until(lambda: broker.of("StepCompleted"))
    assert executor.held_ids() == ("run-1/s#1",)
    broker.answer()
    await until(lambda: not executor.held_ids())
    assert len(broker.of("StepCompleted")) == 1


async def test_a_result_too_large_for_a_record_becomes_a_failure() -> None:
    broker = Broker(at_once=lambda record: MessageSizeTooLargeError() if record.type == "StepCompleted" else None)
    spent = Usage(output_tokens=4)
    executor = executor_of(broker, returns(Outcome("x", spent, 0.25)))
    executor.accept(execute())
    await until(lambda: not executor.held_ids())
    assert broker.types() == ["StepStarted", "StepFailed"]
    said = broker.sent[-1].data
    assert isinstance(said, StepFailed)
    assert "cannot be recorded" in said.failure.message
    assert (said.usage, said.cost_usd) == (spent, 0.25)


@pytest.mark.parametrize(
    "result",
    [object(), {"a": object()}, "\ud800", 2**70],
    ids=["an object", "an object inside", "half a character", "a large number"],
)
async def test_a_result_that_is_no_json_becomes_a_failure(result: Any) -> None:
    failure = await failure_of(returns(Outcome(result)))
    assert "cannot be recorded" in failure.message


async def test_a_producer_that_died_ends_the_execution_in_this_process_only() -> None:
    broker = Broker(lambda record: ProducerFenced() if record.type == "StepCompleted" else None)
    executor = executor_of(broker, says)
    executor.accept(execute())
    await until(lambda: broker.of("StepCompleted"))
    await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "execution run-1/s#1"])
    assert executor.held_ids() == ("run-1/s#1",), "nobody may believe that its end is in the log"


# A step may raise anything ------------------------------------------------------------------------------


class Speechless(Exception):  # noqa: N818  # the name says what is wrong with it
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Alien(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom"), KeyError("k"), RecursionError(), MemoryError(), Speechless(), Alien(), SystemExit(3),
        asyncio.CancelledError(), ExceptionGroup("many", [ValueError("one")]), ValueError("\ud800"),
        StopAsyncIteration(), TimeoutError("from the step itself"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_whatever_a_step_raises_the_execution_ends_as_failed(error: BaseException) -> None:
    failure = await failure_of(raises(error))
    assert failure.kind == "internal"
    assert failure.message.startswith("Step execution failed: ")
    assert not failure.transient


async def test_what_a_step_raised_is_said() -> None:
    assert (await failure_of(raises(ValueError("boom")))).message == "Step execution failed: ValueError: boom"


async def test_the_executor_goes_on_after_a_step_that_raised() -> None:
    broker = Broker()

    async def run(work: Work, io: StepIO) -> Outcome:
        if work.execution_id.endswith("#1"):
            raise SystemExit(3)
        return Outcome("fine")

    executor = executor_of(broker, run, slots=1)
    executor.accept(execute(1))
    executor.accept(execute(2))
    await until(lambda: not executor.held_ids())
    assert broker.types() == ["StepStarted", "StepFailed", "StepStarted", "StepCompleted"]


async def test_a_typed_failure_keeps_its_kind_and_what_it_spent() -> None:
    spent = Usage(input_tokens=3, output_tokens=4)
    said = (await ended(raises(StepError(Failure(kind="overloaded", message="busy"), spent, 0.5)))).data
    assert isinstance(said, StepFailed)
    assert (said.failure.kind, said.usage, said.cost_usd) == ("overloaded", spent, 0.5)


async def test_an_unknown_step_type_is_named() -> None:
    assert (await failure_of(says, execute(step_type="nope"))).message == "Unknown step type: nope"


async def test_a_step_over_its_time_is_aborted_and_failed() -> None:
    probe = Probe()
    failure = await failure_of(probe, execute(timeout_s=0.01))
    assert (failure.kind, failure.message) == ("timeout_total", "no result within 0.01 s")
    assert probe.cancelled == ["run-1/s#1"]


async def test_an_output_that_cannot_be_written_keeps_what_the_step_spent() -> None:
    spent = Usage(output_tokens=4)
    said = (await ended(returns(Outcome("x", spent, 0.25)), execute(output_file="/nowhere/x.md"))).data
    assert isinstance(said, StepFailed)
    assert (said.usage, said.cost_usd) == (spent, 0.25)
    assert "/nowhere/x.md" in said.failure.message


async def test_a_result_stands_in_its_completion_with_what_it_cost() -> None:
    outcome = Outcome({"a": 1}, Usage(output_tokens=4), 0.25, "model-1", "end_turn")
    said = (await ended(returns(outcome))).data
    assert isinstance(said, StepCompleted)
    assert said.result.model_dump() == {"kind": "inline", "value": {"a": 1}}
    assert (said.usage, said.cost_usd, said.model, said.stop_reason) == (
        outcome.usage, 0.25, "model-1", "end_turn",
    )  # fmt: skip
